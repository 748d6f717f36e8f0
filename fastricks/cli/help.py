"""`--help` in groups: the options of a verb by what they are about, the verbs by what they are for."""
import sys

from typer.core import TyperCommand, TyperGroup

FIELDS = {  # group -> fields of the recipe whose options are in it
    "Data": ("data", "classes", "per_class", "valid", "rest", "drop_duplicates", "group_by", "class_order", "max_bad"),
    "Images": ("size", "resize", "min_scale", "fit", "channels", "icc", "white", "flip", "pipeline"),
    "Network": ("arch", "arch_option", "pretrained", "weights"),
    "Training": ("epochs", "batch_size", "lr", "wd", "opt", "seed", "keep", "patience"),
    "Machine": ("device", "compile", "sync_bn", "threads", "workers"),
    "Output": ("name", "out", "wandb", "log", "checkpoint_every")}
OPTIONS_PANEL = "Options"
VERBS = {  # group -> verbs in it
    "Train": ("train", "resume", "ablate", "soup"),
    "Compare": ("compare", "runs", "page", "evaluate"),
    "Use": ("predict", "export", "demo", "card", "push"),
    "Look up": ("tricks", "recipes", "show", "prepare", "clean")}


def group_of(field):
    "The group of a field's option"
    return next(group for group, names in FIELDS.items() if field in names)


class Encodable:
    "A command whose help has the letters that stdout's encoding lacks as numbers, as all that is printed has"
    def get_help(self, ctx):
        encoding = sys.stdout.encoding or "utf-8"
        return super().get_help(ctx).encode(encoding, "backslashreplace").decode(encoding)


class GroupedCommand(Encodable, TyperCommand):
    "A verb whose options are listed in groups: first its own, then the recipe's"
    def format_options(self, ctx, formatter):
        sections = {"Arguments": [], OPTIONS_PANEL: [], **{group: [] for group in FIELDS}}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            of = ("Arguments" if param.param_type_name == "argument" else getattr(param, "rich_help_panel", None)
                  or OPTIONS_PANEL)
            sections[of].append(record)
        write_sections(formatter, sections)


class GroupedVerbs(Encodable, TyperGroup):
    "The verbs in groups"
    def format_commands(self, ctx, formatter):
        known = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        room = formatter.width - 6 - max(map(len, known))
        write_sections(formatter, {group: [(name, known[name].get_short_help_str(room)) for name in names]
                                   for group, names in VERBS.items()})


def write_sections(formatter, sections):
    for title, records in sections.items():
        if not records:
            continue
        with formatter.section(title):
            formatter.write_dl(records)

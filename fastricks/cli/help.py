"""`--help` in groups: the options of a verb by what they are about, the verbs by what they are for."""
import sys

from typer.core import TyperCommand, TyperGroup

from ..recipe.recipe import flag_of, options, takes_word

FIELDS = {  # group -> fields of the recipe whose options are in it
    "Data": ("data", "classes", "per_class", "valid", "rest", "drop_duplicates", "group_by", "class_order", "max_bad"),
    "Images": ("size", "resize", "min_scale", "fit", "channels", "icc", "white", "flip", "pipeline"),
    "Network": ("arch", "arch_option", "pretrained", "weights"),
    "Training": ("epochs", "batch_size", "lr", "wd", "opt", "seed", "keep", "patience"),
    "Machine": ("device", "compile", "layout", "sync_bn", "threads", "workers"),
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


def without_words(fields, args):
    """(the words of a command line without the values of these flags, field -> value): `--compile auto` and
    `--compile=auto`. What else follows the flag is no value of it: `--compile PHOTOS`. Of several the last counts.
    """
    words = {flag_of(f.name): f.metadata["word"] for f in fields}
    names = {spelling: f.name for f in fields for spelling in f.metadata["flag"].split("/")}
    rest, given, left = [], {}, list(args)
    while left:
        text = left.pop(0)
        flag, equals, value = text.partition("=")
        if flag in words and not equals and left[:1] == [words[flag]]:
            equals, value = "=", left.pop(0)
        if flag in words and equals:
            given[names[flag]] = value
            continue
        given.pop(names.get(flag), None)
        rest.append(text)
    return rest, given


class Encodable:
    "A command whose help has the letters that stdout's encoding lacks as numbers, as all that is printed has"
    def get_help(self, ctx):
        encoding = sys.stdout.encoding or "utf-8"
        return super().get_help(ctx).encode(encoding, "backslashreplace").decode(encoding)


class GroupedCommand(Encodable, TyperCommand):
    "A verb whose options are listed in groups: first its own, then the recipe's"
    def parse_args(self, ctx, args):
        mine = {param.name for param in self.params}
        rest, given = without_words([f for f in options() if takes_word(f) and f.name in mine], args)
        left = super().parse_args(ctx, rest)
        ctx.params.update(given)
        return left

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

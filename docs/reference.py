"""The reference, out of what it is of: the command line's from the app, the tricks' from their cards, Python's from
`fastricks/__init__.pyi`.
"""
import ast
import inspect
from dataclasses import fields
from pathlib import Path

import click
from typer.main import get_command

from fastricks.cli.app import app
from fastricks.cli.help import VERBS
from fastricks.recipe.named import RECIPES
from fastricks.recipe.recipe import Recipe, options
from fastricks.recipe.registry import registry
from fastricks.report.cards import card_lines, doc, recipe_list

ROOT = Path(__file__).parents[1]
NAMES = ROOT / "fastricks" / "__init__.pyi"


def escaped(text):
    "A text as a cell of a table"
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def table(heads, rows):
    return ["", *("| " + " | ".join(o) + " |" for o in (heads, ["---"] * len(heads), *rows)), ""]


# -- the command line

def verbs():
    "name -> command, those of `show` as `show data` …"
    found = {}
    for name, command in get_command(app).commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {o}": c for o, c in below.items()} if below else {name: command}
    return found


def cli_pages(): return {"reference/cli.md": cli_overview(), **{place(v): verb_page(v, c) for v, c in verbs().items()}}


def place(verb): return f"reference/cli/{verb.replace(' ', '-')}.md"


def cli_overview():
    group = {verb: title for title, names in VERBS.items() for verb in names}
    rows = [[group[v.split()[0]], f"[`fastricks {v}`]({place(v).removeprefix('reference/')})",
             escaped(paragraphs(c)[0])] for v, c in verbs().items()]
    rows.sort(key=lambda r: list(VERBS).index(r[0]))
    return "\n".join(["# Command line", "", "`fastricks VERB --help` says the same in a terminal. "
                      "`fastricks --version` prints the version; `--install-completion` adds completion to your shell.",
                      *table(["for", "command", ""], rows)])


def paragraphs(command): return [" ".join(p.split()) for p in inspect.cleandoc(command.help or "").split("\n\n")]


def verb_page(verb, command):
    context = click.Context(command, info_name=f"fastricks {verb}")
    groups = {}
    for param in command.params:
        if (record := param.get_help_record(context)) is not None:
            groups.setdefault(group_of_param(param), []).append(record)
    usage = " ".join([f"fastricks {verb}", *command.collect_usage_pieces(context)])
    parts = [f"# fastricks {verb}", "", f"    {usage}", "", *(f"{p}\n" for p in paragraphs(command))]
    for title in sorted(groups, key=lambda g: g not in ("Arguments", "Options")):
        rows = [[f"`{name}`", escaped(text)] for name, text in groups[title]]
        parts += [f"## {title}", *table(["", "meaning"], rows)]
    return "\n".join(parts)


def group_of_param(param):
    if param.param_type_name == "argument":
        return "Arguments"
    return getattr(param, "rich_help_panel", None) or "Options"


# -- tricks

def tricks_page():
    rows = [[f"[`{n}`](#{n})", ", ".join(c.changes()), escaped(doc(c)), escaped(c.cost)]
            for n, c in registry().items()]
    cards = [line for name in registry() for line in (f"## {name}", "", *as_text(card_lines(name)))]
    return "\n".join([
        "# Tricks", "",
        "Everything is off unless you ask for it, so a baseline is a baseline. `-t warmup+cosine` adds tricks, "
        "`-t mixup:alpha=0.4,partner=previous` sets a trick's keys, `-t=-NAME` takes one away from a recipe, "
        "`-t none` all of them. A run has exactly one main schedule: the recipe's own (`step`) until you name another. "
        "A trick whose settings change nothing, or that can't go with another, is refused with the reason.",
        *table(["`-t`", "changes", "what it does", "costs"], rows), *cards,
        "## Named recipes", "", f"`--recipe {next(iter(RECIPES))}` trains one.", "", *as_text(recipe_list())])


def as_text(lines): return ["```text", *lines, "```", ""]


# -- Python

GROUPS = {
    "Train": ("train", "make_recipe", "learner", "fit", "Run"),
    "Which tricks pay": ("ablate", "Ablation", "compare", "draw_delta", "soup", "stats"),
    "Use a model": ("load", "Prediction", "evaluate", "export", "model_card", "push"),
    "Look": ("show_data", "DataReport", "clean", "Cleaning", "show_batch", "show_targets", "show_lr", "first_batch",
             "schedule", "list_tricks", "card"),
    "On a Learner of your own": ("scheduler", "TrainLoss", "label_smoothing", "BatchMixUp", "Distill", "distill_loss",
                                 "kl_term", "Accumulate", "amp", "create_model", "zero_gamma", "decay_splitter",
                                 "param_groups", "KeyedDL", "TrainCrop", "CenterCrop"),
    "Write a trick": ("Trick", "key"),
    "Values": ("Recipe", "UserError")}

OF_A_RUN = ("predict", "probs", "learner", "metrics", "record", "history", "predictions", "folder", "file", "facts",
            "curves", "show")


def public():
    "name -> dotted place of everything that `import fastricks` has"
    return {a.asname: f"fastricks.{node.module}.{a.name}" for node in ast.parse(NAMES.read_text()).body
            if isinstance(node, ast.ImportFrom) for a in node.names}


def python_page():
    parts = ["# Python", "", "```python\nimport fastricks as ft\n```", "",
             "What the command line does is a call each. Wrong names and values raise `ft.UserError`, whose text is "
             "the "
             "command line's sentence. Where a signature ends in `**options`, the [options](#options) below are "
             "arguments.", ""]
    grouped = {name for names in GROUPS.values() for name in names}
    more = tuple(name for name in public() if name not in grouped)
    for title, names in {**GROUPS, **({"More": more} if more else {})}.items():
        parts += [f"## {title}", "", *(line for name in names for line in part(name, public()[name]))]
    return "\n".join([*parts, *options_part()])


def part(name, dotted):
    "An object's heading, signature and docstring; of a Run also what it has from its Predictor"
    if name == "stats":  # a module, of which this much is for others
        return ["### ft.stats", "", "The statistics on plain arrays.", "",
                *directive("ft.stats.ladder", "fastricks.report.compare.stats.ladder", 4)]
    more = ["      inherited_members: true", f"      members: [{', '.join(OF_A_RUN)}]"] if name == "Run" else []
    more += ["      members: false"] if name in ("Recipe", "UserError") else []
    return directive(f"ft.{name}", dotted, 3, more)


def directive(heading, dotted, level, more=()):
    return [f"::: {dotted}", "    options:", f"      heading: {heading}", f"      heading_level: {level}",
            f"      toc_label: {heading}", *more, ""]


def options_part():
    "The fields of a recipe as arguments"
    types = {f.name: str(f.type).replace("'", "") for f in fields(Recipe)}
    rows = [[f"`{f.name}`", f"`{types[f.name]}`", default_of(f), escaped(f.metadata["help"])]
            for f in options()]
    return ["## Options", "", "`--batch-size 64` on the command line is `batch_size=64` here.",
            *table(["argument", "type", "default", "meaning"], rows)]


def default_of(f):
    has = isinstance(f.default, str | int | float | bool) or f.default is None
    return f"`{f.default!r}`" if has else ""

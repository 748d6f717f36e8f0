"""`fastricks runs`: what lies in a folder of runs, the oldest first."""
from dataclasses import dataclass
from textwrap import wrap

from ..core.errors import UserError, plural, shorten
from ..core.words import NONE, duration
from ..recipe.recipe import Recipe, read_recipe
from ..recipe.registry import build_tricks
from ..runfolder.record import soup_of
from .find import in_folder
from .runs import made_visible, part

REASON = 60  # letters of why one ended as it did
NAME_WIDTH = 100   # and of a name, which ends with what tells it from the others


@dataclass(frozen=True)
class RunLine:
    "A run as the list has it"
    when: str
    name: str
    what: str
    well: str
    time: str
    ended: str


def listing(folder, width=None):
    """The list as aligned lines; where they would be longer than `width`, the name of each run and what is to be said
    of it below.

    Raises UserError where there is no run.
    """
    from pathlib import Path
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: give one of run folders, as runs")
    found = sorted((line_of_run(f) for f in in_folder(folder)), key=lambda line: line.when)
    head = RunLine("when", "run", "data, network, tricks", "accuracy", "time", "ended")
    rows = [tuple(vars(line).values()) for line in (head, *found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width and sum(widths) + 2 * len(widths) - 2 > width:
        return [text for line in found for text in in_lines(line, width)]
    padded = lambda row: [x.ljust(n) for x, n in zip(row, widths, strict=True)]
    return ["  ".join(padded(row)).rstrip() for row in rows]


def in_lines(line, width):
    "A run in several lines: its name, which is whole, and the rest"
    said = [line.when, line.what, line.well, line.time, line.ended]
    rest = ", ".join(x for x in said if x != NONE)
    return [line.name, *wrap(rest, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)]


def line_of_run(folder):
    "The RunLine of a run folder, whatever of it can be read"
    status, metrics = part_or_nothing(folder, "status.json"), part_or_nothing(folder, "metrics.json")
    when, name = str(status.get("time", NONE)), shorten(folder.name, NAME_WIDTH)
    word, reason = str(status.get("status", "unknown")), str(status.get("reason", ""))
    ended = shorten(": ".join(filter(None, [word, reason])), REASON)
    return RunLine(when, name, what_it_is(folder), how_well(metrics), how_long(metrics), ended)


def part_or_nothing(folder, name):
    try:
        return part(folder, name)
    except ValueError:
        return {}


def what_it_is(folder):
    "`digits, resnet18, mixup+cosine, seed 3`"
    try:
        meta = part(folder, "recipe.json")
        recipe = Recipe(**made_visible(read_recipe(folder / "recipe.json")))
        tricks = "+".join(str(t) for t in build_tricks(recipe.tricks)) or "no tricks"
        if soup := soup_of(meta.get("facts")):
            return f"{meta['data']['name']}, {recipe.arch}, {soup_words(soup, recipe.seed)}"
        return f"{meta['data']['name']}, {recipe.arch}, {shorten(tricks, 40)}, seed {recipe.seed}"
    except (ValueError, KeyError, TypeError, AttributeError, UserError):
        return "its recipe can't be read"


def soup_words(soup, seed):
    "`soup of 2 of 3 runs, seed 3`"
    kept = sum(bool(o.get("kept")) for o in soup["ingredients"])
    of_seed = "all seeds" if soup.get("across_seeds") else f"seed {seed}"
    return f"soup of {kept} of {plural(len(soup['ingredients']), 'run')}, {of_seed}"


def how_well(metrics):
    try:
        return f"{metrics['top1']:.2%} {metrics['split']}"
    except (KeyError, TypeError, ValueError):
        return NONE


def how_long(metrics):
    try:
        return duration(metrics["train_seconds"])
    except (KeyError, TypeError, ValueError):
        return NONE

"""Images for a model that is trained already: of its own run, or others whose classes are named as the model's are."""
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import UserError, nearest, one_of, plural, shorten
from ...core.files import read_text
from ..source import SPLITS, Found, Source, fingerprint
from .csv_file import csv_items, is_csv
from .folders import class_items, class_root, split_names
from .open import find_origin, open_recipe, readable_data
from .walk import Walk, subfolders


@dataclass(frozen=True)
class Chosen:
    "Images to evaluate a model on"
    source: Source         # its classes are the model's
    split: str             # one of SPLITS, or "" for images without splits
    own: bool              # of the data that the run was trained on
    notes: tuple = ()


def choose_images(run, classes, data=None, split=None):
    """The Chosen images of a `results.Run`, or of other `data`; `classes`: the model's; `split`: None for the one that
    is for testing.

    `data` that is the run's own, lying somewhere else, is split as the run was. Raises UserError where there is nothing
    to look at.
    """
    if split and split not in SPLITS:
        raise UserError(f"--split {split} is not one of {one_of(SPLITS)}{nearest(split, SPLITS)}")
    own = own_source(run, data or run.recipe.data, must=data is None)
    if own and {*own.classes} <= {*classes}:
        return of_own(run, replace(own, classes=tuple(classes)), split)
    return of_others(data or run.recipe.data, classes, split)


# -- the run's own

def own_source(run, data, must=False):
    """The run's Source with its splits, from where its data lies; where that is other data None, or with `must` it is
    taken nevertheless
    """
    r = run.recipe
    try:
        source = open_recipe(r, lost(run.folder), data)
    except UserError as e:
        if must:
            raise UserError(f"the data of {run.name} can't be opened ({e}): give --data with its place now, or other "
                            "data") from None
        return None
    return source if must or fingerprint(source) == run.data["fingerprint"] else None


def of_own(run, source, split):
    split = split or run.metrics["split"]
    if not source.of(split):
        raise UserError(f"{run.name} has no {split} images: its data has {one_of(s for s in SPLITS if source.of(s))}")
    was, now = run.data["fingerprint"], fingerprint(source)
    notes = () if was == now else (f"warning: the data of {run.name} is not what it was trained on (fingerprint "
                                   f"{was}, now {now})",)
    return Chosen(replace(source, items=tuple(source.final(split))), split, was == now, notes)


def lost(folder):
    "name -> reason of the images that the run left out"
    try:
        text = read_text(Path(folder) / "skipped.csv")
        return {r["image"]: r["reason"] for r in csv.DictReader(io.StringIO(text, newline=""))}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


# -- others

def of_others(data, classes, split):
    with readable_data(data):
        there = tests(Path(data).expanduser()) or find_origin(str(data)).open(str(data))
    items, split = split_to_look_at(data, there.items, split)
    found = name_map({o.label for o in items}, classes)
    require_known(data, found, classes)
    items = tuple(sorted((replace(o, label=found[o.label]) for o in items if found[o.label]), key=lambda o: o.name))
    notes = *there.notes, *mapped(found), *unknown(found, classes)
    return Chosen(Source(there.name, items, tuple(classes)), split, False, notes)


def tests(path):
    "`Found` of data for evaluation only: a CSV file or a folder that may have test or validation images alone"
    if is_csv(path):
        return csv_items(path, known=SPLITS)
    names = split_names(path) if path.is_dir() else {}
    if not names or "train" in names or {*subfolders(path)} - {*names.values()}:
        return None
    items, walk = [], Walk(path)
    for split, folder in names.items():
        root = class_root(path/folder, split)
        items += class_items(root, walk, split, None, f"{root.relative_to(path).as_posix()}/")[0]
    return Found(path.resolve().name, items, [])


def split_to_look_at(data, items, split):
    "(items, their split): those asked for, else test before validation; all of data without splits"
    there = [s for s in SPLITS if any(o.split == s for o in items)]
    if not there:
        raise UserError(f"{data} has no images")
    if there == ["train"]:
        if split not in (None, "train"):
            raise UserError(f"{data} has no {split} images, as it has no splits: without --split all are taken")
        return items, ""
    split = split or next((s for s in ("test", "valid") if s in there), None)
    if split not in there:
        raise UserError(f"{data} has no {split} images: it has {one_of(there)}")
    return [o for o in items if o.split == split], split


def plain_name(name): return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def name_map(labels, classes):
    """label -> the model's class of this name, or of the only one that differs in case, spaces, _ and - alone; None for
    a stranger
    """
    plain = Counter(map(plain_name, classes))
    near = {plain_name(c): c for c in classes if plain[plain_name(c)] == 1}
    return {o: o if o in classes else near.get(plain_name(o)) for o in sorted(labels)}


def require_known(data, found, classes):
    if not any(found.values()):
        first = next(iter(found), "")
        raise UserError(f"{data} has no images of the model's {plural(len(classes), 'class', 'classes')}: "
                        + (f"it has no class {first!r}{nearest(first, classes)}" if found else "it has none"))


def mapped(found):
    other = [f"{shorten(a)!r} for {shorten(b)!r}" for a, b in found.items() if b and a != b]
    return ([f"class names taken as the model's: {', '.join(other[:4])}{', …' if len(other) > 4 else ''}"] if other
            else [])


def unknown(found, classes):
    odd = [f"{shorten(a)!r}{nearest(a, classes)}" for a, b in found.items() if not b]
    return [f"passed over, as the model does not know {'it' if len(odd) == 1 else 'them'}: "
            f"{plural(len(odd), 'class folder')}, {', '.join(odd[:4])}{', …' if len(odd) > 4 else ''}"] if odd else []

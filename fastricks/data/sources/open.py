"""`--data`: from what the user gives to a `Source`."""
from itertools import islice
from pathlib import Path

from ...core.errors import UserError, nearest, one_of, plural
from ..scan import leave_out
from ..source import Source
from ..split import cap, hold_out
from .classes import check_classes, parse_classes, twins
from .csv_file import csv_items
from .digits import digit_items
from .download import get_food
from .folders import class_folders, has_splits, split_folders
from .food import NAMES, find_tree, food_items, food_name, of_21

BUILTIN = "digits", *NAMES
ARCHIVES = ".tgz", ".tar.gz", ".zip", ".tar"


def open_source(data, classes=None, per_class=None, valid=.1, bad=None):
    "The images of `data`: a built-in name, a folder, an official Food-101 tree or a CSV file; `bad`: name -> reason of those to leave out"
    data = str(data)
    check_numbers(per_class, valid)
    wanted = parse_classes(classes)
    if data == "food-101-21": wanted = of_21(wanted)
    try: name, found = load(data, wanted)
    except OSError as e: raise UserError(f"cannot read {e.filename or data}: {e.strerror or e}") from e
    return to_source(name, data, *found, wanted, per_class, valid, bad)


def check_numbers(per_class, valid):
    if per_class is not None and per_class < 1: raise UserError(f"--per-class {per_class}: give 1 or more")
    if not 0 <= valid < 1: raise UserError(f"--valid {valid}: give a fraction from 0 up to, but less than, 1")


def load(data, wanted):
    "(name, (items, classes, notes)) of what `data` is"
    path = Path(data).expanduser()
    if data == "digits": return data, digit_items(wanted)
    if data in NAMES: return data, load_folder(get_food(data), wanted)[1]
    if data.strip() and path.is_dir(): return load_folder(path, wanted)
    if path.is_file(): return load_file(data, path, wanted)
    raise UserError(f"--data {data!r} is no folder or file, and none of {one_of(BUILTIN)}{nearest(data, near(path))}")


def near(path):
    "What the user may have meant: a built-in name or a neighbour of `path`"
    try: return [*BUILTIN, *(str(o) for o in islice(path.parent.iterdir(), 1000) if not o.name.startswith("."))]
    except (OSError, ValueError): return BUILTIN


def load_file(data, path, wanted):
    if path.suffix.lower() == ".csv": return path.stem, csv_items(path, wanted)
    if path.name.lower().endswith(ARCHIVES):
        raise UserError(f"{data} is an archive: run `fastricks prepare {data} FOLDER` first, then give --data FOLDER")
    raise UserError(f"{data} is a file: give a folder of images or a .csv file")


def load_folder(path, wanted):
    tree = find_tree(path)
    if tree: return tree.resolve().name, food_items(tree, wanted)
    if has_splits(path): return path.resolve().name, split_folders(path, wanted)
    half_food(path)
    return path.resolve().name, class_folders(path, wanted)


def half_food(path):
    "Food-101 without its lists is not to be taken for two classes called images and meta"
    missing = [o for o in ("meta/train.txt", "meta/test.txt") if not (path/o).is_file()]
    if (path/"images").is_dir() and (path/"meta").is_dir():
        raise UserError(f"{path} looks like Food-101 but has no {' and no '.join(missing)}")


def to_source(name, data, items, known, notes, wanted, per_class, valid, bad=None):
    "Checks the classes, takes the training images asked for and holds some out for validation"
    check_classes(items, known, wanted, data)
    chosen = sorted(wanted or known)
    if bad: items = leave_out(Source(name, tuple(items), tuple(chosen)), bad).items
    if per_class: items = cap(items, per_class)
    if not any(o.split == "valid" for o in items): items = hold_out(items, valid, "valid")
    items = tuple(sorted(items, key=lambda o: o.name))
    source = Source(food_label(name, data, chosen), items, tuple(chosen), tuple(notes))
    if not any(o.split != "train" for o in items): raise UserError(nothing_to_test(data, valid))
    return source.note(*lacking(source), *twins(chosen))


def food_label(name, data, classes):
    "food-101-21 for exactly its classes, wherever they lie; else the folder's name"
    return food_name(classes) or ("food-101" if data in NAMES else name)


def nothing_to_test(data, valid):
    more = "--valid 0.1" if valid == 0 else "more images"
    return f"{data} has no test set and --valid {valid:g} leaves nothing to evaluate on: give {more}"


def lacking(source):
    "A note for each split that has images, but not of every class"
    for split in ("valid", "test"):
        missing = sorted({*source.classes} - {o.label for o in source.of(split)})
        if missing and source.of(split):
            yield (f"{split} has no images of {plural(len(missing), 'class', 'classes')}: {', '.join(missing[:3])}"
                   f"{', …' if len(missing) > 3 else ''}")

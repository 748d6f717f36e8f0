"""`--data`: from what the user gives to a `Source`."""
import shlex
from collections import Counter
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ...core.errors import UserError, nearest, one_of, plural
from ..scan import leave_out
from ..source import CAPPED, Source
from ..split import cap, hold_out
from .classes import both_encodings, check_classes, one_encoding, parse_classes, same_encoding, twins
from .food import food_name
from .registry import builtin_names, data_sources

ARCHIVES = ".tgz", ".tar.gz", ".zip", ".tar", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar", ".gz"


def open_source(data, classes=None, per_class=None, valid=.1, bad=None):
    """The Source of `data`: a built-in name, a folder, an official Food-101 tree, a CSV file, or what another DataSource knows.

    `classes`: those to take; `per_class`: at most so many training images of each; `valid`: the fraction of the training
    images that is held out where `data` has no validation images; `bad`: {name: reason} of images to leave out. Raises
    UserError.
    """
    data = str(data)
    check_numbers(per_class, valid)
    asked = parse_classes(classes)
    with readable(data):
        origin = find_origin(data)
        wanted = origin.choose_classes(data, asked)
        found = origin.open(data, wanted and both_encodings(wanted))
    wanted = wanted and same_encoding(wanted, found.classes)
    found = one_encoding(found)
    check_classes(found.items, found.classes, wanted, data)
    chosen = tuple(sorted(wanted or found.classes))
    there = without(found, chosen, bad)
    items = with_splits(there, per_class, valid)
    if all(o.split == "train" for o in items): raise UserError(nothing_to_test(data, valid))
    ignored = found.ignored + Counter({(CAPPED, ""): len(there) - len(items)})
    source = Source(food_name(chosen) or found.name, items, chosen, tuple(found.notes), missing=found.missing, ignored=ignored,
                    splits=told_splits(found, valid))
    return source.note(*lacking(source), *twins(chosen))


def check_numbers(per_class, valid):
    if per_class is not None and per_class < 1: raise UserError(f"--per-class {per_class}: give 1 or more")
    if not 0 <= valid < 1: raise UserError(f"--valid {valid}: give a fraction from 0 up to, but less than, 1")


@contextmanager
def readable(data):
    "A folder or file that cannot be read is one sentence"
    try: yield
    except OSError as e: raise UserError(f"cannot read {e.filename or data}: {e.strerror or e}") from e


def find_origin(data):
    "The DataSource to which `data` belongs"
    origin = next((o for o in data_sources() if o.fits(data)), None)
    if origin is None: raise UserError(nothing_fits(data))
    return origin


def nothing_fits(data):
    path = Path(data).expanduser()
    if not path.is_file():
        names = builtin_names()
        meant = nearest(data, [*names, *neighbours(path)])
        return f"--data {data!r} is no folder or file, and none of {one_of(names)}{meant}"
    if path.name.lower().endswith(ARCHIVES): return f"{data} is an archive: {how_to_unpack(data, path)}"
    return f"{data} is a file: give a folder of images or a .csv file"


def how_to_unpack(data, path):
    "Only Food-101's archive has a command of its own"
    if "food" in path.name.lower(): return f"run `fastricks prepare {shlex.quote(data)} FOLDER` first, then give --data FOLDER"
    if path.name.lower().endswith(".zip"): way = f"python -m zipfile -e {shlex.quote(data)} FOLDER"
    elif ".tar" in path.name.lower() or path.name.lower().endswith((".tgz", ".tbz2", ".txz")): way = f"tar -xf {shlex.quote(data)} -C FOLDER"
    else: return "unpack it into a folder first, then give --data FOLDER"
    return f"unpack it first, `{way}`, then give --data FOLDER"


def neighbours(path):
    "What lies beside `path`, which the user may have meant"
    try: return [str(o) for o in islice(path.parent.iterdir(), 1000) if not o.name.startswith(".")]
    except (OSError, ValueError): return []


def without(found, classes, bad):
    "The items found, those in `bad` left out"
    if not bad: return found.items
    return leave_out(Source(found.name, tuple(found.items), classes), bad).items


def told_splits(found, valid):
    "Where the splits come from, in words"
    held = f"{valid:g} of the training images held out for validation" if valid else "none held out for validation"
    if any(o.split == "valid" for o in found.items): return found.splits
    return f"{found.splits}; {held}" if found.splits else held


def with_splits(items, per_class, valid):
    "The items by name, at most `per_class` training images of each class, some held out if there are none for validation"
    if per_class: items = cap(items, per_class)
    if not any(o.split == "valid" for o in items): items = hold_out(items, valid, "valid")
    return tuple(sorted(items, key=lambda o: o.name))


def nothing_to_test(data, valid):
    more = "--valid 0.1" if valid == 0 else "more images"
    return f"{data} has no test set and --valid {valid:g} leaves nothing to evaluate on: give {more}"


def lacking(source):
    "A note for each split that has images, but not of every class"
    for split in ("valid", "test"):
        there = source.of(split)
        missing = sorted({*source.classes} - {o.label for o in there})
        if not missing or not there: continue
        more = ", …" if len(missing) > 3 else ""
        yield f"{split} has no images of {plural(len(missing), 'class', 'classes')}: {', '.join(missing[:3])}{more}"

"""`--data`: from what the user gives to a `Source`."""
import re
import shlex
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ...core.errors import UserError, nearest, one_of, plural
from ...core.files import neighbours
from ..same import same_files
from ..scan import leave_out
from ..source import CAPPED, COPIES, Source
from ..split import cap, hold_out, set_aside
from .classes import both_encodings, check_classes, one_encoding, order_classes, parse_classes, same_encoding, twins
from .food import food_name
from .registry import builtin_names, data_sources

FEW_OF_A_CLASS = 3  # training images of a class, where another has ten times as many and more
ARCHIVES = ".tgz", ".tar.gz", ".zip", ".tar", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar", ".gz"


# fields of a recipe that say which images
OF_IMAGES = "classes", "per_class", "valid", "drop_duplicates", "group_by", "rest"


def open_recipe(recipe, bad=None, data=None):
    "The Source of a recipe; `data`: where it lies now; `bad` as `open_source` has it"
    source = open_source(data or recipe.data, bad=bad, **{k: getattr(recipe, k) for k in OF_IMAGES})
    return replace(source, classes=order_classes(source.classes, recipe.class_order))


def open_source(data, classes=None, per_class=None, valid=.1, bad=None, drop_duplicates=False, group_by=None,
                rest="unused"):
    """The Source of `data`: a built-in name, a folder, an official Food-101 tree, a CSV file, or what another
    DataSource knows.

    `classes`: those to take; `per_class`: at most so many training images of each; `valid`: the fraction of the
    training images that is held out where `data` has no validation images; `bad`: {name: reason} of images to leave
    out; `drop_duplicates`: training images that have the bytes of a validation or test image are left out; `group_by`:
    a regular expression over names, or a table's column: images that it gives the same text stay on one side; `rest`:
    unused or valid, what images above `per_class` are. Its classes are in natural order. Raises UserError.
    """
    data = str(data)
    check_numbers(per_class, valid)
    asked = parse_classes(classes)
    with readable_data(data):
        origin = find_origin(data)
        wanted = origin.choose_classes(data, asked)
        found = origin.open(data, wanted and both_encodings(wanted))
    wanted = wanted and same_encoding(wanted, found.classes)
    found = one_encoding(found)
    check_classes(found.items, found.classes, wanted, data)
    chosen = order_classes(wanted or found.classes)
    there = items_without(found, chosen, bad)
    group_of = grouping(group_by, found)
    items = with_splits(there, per_class, valid, group_of, rest)
    if all(o.split == "train" for o in items):
        raise UserError(nothing_to_test(data, valid))
    ignored = found.ignored + Counter({(CAPPED, ""): len(there) - len(items)})
    copied = copied_names(items) if drop_duplicates else ()
    items, ignored = without_copies(items, copied, data), ignored + Counter({(COPIES, ""): len(copied)})
    source = Source(food_name(chosen) or found.name, items, chosen, tuple(found.notes), missing=found.missing,
                    ignored=ignored, splits=told_splits(found, valid))
    source = source.note(*hidden_by_name(data))
    return source.note(
        *unused_columns(found, group_by),
        *crossing(source, group_of),
        *lacking(source),
        *twins(chosen),
        *few(source))


def hidden_by_name(data):
    "A note where what lies here is called as built-in data"
    if data not in builtin_names() or not Path(data).exists():
        return
    yield f"--data {data} is the built-in data; ./{data} is not used: give --data ./{data} for that"


def check_numbers(per_class, valid):
    if per_class is not None and per_class < 1:
        raise UserError(f"--per-class {per_class}: give 1 or more")
    if not 0 <= valid < 1:
        raise UserError(f"--valid {valid}: give a fraction from 0 up to, but less than, 1")


@contextmanager
def readable_data(data):
    "A folder or file that cannot be read is one sentence"
    try:
        yield
    except OSError as e:
        raise UserError(f"cannot read {e.filename or data}: {e.strerror or e}") from e


def find_origin(data):
    "The DataSource to which `data` belongs"
    origin = next((o for o in data_sources() if o.fits(data)), None)
    if origin is None:
        raise UserError(nothing_fits(data))
    return origin


def nothing_fits(data):
    path = Path(data).expanduser()
    if not path.is_file():
        names = builtin_names()
        meant = nearest(data, [*names, *neighbours(path)])
        return f"unknown --data {data!r}: no such folder or file, and not {one_of(names)}{meant}"
    if path.name.lower().endswith(ARCHIVES):
        return f"{data} is an archive: {how_to_unpack(data, path)}"
    return f"{data} is a file: give a folder of images or a .csv file"


def how_to_unpack(data, path):
    "Only Food-101's archive has a command of its own"
    if "food" in path.name.lower():
        return f"run `fastricks prepare {shlex.quote(data)} FOLDER` first, then give --data FOLDER"
    if path.name.lower().endswith(".zip"):
        way = f"python -m zipfile -e {shlex.quote(data)} FOLDER"
    elif ".tar" in path.name.lower() or path.name.lower().endswith((".tgz", ".tbz2", ".txz")):
        way = f"tar -xf {shlex.quote(data)} -C FOLDER"
    else:
        return "unpack it into a folder first, then give --data FOLDER"
    return f"unpack it first, `{way}`, then give --data FOLDER"


def items_without(found, classes, bad):
    "The items found, those in `bad` left out"
    if not bad:
        return found.items
    return leave_out(Source(found.name, tuple(found.items), classes), bad).items


def told_splits(found, valid):
    "Where the splits come from, in words"
    held = f"{valid:g} of the training images held out for validation" if valid else "none held out for validation"
    if any(o.split == "valid" for o in found.items):
        return found.splits
    return f"{found.splits}; {held}" if found.splits else held


def grouping(group_by, found):
    "What gives an item its group, by a table's column or a regular expression over its name; None for no groups"
    if group_by is None:
        return None
    if group_by in found.columns:
        return lambda o: found.columns[group_by].get(o.name) or o.name
    try:
        pattern = re.compile(group_by)
    except re.error as e:
        raise UserError(f"--group-by {group_by} is neither a column nor a regular expression ({e})") from None
    matches = [m for o in found.items if (m := pattern.search(o.name))]
    if not matches:
        raise UserError(f"--group-by {group_by} fits no image's name, as {found.items[0].name!r}{columns_of(found)}")
    return lambda o: group_in(pattern, o.name)


def group_reader(recipe):
    "What gives an Item its group by the recipe's --group-by; None for no groups"
    if recipe.group_by is None:
        return None
    with readable_data(recipe.data):
        return grouping(recipe.group_by, find_origin(recipe.data).open(recipe.data))


def group_in(pattern, name):
    "The first group of the expression, or all that it fits; a name that it does not fit is a group of its own"
    m = pattern.search(name)
    return (m[1] if pattern.groups else m[0]) if m else name


def columns_of(found): return f", and is no column among {one_of(found.columns)}" if found.columns else ""


def unused_columns(found, group_by):
    names = [o for o in found.columns if o != group_by]
    if names:
        yield f"columns of {found.name} not used: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}"


def crossing(source, group_of):
    "A note where the data's own splits part groups"
    if group_of is None:
        return
    sides = defaultdict(set)
    for o in source.items:
        sides[group_of(o)].add(o.split)
    n = sum(len(o) > 1 for o in sides.values())
    yield plural(len(sides), "group") + (f"; {n:,} in more than one split" if n else ", each in one split")


def few(source):
    "A note on classes with so few images that their numbers say little"
    n = Counter(o.label for o in source.of("train"))
    small = sorted((o for o in source.classes if n[o] < FEW_OF_A_CLASS), key=lambda o: (n[o], o))
    some = ", ".join(f"{o} {n[o]}" for o in small[:3]) + (", …" if len(small) > 3 else "")
    if small and max(n.values()) >= 10 * FEW_OF_A_CLASS:
        yield f"few training images of {plural(len(small), 'class', 'classes')}: {some}"


def copied_names(items):
    "Names of the training images whose bytes a validation or test image has too"
    groups = same_files(items)
    return {o.name for g in groups if any(t.split != "train" for t in g) for o in g if o.split == "train"}


def without_copies(items, names, data):
    left = tuple(o for o in items if o.name not in names)
    lost = sorted({o.label for o in items if o.split == "train"} - {o.label for o in left if o.split == "train"})
    if lost:
        raise UserError(f"--drop-duplicates leaves no training image of class {lost[0]!r} of {data}: all are in "
                        "validation or test too")
    return left


def with_splits(items, per_class, valid, group_of=None, rest="unused"):
    """The items by name, at most `per_class` training images of each class, some held out if there are none for
    validation
    """
    if per_class:
        items = (set_aside if rest == "valid" else cap)(items, per_class)
    if not any(o.split == "valid" for o in items):
        items = hold_out(items, valid, "valid", group_of)
    return tuple(sorted(items, key=lambda o: o.name))


def nothing_to_test(data, valid):
    more = "--valid 0.1" if valid == 0 else "more images"
    return f"{data} has no test set and --valid {valid:g} leaves nothing to evaluate on: give {more}"


def lacking(source):
    "A note for each split that has images, but not of every class"
    for split in ("valid", "test"):
        there = source.of(split)
        missing = sorted({*source.classes} - {o.label for o in there})
        if not missing or not there:
            continue
        more = ", …" if len(missing) > 3 else ""
        yield f"{split} has no images of {plural(len(missing), 'class', 'classes')}: {', '.join(missing[:3])}{more}"

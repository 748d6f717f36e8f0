"""`--data`: from what the user gives to a `Source`."""
import unicodedata
from itertools import islice
from pathlib import Path

from ..errors import UserError, nearest, one_of, plural
from .csv_file import csv_items
from .digits import digit_items
from .folders import class_folders, has_splits, split_folders, subfolders
from .food import FOOD_21, NAMES, find_tree, food_items, food_name, get_food, of_21
from .scan import leave_out
from .source import Source
from .split import cap, hold_out

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


def parse_classes(classes):
    "The class names in `classes` (names with commas, a file with a name a line, food-101-21, or a list); None is all"
    if classes is None: return None
    if classes == "food-101-21": return FOOD_21
    words = class_words(classes) if isinstance(classes, str) else classes
    names = tuple(dict.fromkeys(o.strip() for o in words if o.strip()))
    if len(names) < 2: raise UserError(f"--classes {classes!r} names {plural(len(names), 'class', 'classes')}: give at "
                                       f"least two, a,b, or a file with a name a line{nearest(classes, NAMES)}")
    return names


def class_words(classes):
    if "," in classes or not Path(classes).is_file(): return classes.split(",")
    try: return Path(classes).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as e: raise UserError(f"--classes {classes} is no readable text: {e}") from e


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


def check_classes(items, known, wanted, data):
    for o in wanted or ():
        if o not in known: raise UserError(f"{data} has no class {o!r}{nearest(o, known)}")
    if len(wanted or known) < 2: raise UserError(f"{data} has only one class, {known[0]!r}: give at least two{inside(data, known[0])}")
    for o in items:
        if o.label not in known: raise UserError(f"{o.split} class {o.label!r} of {data} is not among its training "
                                                 f"classes{twin(o.label, known)}")
    trained = {o.label for o in items if o.split == "train"}
    for o in sorted(wanted or known):
        if o not in trained: raise UserError(f"class {o!r} of {data} has no training images: add some, or name the "
                                             "other classes with --classes")


def inside(data, name):
    "What unpacking often makes: a folder around the folder"
    folder = Path(data).expanduser()/name
    return f", or is --data {folder} meant?" if folder.is_dir() and len(subfolders(folder)) > 1 else ""


def alike(name):
    "What two names share that a person takes for one: case, spaces around, and how letters are encoded aside"
    return unicodedata.normalize("NFC", name).casefold().strip()


def twin(name, known):
    "The class that is probably meant"
    same = next((o for o in known if alike(o) == alike(name)), None)
    return f": {same!r} is written otherwise (case, spaces or encoding), rename one of them" if same else nearest(name, known)


def twins(known):
    "A note for classes that a person takes for one"
    first = {}
    for o in known:
        if (same := first.setdefault(alike(o), o)) != o: yield f"classes {same!r} and {o!r} are two: only their writing differs"


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

"""Class names: reading, checking and comparing them."""
import csv
import re
import unicodedata
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from ...core.errors import UserError, nearest, plural
from .food import FOOD_21, NAMES
from .walk import subfolders

BUILT_IN = "food-101-21"


def parse_classes(classes):
    "The class names in `classes` (names with commas, a file with a name a line, food-101-21, or a list); None is all"
    if classes is None:
        return None
    if classes == BUILT_IN:
        return FOOD_21
    words = class_words(classes) if isinstance(classes, str) else classes
    names = tuple(dict.fromkeys(o.strip() for o in words if o.strip()))
    if len(names) < 2:
        raise UserError(f"--classes {classes!r} names {plural(len(names), 'class', 'classes')}: give at "
                        f"least two, a,b, or a file with a name a line{nearest(classes, NAMES)}")
    return names


def class_words(classes):
    if not is_file(classes):
        return quoted_words(classes)
    try:
        return Path(classes).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"--classes {classes} is no readable text: {e}") from e


def is_file(text):
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def names_file(text):
    "Does --classes mean a file?"
    return text != BUILT_IN and is_file(text)


def quoted_words(text):
    "Names joined by commas; one that has a comma itself stands in quotes"
    return next(csv.reader([text], skipinitialspace=True), []) if '"' in text else text.split(",")


NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def order_classes(names, order=None):
    """Class names as a tuple, in the order of their labels: `text`, by their letters (0.1.0's), or `natural` (None
    means it), numbers by their value before all other names. The two differ only where a name is a number: 1, 2, 10 is
    1, 10, 2 by letters."""
    return tuple(sorted(names, key=None if order == "text" else by_value))


def by_value(name): return (0, Decimal(name), name) if NUMBER.fullmatch(name) else (1, 0, name)
def order_of(names): return "text" if order_classes(names, "text") == tuple(names) else "natural"


def nfc(name): return unicodedata.normalize("NFC", name)


def both_encodings(names):
    "`names`, and as they are with accents encoded in the other way: disks and archives differ in that"
    return tuple(dict.fromkeys(o for name in names for o in (name, nfc(name), unicodedata.normalize("NFD", name))))


def same_encoding(names, known):
    "`names` as `known` has them, where only the encoding of accents differs"
    there, spelled = {*known}, {nfc(o): o for o in known}
    return tuple(dict.fromkeys(o if o in there else spelled.get(nfc(o), o) for o in names))


def one_encoding(found):
    "`found` with the labels of its other splits encoded as the training classes are"
    known = {*found.classes}
    odd = {o.label for o in found.items} - known
    if not odd:
        return found
    spelled = {nfc(o): o for o in found.classes}
    return replace(found, items=[replace(o, label=spelled.get(nfc(o.label), o.label)) if o.label in odd else o
                                 for o in found.items])


def check_classes(items, known, wanted, data):
    there = {*known}
    for o in wanted or ():
        if o not in there:
            raise UserError(f"{data} has no class {o!r}{nearest(o, known)}")
    if len(wanted or known) < 2:
        hint = nested_folder_hint(data, known[0])
        raise UserError(f"{data} has only one class, {known[0]!r}: give at least two{hint}")
    for o in items:
        if o.label not in there:
            raise UserError(f"{o.split} class {o.label!r} of {data} is not among its training "
                            f"classes{twin(o.label, known)}")
    trained = {o.label for o in items if o.split == "train"}
    for o in sorted(wanted or known):
        if o not in trained:
            raise UserError(f"class {o!r} of {data} has no training images: add some, or name the "
                            "other classes with --classes")


def nested_folder_hint(data, name):
    "What unpacking often makes: a folder around the folder"
    folder = Path(data).expanduser()/name
    return f", or is --data {folder} meant?" if folder.is_dir() and len(subfolders(folder)) > 1 else ""


def alike(name):
    "What two names share that a person takes for one: case, spaces around, and how letters are encoded aside"
    return unicodedata.normalize("NFC", name).casefold().strip()


def twin(name, known):
    "The class that is probably meant"
    same = next((o for o in known if alike(o) == alike(name)), None)
    return (f": {same!r} is written otherwise (case, spaces or encoding), rename one of them" if same
            else nearest(name, known))


def twins(known):
    "A note for classes that a person takes for one"
    first = {}
    for o in known:
        if (same := first.setdefault(alike(o), o)) != o:
            yield f"classes {same!r} and {o!r} are two: only their writing differs"

"""What every place that images come from is turned into: a `Source`, a list of labelled, split, named images."""
import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import plural

SPLITS = "train", "valid", "test"
REST = "rest"  # what --rest valid makes of images: looked at once, with the validation images, at the end
SPLIT = {"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test",
         "testing": "test"}

# why a file that is there is not used
ENDING, HIDDEN, TOOLS = "not named as images are", "hidden", "of other programs or runs"
LOOSE, UNUSED = "in no class folder", "in folders that are not used"
OTHER_CLASSES = "of classes that --classes leaves out"
CAPPED, UNLISTED, UNREADABLE = "above --per-class", "not listed", "unreadable"
COPIES = "copies that --drop-duplicates leaves out"
DECIDED = "dropped by the table's decisions"
NOT_THERE = "not there"  # of a listed image


@dataclass(frozen=True)
class Item:
    # path relative to the data's root with "/": its name in reports, the key of its random numbers
    name: str
    label: str             # class name
    split: str             # one of SPLITS, or REST
    image: object          # Path of the file, or the pixels themselves (uint8 array [h, w] or [h, w, 3])
    size: int = 0          # bytes of the file: part of the data's fingerprint


@dataclass(frozen=True)
class Found:
    "What lies at a place that images come from, before classes are checked and images held out for validation"
    name: str              # short, as Source.name
    items: list            # Items of the classes asked for, in any order
    classes: list          # names of all classes that have training images, asked for or not
    notes: tuple = ()      # lines for the user
    missing: tuple = ()    # (name, reason) of images that are listed and not there
    # (reason, detail) -> files that are there and are none of the items
    ignored: Counter = field(default_factory=Counter)
    splits: str = ""       # where the splits come from; empty where there are none
    # of a table: name of a column that says nothing else -> {item's name: cell}
    columns: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    name: str              # short, for the names of runs: digits, food-101-21, a folder's name
    items: tuple           # Items, sorted by name
    classes: tuple         # the training classes: a label's number is its place here
    notes: tuple = ()      # lines for the user: what was left out and why
    skipped: tuple = ()    # (name, reason) of each image that could not be read
    missing: tuple = ()    # (name, reason) of images that are listed and not there
    ignored: Counter = field(default_factory=Counter)  # (reason, detail) -> files that are there and not used
    splits: str = ""       # where the splits come from
    decoding: object = None  # the `Decoding` of its files, where it was settled
    pixels: object = None  # the fast pipeline's `Pixels` of the items, where they were looked up

    def of(self, split): return [o for o in self.items if o.split == split]
    def final(self, split):
        """The images that a split's final numbers are of: beside the validation images the rest, where --rest gives it
        to them
        """
        return self.of(split) + (self.of(REST) if split == "valid" else [])

    @property
    def splits_used(self): return (*SPLITS, REST) if self.of(REST) else SPLITS

    def note(self, *lines): return replace(self, notes=(*self.notes, *lines))

    @property
    def has_test(self): return any(o.split == "test" for o in self.items)

    @property
    def eval_split(self):
        "The split that the final numbers are of: `test` where there is one, else `valid`"
        return "test" if self.has_test else "valid"


def fingerprint(source):
    "One hash of names, sizes, labels and splits (12 hex digits); where the data lies does not matter"
    h = hashlib.sha256("\n".join(source.classes).encode())
    for o in source.items:
        h.update(f"{o.name}\t{o.size}\t{o.label}\t{o.split}\n".encode())
    return h.hexdigest()[:12]


def is_path(image): return isinstance(image, Path)
MANY_IMAGES = 5000  # images whose check takes so long that the user is told


def size_and_time(path):
    try:
        o = os.stat(path)
    except (OSError, ValueError):
        return "gone"
    return f"{o.st_size}\t{o.st_mtime_ns}"


def describe(source):
    "`digits: 10 classes; 1,293 train, 144 validation and 360 test images`"
    n = {s: len(source.of(s)) for s in (*SPLITS, REST)}
    words = {"valid": "validation", "test": "test", "rest": "more validation"}
    *parts, last = [f"{n['train']:,} train", *(f"{n[s]:,} {word}" for s, word in words.items() if n[s])]
    classes = plural(len(source.classes), "class", "classes")
    return f"{source.name}: {classes}; {', '.join(parts)} and {last} images"

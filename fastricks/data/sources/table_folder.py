"""A folder whose images are listed in a table: `train.csv` beside `test.csv`, Hugging Face's `metadata.csv`, one table
alone.
"""
from collections import Counter
from dataclasses import replace
from itertools import islice

from ...core.errors import UserError, one_of
from ..source import UNLISTED, Found
from .csv_file import csv_items, is_csv
from .folders import folder_of, has_splits, split_names
from .registry import DataSource
from .split_words import plain_split
from .walk import count_below, loose_images, subfolders

META_TABLE = "metadata"  # the table of Hugging Face's imagefolder, in the folder of its images


class TableFolder(DataSource):
    "A folder without class folders in which a table lists the images"
    priority = 35

    def fits(self, text):
        root = folder_of(text)
        return root is not None and not has_class_folders(root) and bool(tables_of(root))

    def open(self, text, wanted=None): return found_of_tables(folder_of(text), tables_of(folder_of(text)), wanted)


def has_class_folders(root):
    "Are there splits with class folders, or two folders and more, not called as splits are, that have images?"
    if has_splits(root):
        return True
    splits = {*split_names(root).values()}
    with_images = (o for o in subfolders(root) if o not in splits and loose_images(root/o))
    return len([*islice(with_images, 2)]) > 1


def tables_of(root):
    """{split, or empty where the table says it: file}: train.csv and its like, metadata.csv in split folders or in
    `root`, a lone table
    """
    here = sorted(o for o in root.iterdir() if is_csv(o) and not o.name.startswith("."))
    by_split = {plain_split(o.stem): o for o in reversed(here) if plain_split(o.stem)}
    if "train" in by_split:
        return by_split
    inner = {split: o for split, name in split_names(root).items() for o in sorted((root/name).iterdir()) if is_csv(o)
             and o.stem == META_TABLE}
    if "train" in inner:
        return inner
    meta = [o for o in here if o.stem == META_TABLE]
    lone = meta or (here if len(here) == 1 else [])
    return {"": lone[0]} if lone else {}


def found_of_tables(root, tables, wanted):
    "`Found` of all tables; one that is not of labelled images, as a contest's test.csv, is a note"
    found, notes = {}, []
    for split, file in tables.items():
        try:
            found[split] = of_split(root, file, split, wanted)
        except UserError as e:
            if split in ("", "train"):
                raise
            notes.append(f"{file.name} not used: {e}")
    items = {o.name: o for part in reversed(found.values()) for o in part.items}
    classes = sorted({k for split, part in found.items() if split in ("", "train") for k in part.classes})
    notes = [*dict.fromkeys(line for part in found.values() for line in part.notes), *notes]
    ignored = not_in_tables(root, found, items)
    columns = {}
    for part in found.values():
        for name, values in part.columns.items():
            columns.setdefault(name, {}).update(values)
    if "" in found:
        splits = found[""].splits
    else:
        splits = "tables " + one_of(tables[o].relative_to(root).as_posix() for o in found)
    missing = tuple(o for part in found.values() for o in part.missing)
    return Found(root.resolve().name, list(items.values()), classes, tuple(notes), missing, ignored, splits, columns)


def of_split(root, file, split, wanted):
    "`Found` of one table, whose images are of `split` where it does not say so itself, with names from `root` on"
    part = csv_items(file, wanted, known=("train",))
    prefix = f"{file.parent.relative_to(root).as_posix()}/" if file.parent != root else ""
    own = split if split and not part.splits else None
    items = [replace(o, name=prefix + o.name, split=own or o.split) for o in part.items]
    missing = tuple((prefix + name, why) for name, why in part.missing)
    columns = {k: {prefix + n: v for n, v in values.items()} for k, values in part.columns.items()}
    return replace(part, items=items, missing=missing, columns=columns)


def not_in_tables(root, found, items):
    "Of one table what it does not list by reason; of several all other files below `root`"
    if len(found) == 1 and "" in found:
        return found[""].ignored
    return Counter({(UNLISTED, ""): count_below(root) - sum(o.image.is_relative_to(root) for o in items.values())})

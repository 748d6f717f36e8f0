"""Food-101 (Bossard, Guillaumin, Van Gool, ECCV 2014) as published: `images/<class>/<id>.jpg` and lists in `meta/`."""
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

from ...core.errors import UserError, nearest
from ..source import NOT_THERE, OTHER_CLASSES, UNLISTED, UNUSED, Found, Item
from .csv_file import require_some
from .folders import counted_around, folder_of, has_splits
from .registry import DataSource
from .walk import count_files, entries, entry_size, is_folder
from .walk import scan_folder as listed_entries

FOOD_21 = (
    "apple_pie", "bread_pudding", "bruschetta", "caesar_salad", "croque_madame", "cup_cakes", "dumplings", "falafel",
    "fried_calamari", "frozen_yogurt", "grilled_cheese_sandwich", "huevos_rancheros", "mussels", "onion_rings",
    "oysters", "ramen", "risotto", "spaghetti_carbonara", "spring_rolls", "steak", "waffles")
NAMES = "food-101-21", "food-101"
LISTS = "train", "test"
# of a class or an image: never a path, never hidden
SAFE_NAME = r"[^./\\:\x00-\x1f\x7f-\x9f][^/\\:\x00-\x1f\x7f-\x9f]*"
LINE = re.compile(f"{SAFE_NAME}/{SAFE_NAME}")


class FoodTree(DataSource):
    "A folder that is the official tree, or has nothing but it"
    priority = 30

    def fits(self, text):
        root = folder_of(text)
        return root is not None and (find_tree(root) is not None or is_half_tree(root))

    def open(self, text, wanted=None):
        root = folder_of(text)
        tree = find_tree(root)
        if tree is None:
            raise UserError(without_lists(root))
        return counted_around(food_items(tree, wanted), root, tree)


def food_name(classes): return "food-101-21" if set(classes) == set(FOOD_21) else None


def of_21(wanted):
    "The classes wanted of Food-101-21"
    for o in wanted or ():
        if o not in FOOD_21:
            raise UserError(f"food-101-21 has no class {o!r}{nearest(o, FOOD_21)}")
    return wanted or FOOD_21


def is_food(root):
    return (root/"images").is_dir() and all((root/"meta"/f"{o}.txt").is_file() for o in LISTS)


def find_tree(root, depth=2):
    "The official tree that `root` is, or that its only folder is or holds; else None"
    if is_food(root):
        return root
    inner = [o for o in entries(root) if is_folder(o)]
    return find_tree(Path(inner[0].path), depth-1) if depth and len(inner) == 1 else None


def is_half_tree(root):
    "Food-101 without its lists is not to be taken for two classes called images and meta"
    return (root/"images").is_dir() and (root/"meta").is_dir() and not has_splits(root)


def without_lists(root):
    files = [f"meta/{o}.txt" for o in LISTS]
    missing = [o for o in files if not (root/o).is_file()]
    return f"{root} looks like Food-101 but has no {' and no '.join(missing)}"


def read_list(text, where):
    "The `class/id` lines of one list"
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError as e:
        raise UserError(f"{where} is not a list in UTF-8: {e}") from e
    for i, line in enumerate(lines, 1):
        line = line.strip()
        if line and not LINE.fullmatch(line):
            raise UserError(f"line {i} of {where} is {line[:80]!r}, not class/id")
        if line:
            yield line


def splits_of_lists(texts, where):
    "{class/id: split} of the two lists' bytes, `texts` = {split: bytes}"
    found = {}
    for split in LISTS:
        for line in read_list(texts[split], f"{where}/{split}.txt"):
            if found.setdefault(line, split) != split:
                raise UserError(f"{where} lists {line} in both train and test")
    if "train" not in found.values():
        raise UserError(f"{where}/train.txt lists no images")
    return found


def tree_list(root):
    "{class/id: split} of an official tree"
    return splits_of_lists({o: (root/"meta"/f"{o}.txt").read_bytes() for o in LISTS}, root/"meta")


def train_classes(rows): return sorted({k.partition("/")[0] for k, split in rows.items() if split == "train"})


def sizes(folder):
    "{file name: bytes} of a folder that may be missing"
    return {o.name: entry_size(o) for o in listed_entries(folder)} if folder.is_dir() else {}


def food_items(root, wanted=None):
    "`Found` of an official tree"
    rows = tree_list(root)
    chosen = [(*k.split("/"), split) for k, split in rows.items() if wanted is None or k.partition("/")[0] in wanted]
    there = {label: sizes(root/"images"/label) for label in {o[0] for o in chosen}}
    folders = {label: os.path.join(root, "images", label) for label in there}
    items, missing = [], []
    for label, i, split in chosen:
        file = f"{i}.jpg"
        name, size = f"images/{label}/{file}", there[label].get(file)
        if size is None:
            missing.append((name, NOT_THERE))
        else:
            items.append(Item(name, label, split, Path(folders[label], file), size))
    used = by_label(chosen) if len(items) < sum(map(len, there.values())) else {}
    notes = require_some(items, len(chosen), root/"meta")
    ignored = not_in_lists(root, used, there)
    return Found(root.resolve().name, items, train_classes(rows), notes, tuple(missing), ignored,
                 "lists meta/train.txt, meta/test.txt")


def by_label(rows):
    "{class: names of its listed files}"
    out = defaultdict(set)
    for label, i, _ in rows:
        out[label].add(f"{i}.jpg")
    return out


def not_in_lists(root, used, labels):
    """(reason, detail) -> files of an official tree that are not used; `used`: {class: file names}, empty where its
    folders have no others
    """
    out = Counter()
    for o in listed_entries(root):
        if o.name != "images":
            out[UNUSED if is_folder(o) and o.name != "meta" else UNLISTED, ""] += count_files(o)
    for o in listed_entries(root/"images"):
        if o.name not in labels:
            out[OTHER_CLASSES if is_folder(o) else UNLISTED, ""] += count_files(o)
        elif used:
            out[UNLISTED, ""] += sum(count_files(f) for f in listed_entries(o.path) if f.name not in used[o.name])
    return +out

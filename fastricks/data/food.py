"""Food-101 (Bossard, Guillaumin, Van Gool, ECCV 2014) as published: `images/<class>/<id>.jpg` and lists in `meta/`."""
import os
import re
from pathlib import Path

from ..errors import UserError, nearest
from .csv_file import require_some
from .folders import entries, has_splits, is_folder, size_of
from .source import Item

FOOD_21 = (
    "apple_pie", "bread_pudding", "bruschetta", "caesar_salad", "croque_madame", "cup_cakes", "dumplings", "falafel",
    "fried_calamari", "frozen_yogurt", "grilled_cheese_sandwich", "huevos_rancheros", "mussels", "onion_rings",
    "oysters", "ramen", "risotto", "spaghetti_carbonara", "spring_rolls", "steak", "waffles")
NAMES = "food-101-21", "food-101"
LISTS = "train", "test"
URL = "https://s3.amazonaws.com/fast-ai-imageclas/food-101.tgz"  # fastai's URLs.FOOD, without importing fastai for it
NAME = r"[^./\\:\x00-\x1f\x7f-\x9f][^/\\:\x00-\x1f\x7f-\x9f]*"   # of a class or an image: never a path, never hidden
LINE = re.compile(f"{NAME}/{NAME}")


def food_name(classes): return "food-101-21" if set(classes) == set(FOOD_21) else None


def of_21(wanted):
    "The classes wanted of Food-101-21"
    for o in wanted or ():
        if o not in FOOD_21: raise UserError(f"food-101-21 has no class {o!r}{nearest(o, FOOD_21)}")
    return wanted or FOOD_21


def is_food(root):
    return (root/"images").is_dir() and all((root/"meta"/f"{o}.txt").is_file() for o in LISTS)


def find_tree(root, depth=2):
    "The official tree that `root` is, or that its only folder is or holds; else None"
    if is_food(root): return root
    inner = [o for o in entries(root) if is_folder(o)]
    return find_tree(Path(inner[0].path), depth-1) if depth and len(inner) == 1 else None


def read_list(text, where):
    "The `class/id` lines of one list"
    try: lines = text.decode().split("\n")
    except UnicodeDecodeError as e: raise UserError(f"{where} is not a list in UTF-8: {e}") from e
    for i, line in enumerate(lines, 1):
        line = line.strip()
        if line and not LINE.fullmatch(line): raise UserError(f"line {i} of {where} is {line[:80]!r}, not class/id")
        if line: yield line


def listed(texts, where):
    "{class/id: split} of the two lists' bytes, `texts` = {split: bytes}"
    found = {}
    for split in LISTS:
        for line in read_list(texts[split], f"{where}/{split}.txt"):
            if found.setdefault(line, split) != split: raise UserError(f"{where} lists {line} in both train and test")
    if "train" not in found.values(): raise UserError(f"{where}/train.txt lists no images")
    return found


def tree_list(root):
    "{class/id: split} of an official tree"
    return listed({o: (root/"meta"/f"{o}.txt").read_bytes() for o in LISTS}, root/"meta")


def train_classes(rows): return sorted({k.partition("/")[0] for k, split in rows.items() if split == "train"})


def sizes(folder):
    "{file name: bytes} of a folder that may be missing"
    return {o.name: size_of(o) for o in entries(folder)} if folder.is_dir() else {}


def food_items(root, wanted=None):
    "(items, classes, notes) of an official tree"
    rows = tree_list(root)
    chosen = [(*k.split("/"), split) for k, split in rows.items() if wanted is None or k.partition("/")[0] in wanted]
    there = {label: sizes(root/"images"/label) for label in {o[0] for o in chosen}}
    folders = {label: os.path.join(root, "images", label) for label in there}
    items = [Item(f"images/{label}/{i}.jpg", label, split, Path(folders[label], f"{i}.jpg"), there[label][f"{i}.jpg"])
             for label, i, split in chosen if f"{i}.jpg" in there[label]]
    return items, train_classes(rows), require_some(items, len(chosen), root/"meta")


def fastai_folder(key):
    "fastai's `data` or `archive` folder as its own config says; reads it without importing fastai or writing one"
    from configparser import ConfigParser, Error
    home = Path(os.environ.get("FASTAI_HOME", "~/.fastai")).expanduser().absolute()
    cfg = ConfigParser(interpolation=None)
    try: cfg.read(home/"config.ini", encoding="utf-8")
    except (Error, UnicodeDecodeError): pass
    return home/Path(cfg["DEFAULT"].get(key, key)).expanduser()


def usable(folder):
    "The tree in `folder`, official or prepared, or None"
    if not folder.is_dir(): return None
    return find_tree(folder) or (folder if has_splits(folder) else None)


def find_food(name):
    "Where Food-101 already lies unpacked or prepared, or None"
    places = dict.fromkeys([Path(name), Path("food-101"), Path("data/food-101"), fastai_folder("data")/"food-101"])
    return next((o for o in map(usable, places) if o), None)


def get_food(name, say=print):
    "The folder of Food-101, found, unpacked or downloaded"
    archive, folder = fastai_folder("archive")/"food-101.tgz", fastai_folder("data")/"food-101"
    return find_food(name) or unpacked(name, archive, folder, say)


def unpacked(name, archive, folder, say=print):
    from .prepare import unpack_food
    if not archive.is_file(): download(name, archive)
    say(f"unpacking {archive} to {folder}, once")
    unpack_food(archive, folder, say)
    return folder


def download(name, archive):
    "Food-101 by fastai's downloader, under a name of our own until it is whole"
    part = archive.with_name(f"food-101-{os.getpid()}.tgz")
    try:
        fetch(part)
        os.replace(part, archive)
    except Exception as e:
        why = str(getattr(e, "reason", None) or e).partition("\n")[0]
        raise UserError(f"cannot download {URL} ({why}): give a folder that has it instead, "
                        f"--data PATH/food-101{' --classes food-101-21' if name == 'food-101-21' else ''}") from e
    finally:
        for o in (part, part.with_name(part.name + ".part")): o.unlink(missing_ok=True)


def fetch(to, timeout=10):
    import sys

    import fastai.data
    from fastcore.net import urlopen
    from fastdownload.core import check, checks_module, download_url
    urlopen(URL, timeout=timeout).close()  # no answer, no bar
    download_url(URL, to, timeout=timeout, show_progress=sys.stdout.isatty())
    if not check(checks_module(fastai.data), URL, to): raise ValueError("what came is cut short or another version")

"""Folders of class folders, with or without `train/`, `valid/` and `test/` above them."""
import os
from pathlib import Path

from ..errors import UserError, plural
from .source import Item

EXTENSIONS = ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"
VALID = "valid", "val"


def is_image(name): return name.lower().endswith(EXTENSIONS)


def printable(name):
    "A file's name as text that can be encoded: bytes that are no UTF-8 become `\\udcxx`"
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def entries(folder):
    "What lies in `folder`, hidden things aside"
    with os.scandir(folder) as it: return [o for o in it if not o.name.startswith(".")]


def subfolders(folder): return sorted(o.name for o in entries(folder) if is_folder(o))
def loose_images(folder): return [o.name for o in entries(folder) if is_image(o.name) and not is_folder(o)]


def is_folder(entry):
    "Of a link what it leads to; one that leads in a circle leads nowhere"
    try: return entry.is_dir()
    except OSError: return False


def size_of(entry):
    "Bytes of a file; a link to nowhere has none, and is found unreadable later"
    try: return entry.stat().st_size
    except OSError: return 0


def images_below(folder, name):
    "(name, path, size) of each image below `folder`, which is called `name`; links to folders are not followed"
    for o in entries(folder):
        if o.is_dir(follow_symlinks=False): yield from images_below(o.path, f"{name}/{o.name}")
        elif is_image(o.name) and not is_folder(o): yield f"{name}/{o.name}", Path(o.path), size_of(o)


def class_items(root, split, wanted, prefix=""):
    "(items, class names) of the class folders in `root`"
    labels = subfolders(root)
    return [Item(printable(prefix + name), printable(label), split, path, size)
            for label in labels if wanted is None or printable(label) in wanted
            for name, path, size in images_below(root/label, label)], [printable(o) for o in labels]


def has_splits(root):
    "Whether class folders lie in `root/train` rather than in `root`; a class may itself be called train"
    train = root/"train"
    if not train.is_dir() or not subfolders(train): return False
    return any((root/o).is_dir() for o in (*VALID, "test")) or not loose_images(train)


def require_classes(root, labels):
    flat = root/"train" if labels and {*labels} <= {"train", *VALID, "test"} else root  # train/1.jpg is of no class
    if labels and flat == root: return
    if flat.is_dir() and loose_images(flat):
        raise UserError(f"{flat} has images but no class folders: put those of each class in a folder with the class's "
                        f"name, e.g. {flat/'cat'/'1.jpg'}")
    raise UserError(f"{root} has no class folders: give a folder with one folder of images for each class")


def loose_note(root):
    n = len(loose_images(root))
    return [f"{plural(n, 'image')} directly in {root} left out: no class folder"] if n else []


def class_folders(root, wanted=None):
    "(items, classes, notes) of a folder of class folders"
    items, labels = class_items(root, "train", wanted)
    require_classes(root, labels)
    return items, labels, loose_note(root)


def split_folders(root, wanted=None):
    "(items, classes, notes) of a folder with `train/` and perhaps `valid/` or `val/`, and `test/`"
    valid = next((o for o in VALID if (root/o).is_dir()), None)
    folders = {"train": "train", "valid": valid, "test": "test" if (root/"test").is_dir() else None}
    used = {split: o for split, o in folders.items() if o}
    found = {split: class_items(root/o, split, wanted, f"{o}/") for split, o in used.items()}
    other = [o for o in subfolders(root) if o not in used.values()]
    notes = [f"only {', '.join(used.values())} of {root} used, not {', '.join(other)}"] if other else []
    notes += [line for o in used.values() for line in loose_note(root/o)]
    return [o for items, _ in found.values() for o in items], found["train"][1], notes

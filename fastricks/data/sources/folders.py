"""Folders of class folders, with or without `train/`, `valid/` and `test/` above them."""
import os
from pathlib import Path

from ...core.errors import UserError, plural
from ..source import SPLIT, SPLITS, Found, Item
from .registry import DataSource

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".jp2", ".heic",
              ".heif")
JUNK = "__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"  # what archives and disks leave, in lower case


class ImageFolder(DataSource):
    "A folder of class folders, or of train/, valid/ and test/ with class folders in them"
    priority = 40
    def fits(self, text): return folder_of(text) is not None

    def open(self, text, wanted=None):
        root = folder_of(text)
        return split_folders(root, wanted) if has_splits(root) else class_folders(root, wanted)


def folder_of(text):
    "The folder that a --data means, or None"
    path = Path(text).expanduser()
    return path if text.strip() and path.is_dir() else None


def is_image(name): return name.lower().endswith(EXTENSIONS)


def printable(name):
    "A file's name as text that can be encoded: bytes that are no UTF-8 become `\\udcxx`"
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def entries(folder):
    "What lies in `folder`, hidden things and junk aside"
    with os.scandir(folder) as it: return [o for o in it if not o.name.startswith(".") and o.name.lower() not in JUNK]


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


def others_below(folder):
    "Names of the files below `folder` that are not called as images are"
    for o in entries(folder):
        if o.is_dir(follow_symlinks=False): yield from others_below(o.path)
        elif not is_image(o.name) and not is_folder(o): yield o.name


def class_items(root, split, wanted, prefix=""):
    "(items, class names) of the class folders in `root`"
    labels = subfolders(root)
    return [Item(printable(prefix + name), printable(label), split, path, size)
            for label in labels if wanted is None or printable(label) in wanted
            for name, path, size in images_below(root/label, label)], [printable(o) for o in labels]


def split_names(root):
    "{split: the folder in `root` that is it}: train, Val, TESTING …; of two for one split the first of `SPLIT`'s words"
    words, found = [*SPLIT], {}
    named = [o for o in subfolders(root) if o.lower() in SPLIT]
    for o in sorted(named, key=lambda o: (words.index(o.lower()), o != o.lower(), o)): found.setdefault(SPLIT[o.lower()], o)
    return {o: found[o] for o in SPLITS if o in found}


def has_splits(root):
    "Whether class folders lie in `root/train` rather than in `root`; a class may itself be called train"
    names = split_names(root)
    if "train" not in names or not subfolders(root/names["train"]): return False
    return len(names) > 1 or not loose_images(root/names["train"])


def require_classes(root, labels):
    if labels and not all(o.lower() in SPLIT for o in labels): return
    flat = root/split_names(root).get("train", "") if labels else root  # train/1.jpg is of no class
    if flat.is_dir() and loose_images(flat):
        raise UserError(f"{flat} has images but no class folders: put those of each class in a folder with the class's "
                        f"name, e.g. {flat/'cat'/'1.jpg'}")
    raise UserError(f"{root} has no class folders: give a folder with one folder of images for each class")


def loose_note(root):
    n = len(loose_images(root))
    return [f"{plural(n, 'image')} directly in {root} left out: no class folder"] if n else []


def class_folders(root, wanted=None):
    "`Found` of a folder of class folders"
    items, labels = class_items(root, "train", wanted)
    require_classes(root, labels)
    return Found(root.resolve().name, items, labels, loose_note(root))


def split_folders(root, wanted=None):
    "`Found` of a folder with `train/` and perhaps `valid/` or `val/`, and `test/`, in any case"
    used = split_names(root)
    found = {split: class_items(root/o, split, wanted, f"{o}/") for split, o in used.items()}
    other = [o for o in subfolders(root) if o not in used.values()]
    notes = [f"only {', '.join(used.values())} of {root} used, not {', '.join(other)}"] if other else []
    notes += [line for o in used.values() for line in loose_note(root/o)]
    items = [o for items, _ in found.values() for o in items]
    return Found(root.resolve().name, items, found["train"][1], notes)

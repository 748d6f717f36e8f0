"""Folders of class folders, with or without `train/`, `valid/` and `test/` above them."""
from collections import Counter
from dataclasses import replace
from os.path import realpath
from pathlib import Path

from ...core.errors import UserError, plural
from ..source import ENDING, LOOSE, OTHER_CLASSES, SPLIT, UNUSED, Found, Item
from .registry import DataSource
from .split_words import folder_splits, is_split, parse_split
from .walk import (
    Walk,
    count_below,
    ending,
    entries,
    is_folder,
    is_image,
    is_tools,
    loose_images,
    printable,
    scan_folder,
    subfolders,
)

AROUND = 3  # folders around the data, each the only one in the next
SHARED_FOLDERS = 2    # sub-folders that all class folders share from which on one asks whether they are the classes


class ImageFolder(DataSource):
    "A folder of class folders, or of train/, valid/ and test/ with class folders in them"
    priority = 40
    def fits(self, text): return folder_of(text) is not None

    def open(self, text, wanted=None):
        given = folder_of(text)
        root = inner_folder(given)
        walk = Walk(root)
        found = split_folders(root, walk, wanted) if has_splits(root) else class_folders(root, walk, wanted)
        return found if root == given else found_inside(found, given, root)


def folder_of(text):
    "The folder that a --data means, or None"
    path = Path(text).expanduser()
    return path if text.strip() and path.is_dir() else None


def inner_folder(root, most=AROUND):
    "The data's own folder, around which unpacking often makes another"
    inner = subfolders(root)
    if not most or len(inner) != 1 or loose_images(root) or has_splits(root):
        return root
    below = root/inner[0]
    if loose_images(below) or is_tools(below, scan_folder(below)):
        return root
    if len(subfolders(below)) > 1 or has_splits(below):
        return below
    deeper = inner_folder(below, most - 1)
    return root if deeper == below else deeper


def found_inside(found, given, root):
    "`found` in a folder inside the one that was given"
    note = f"taken from {root}, the only folder in {given}"
    return counted_around(replace(found, notes=(note, *found.notes)), given, root)


def counted_around(found, given, root):
    "`found` in `root` with the other files of the folders around it, up to `given`"
    ignored = Counter(found.ignored)
    while root != given:
        ignored.update(others_beside(root))
        root = root.parent
    return replace(found, ignored=ignored)


def others_beside(folder):
    "The files beside `folder`, counted"
    walk = Walk(folder.parent)
    for o in scan_folder(folder.parent):
        if o.name != folder.name and not walk.left_out(o):
            walk.count(o, ENDING, ending(o.name))
    return walk.ignored


def class_items(root, walk, split, wanted, prefix=""):
    "(items, class names) of the class folders in `root`"
    items, labels = [], []
    for o in sorted(entries(root), key=lambda o: o.name):
        if not is_folder(o):
            continue
        label = printable(o.name)
        labels.append(label)
        if o.is_symlink():
            walk.followed.add(realpath(o.path))
        if wanted is not None and label not in wanted:
            walk.ignored[OTHER_CLASSES, ""] += count_below(o.path)
        else:
            items += [Item(printable(prefix + name), label, split, path, size)
                      for name, path, size in walk.images(root/o.name, o.name)]
    return items, labels


def count_beside(root, walk, used=()):
    "Count what lies directly in `root` and is no folder, and, where `used` names some folders, the others"
    for o in scan_folder(root):
        if used and o.name in used:
            continue
        if walk.left_out(o):
            continue
        if not is_folder(o):
            walk.count(o, *((LOOSE, "") if is_image(o.name) else (ENDING, ending(o.name))))
        elif used:
            walk.ignored[UNUSED, printable(o.name)] += count_below(o.path)


def split_names(root): return folder_splits(subfolders(root))


def has_splits(root):
    "Whether class folders lie in `root/train` rather than in `root`; a class may itself be called train"
    names = split_names(root)
    if "train" not in names:
        return False
    train = class_root(root/names["train"], "train")
    if not subfolders(train):
        return False
    if len(names) > 1:
        return True
    return not loose_images(train) and (names["train"].lower() in SPLIT or len(subfolders(root)) == 1)


def class_root(folder, split):
    """Where a split's class folders lie: in `folder`, or in the folder that is called as it is, or `images`, and is all
    there is
    """
    inner = subfolders(folder)
    if len(inner) != 1 or loose_images(folder):
        return folder
    called_so = parse_split(inner[0])[0] == split or inner[0] == folder.name or inner[0].lower() in ("images", "data")
    return folder/inner[0] if called_so and subfolders(folder/inner[0]) else folder


def all_splits(labels):
    "Are these folders splits, every one?"
    found = folder_splits(labels)
    told = [o for o in labels if o.lower() in SPLIT or ("train" in found and is_split(o, labels))]
    return len(told) == len(labels)


def require_class_folders(root, labels):
    if labels and not all_splits(labels):
        return
    flat = root/split_names(root).get("train", "") if labels else root  # train/1.jpg is of no class
    if flat.is_dir() and loose_images(flat):
        raise UserError(f"{flat} has images but no class folders: put those of each class in a folder with the class's "
                        f"name, e.g. {flat/'cat'/'1.jpg'}")
    raise UserError(f"{root} has no class folders: give a folder with one folder of images for each class")


def loose_note(root):
    n = len(loose_images(root))
    return [f"{plural(n, 'image')} directly in {root} left out: no class folder"] if n else []


def class_folders(root, walk, wanted=None):
    "`Found` of a folder of class folders"
    items, labels = class_items(root, walk, "train", wanted)
    require_class_folders(root, labels)
    count_beside(root, walk)
    classes, empty = classes_with_images(items, labels, wanted)
    if wanted is None:
        require_own_folders(root, classes)
    notes = *loose_note(root), *empty, *walk.notes()
    return Found(root.resolve().name, items, classes, notes, ignored=walk.ignored)


def classes_with_images(items, labels, wanted):
    "(the classes that have images, or were asked for, a note on the others)"
    there = {o.label for o in items} if wanted is None else {*labels}
    kept, empty = [o for o in labels if o in there], [o for o in labels if o not in there]
    if not kept:
        return labels, []
    return kept, [f"{plural(len(empty), 'folder')} without images left out: {first_three(empty)}"] if empty else []


def first_three(names): return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def require_own_folders(root, labels):
    """Where all class folders have the same sub-folders and no images beside them, these may be the classes: that is
    asked, not guessed
    """
    same = shared_subfolders([root/k for k in labels if (root/k).is_dir()])
    if len(same) < SHARED_FOLDERS:
        return
    way = f"--classes {','.join(labels)}" if len(labels) < 10 else "--classes FILE, a file with their names"
    raise UserError(f"every class folder of {root} has the same sub-folders ({first_three(same)}), which look like "
                    "splits or classes: put train/ and valid/ above the class folders, or give one of them, "
                    f"--data {root/labels[0]}; if {first_three(labels)} are the classes, say so with {way}")


def shared_subfolders(folders):
    "Names of sub-folders that all of two `folders` or more have, none of which has images of its own"
    shared = None
    for o in folders:
        here = set(subfolders(o))
        shared = here if shared is None else shared & here
        if len(shared) < SHARED_FOLDERS or loose_images(o):
            return []
    return sorted(shared or ()) if len(folders) > 1 else []


def split_folders(root, walk, wanted=None):
    "`Found` of a folder with `train/` and perhaps `valid/` or `val/`, and `test/`, in any case"
    used = split_names(root)
    roots = {split: class_root(root/o, split) for split, o in used.items()}
    found = {split: class_items(o, walk, split, wanted, f"{o.relative_to(root).as_posix()}/")
             for split, o in roots.items()}
    for o in roots.values():
        count_beside(o, walk)
    for split, o in used.items():
        if roots[split] != root/o:
            count_beside(root/o, walk, (roots[split].name,))
    count_beside(root, walk, tuple(used.values()))
    other = [o for o in subfolders(root) if o not in used.values()]
    notes = [f"only {', '.join(used.values())} of {root} used, not {', '.join(other)}"] if other else []
    notes += [line for o in roots.values() for line in loose_note(o)]
    without = [o for split, o in used.items() if not found[split][0]]
    notes += [f"{o} has no images: it counts as none" for o in without if o != used.get("train")]
    items = [o for items, _ in found.values() for o in items]
    classes, empty = classes_with_images(items, found["train"][1], wanted)
    notes += [*empty, *walk.notes()]
    folders = ", ".join(o for o in used.values() if o not in without)
    return Found(root.resolve().name, items, classes, tuple(notes), ignored=walk.ignored, splits=f"folders {folders}")

"""Food-101 laid out as `train/<class>/` and `test/<class>/`, or as published; nothing is written outside the target."""
import errno
import lzma
import os
import secrets
import shutil
import stat
import tarfile
import time
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import UserError, nearest, plural
from ...core.files import whole_file
from .classes import parse_classes
from .food import LISTS, find_tree, splits_of_lists, train_classes
from .photo_list import names_fingerprint, read_photo_list
from .walk import subfolders

MB = 2**20
MAX_IMAGE, MAX_META = 64*MB, 16*MB
PART_PREFIX = ".part-"
QUALITY = 92  # of JPEGs that are made smaller
CORRUPT = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError,
           NotImplementedError, RuntimeError)
DISK_FULL = errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)


def prepare_food(src, target, classes=None, copy=False, photos=None, side=None, say=print):
    """Lays Food-101 out in `target` by its own lists, goes on where it stopped; returns (training, test) images there.

    `classes`: only these; `photos`: a CSV of the images wanted and their splits; `side`: pixels that a larger photo's
    shorter side is brought down to. `copy`: copy the files of an unpacked folder instead of linking them.
    """
    src, target, wanted = Path(src).expanduser(), Path(target).expanduser(), parse_classes(classes)
    mine = read_photo_list(photos) if photos else None
    with opening(src):
        check_places(src, target)
        meta, images = open_archive(src, copy or side is not None)
    rows = splits_of_lists(meta, f"{src}/meta")
    rows = rows_of_classes(of_list(rows, mine, photos, src) if mine else rows, wanted, photos or src)
    with TargetFolder(target, side) as room:
        done = fill_folder(room, images, {k: (split, *k.split("/")) for k, split in rows.items()}, say)
    return report(rows, done, target, say)


def of_list(rows, mine, photos, src):
    "The rows that a list names, in its splits"
    unknown = sorted({*mine} - {*rows})
    if unknown:
        raise UserError(f"{photos} lists {unknown[0]}, which {src} does not have{nearest(unknown[0], rows)}")
    return mine


def unpack_food(archive, folder, say=print):
    "Recreates the published tree in `folder`; its lists come last, so that a tree with lists is whole"
    with opening(archive):
        meta, images = open_archive(Path(archive))
    rows = splits_of_lists(meta, f"{archive}/meta")
    with TargetFolder(Path(folder)) as room:
        fill_folder(room, images, {k: ("images", *k.split("/")) for k in rows}, say)
        for o, text in meta.items():
            room.put(("meta",), f"{o}.txt", len(text), lambda to, text=text: write_new(to, text))


def check_places(src, target):
    if not src.exists():
        raise UserError(f"{src} is not there: give Food-101's archive or its unpacked folder")
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file: give a folder to write to")
    if src.is_dir() and target.resolve().is_relative_to(src.resolve()):
        raise UserError(f"{target} lies in {src} itself: give a folder outside of it")


def rows_of_classes(rows, wanted, src):
    "The rows of the classes wanted"
    known = train_classes(rows)
    for o in wanted or ():
        if o not in known:
            raise UserError(f"{src} has no class {o!r}{nearest(o, known)}")
    return {k: split for k, split in rows.items() if wanted is None or k.partition("/")[0] in wanted}


def fill_folder(room, images, places, say):
    "Puts each image that has a place (key → folders and id) there; returns the keys put or found there"
    done = set()
    for key, size, save in images(places):
        if key in done:
            continue
        *folders, name = places[key]
        room.put(folders, f"{name}.jpg", size, save)
        done.add(key)
        if len(done) % 10_000 == 0:
            say(f"{len(done):,} of {len(places):,} images")
    if not done:
        raise UserError(f"none of the {plural(len(places), 'listed image')} is there: nothing was written")
    return done


def report(rows, done, target, say):
    train, test = (sum(rows[k] == o for k in done) for o in LISTS)
    missing = len(rows) - len(done)
    gone = f"; {missing:,} of {len(rows):,} listed images are not there" if missing > 0 else ""
    classes = {k.partition("/")[0] for k in done}
    if train and test:
        others = {*subfolders(target/"train"), *subfolders(target/"test")} - classes
        if others:
            say(f"{target} has {plural(len(others), 'other class', 'other classes')} from before")
    n_classes = plural(len(classes), "class", "classes")
    say(f"{target}: {train:,} training and {test:,} test images of {n_classes}{gone}")
    mark = names_fingerprint({k: rows[k] for k in done})
    say(f"fingerprint of names, labels and splits: {mark}")
    return train, test


class TargetFolder:
    """The folder that is written to, and nothing beside it: each file whole or not at all, no link followed; photos of
    `side` pixels at most
    """
    def __init__(self, root, side=None): self.root, self.side, self.made, self.start = root, side, set(), time.time()

    def __enter__(self):
        with writing_target(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *exc):
        if exc[0] is None:
            self.sweep()

    def sweep(self):
        "Removes what a killed run left half written; a run beside this one began its file later"
        for o in self.root.glob(PART_PREFIX + "*"):
            try:
                if o.stat().st_mtime < self.start:
                    o.unlink()
            except OSError:
                pass

    def folder(self, names):
        path = self.root
        for o in names:
            path = self.made_folder(path/o)
        return path

    def made_folder(self, path):
        if path in self.made:
            return path
        not_link(path)
        path.mkdir(exist_ok=True)
        self.made.add(path)
        return path

    def put(self, folders, name, size, save):
        "The file `name` by `save(path)`, unless it is there with its `size`"
        with writing_target(self.root):
            to = self.folder(folders)/name
            not_link(to)
            if not self.has(to, size):
                self.replace(to, save)

    def has(self, to, size):
        "Is it there already? A photo that was brought down has bytes of its own"
        return has_size(to, size) if self.side is None else has_side(to, self.side)

    def replace(self, to, save):
        with whole_file(to, self.root/f"{PART_PREFIX}{secrets.token_hex(8)}") as part:
            save(part)
            if self.side:
                bring_down(part, self.side)


def not_link(path):
    if path.is_symlink():
        raise UserError(f"{path} is a link: nothing is written through it, remove it or give another "
                        "folder")


def has_size(path, size):
    try:
        o = path.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(o.st_mode) and o.st_size == size


def has_side(path, side):
    "Is there a photo whose shorter side is `side` pixels at most?"
    from PIL import Image
    try:
        with Image.open(path) as im:
            return min(im.size) <= side
    except OSError:
        return False


def bring_down(path, side):
    """Write a photo again, upright, with its shorter side of `side` pixels; one that is smaller, or can't be read,
    stays as it is
    """
    from PIL import Image

    from ..pixels.image import Unreadable, decode
    if has_side(path, side):
        return
    try:
        photo = decode(path)
    except Unreadable:
        return
    scale = side / min(photo.size)
    photo.resize([round(o * scale) for o in photo.size], Image.Resampling.LANCZOS).save(path, "JPEG", quality=QUALITY)


@contextmanager
def writing_target(target):
    "What goes wrong while writing is the target's fault"
    try:
        yield
    except OSError as e:
        if e.errno in DISK_FULL:
            raise UserError(f"no space left on the disk of {target}: free some and run the same "
                            "command again, it goes on where it stopped") from e
        raise UserError(f"cannot write to {target}: {e.strerror or e} ({e.filename})") from e


@contextmanager
def opening(src):
    "What may not be read at all"
    try:
        yield
    except OSError as e:
        raise UserError(f"cannot read {e.filename or src}: {e.strerror or e}") from e


@contextmanager
def reading(src):
    "What goes wrong while reading further is the archive's fault"
    try:
        yield
    except CORRUPT as e:
        why = str(e) or type(e).__name__
        raise UserError(f"{src} is corrupt or cut short ({why}): remove it and get it again") from e


def write_new(to, data):
    with open(to, "xb") as f:
        f.write(data)


def open_archive(src, copy=False):
    "({list: bytes}, images) of an archive or a tree; `images(keys)` yields (class/id, size, save) of those there"
    if src.is_dir():
        return from_tree(src, copy)
    members = zip_members if is_zip(src) else tar_members
    return read_lists(src, members), lambda keys: archive_images(src, members, keys)


def from_tree(src, copy):
    root = find_tree(src)
    if not root:
        raise UserError(f"{src} has no images/ with meta/train.txt and meta/test.txt: give Food-101's folder")
    meta = {o: (root/"meta"/f"{o}.txt").read_bytes() for o in LISTS}
    return meta, lambda keys: tree_images(root, keys, copy)


def tree_images(root, keys, copy):
    for key in keys:
        path = root/"images"/f"{key}.jpg"
        try:
            o = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(o.st_mode):
            yield key, o.st_size, lambda to, path=path: link(path.resolve(), to, copy)


def link(path, to, copy=False):
    "A hard link where the disk can, else a copy"
    if not copy:
        try:
            return os.link(path, to)
        except OSError:
            pass
    shutil.copyfile(path, to)


def is_zip(src):
    with open(src, "rb") as f:
        return f.read(4) in (b"PK\3\4", b"PK\5\6")


def safe_parts(name):
    "The parts of a member's path, or none when it is absolute, climbs or was written with backslashes"
    parts = name.split("/")
    return [] if ".." in parts or not parts[0] or "\\" in name or "\0" in name else parts


def tar_members(src):
    "(parts, size, read) of the regular files of a tar archive, in its order"
    with open_tar(src) as tar:
        for o in tar:
            if o.isreg():
                yield safe_parts(o.name), o.size, lambda o=o: tar.extractfile(o).read()
        check_end(tar)


def open_tar(src):
    try:
        return tarfile.open(src)
    except tarfile.ReadError as e:
        raise UserError(f"{src} is not a tar or zip archive that can be opened") from e


def check_end(tar):
    "tarfile takes a broken header for the end: after the real end there are only zeros"
    while chunk := tar.fileobj.read(MB):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a broken member")


def zip_members(src):
    "(parts, size, read) of the regular files of a zip archive"
    with zipfile.ZipFile(src) as f:
        for o in f.infolist():
            plain = stat.S_IFMT(o.external_attr >> 16) in (0, stat.S_IFREG) and not o.is_dir()
            if plain:
                yield safe_parts(o.filename), o.file_size, lambda o=o: f.read(o)


def read_lists(src, members):
    "{list: bytes} of an archive's train and test list, and its classes and labels where they come before both"
    meta = {}
    with reading(src):
        for parts, size, read in members(src):
            name = parts[-1].removesuffix(".txt") if parts[-2:-1] == ["meta"] and parts[-1].endswith(".txt") else ""
            if name not in (*LISTS, "classes", "labels") or name in meta:
                continue
            if size > MAX_META:
                raise UserError(f"{'/'.join(parts)} of {src} has {size:,} bytes: no list of Food-101 "
                                "is that large")
            meta[name] = read()
            if {*LISTS} <= {*meta}:
                return meta
    raise UserError(f"{src} has no meta/train.txt and meta/test.txt: give Food-101's archive")


def archive_images(src, members, keys):
    "(class/id, size, save) of an archive's images among `keys`; anything else in it is passed over"
    with reading(src):
        for parts, size, read in members(src):
            if parts[-3:-2] != ["images"] or not parts[-1].endswith(".jpg") or size > MAX_IMAGE:
                continue
            key = f"{parts[-2]}/{parts[-1].removesuffix('.jpg')}"
            if key in keys:
                yield key, size, lambda to, read=read: save_member(src, read, to)


def save_member(src, read, to):
    with reading(src):
        data = read()
    write_new(to, data)

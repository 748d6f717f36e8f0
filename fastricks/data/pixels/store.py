"""Canonical pixels kept on disk: decoded once, checksummed, shared by all runs, bounded in size.

    pixels/<side>-<decoder>/<place>/  lock, about.json, and packs of up to 1,024 images: TOKEN.bin their bytes,
    TOKEN.idx their rows

A place is the folder that the photos have in common. An image's key is a hash of its path, size and time, so a changed
file is another image. A pack counts once its index is there, which comes last; what a killed builder leaves is removed
by the next. TOKEN.same has a hash of each image's file: a copy of the data elsewhere, as a job's own scratch folder, is
not decoded again.
"""
import json
import os
import secrets
import shutil
import time
import zlib
from contextlib import contextmanager, suppress
from hashlib import blake2b, file_digest

import numpy as np

from ...core.cache import cache_dir
from ...core.errors import plural
from ...core.files import sync_file, whole_file
from ...core.lock import ProcessLock
from ...core.machine import cores
from ...core.progress import Progress
from ...core.rand import key_of
from ..source import MANY_IMAGES, is_path, size_and_time
from .ahead import ahead
from .canonical import canonical, decoder
from .decoding import PLAIN
from .image import Unreadable, quiet, require_file

PACK = 1024               # images
ROW = np.dtype([("key", "<u8"), ("at", "<i8"), ("h", "<i4"), ("w", "<i4"), ("crc", "<u4")])
GB = 1_000_000_000
AGAIN = "photos are decoded again in every epoch"
KEEP_FREE = 2 * GB        # of the disk


def cache_limit():
    "Bytes that all kept pixels may take: $FASTRICKS_CACHE_GB (default 50); 0 keeps none"
    try:
        return int(float(os.environ.get("FASTRICKS_CACHE_GB", 50)) * GB)
    except ValueError:
        return 50 * GB


class Pixels:
    """The canonical pixels of Items by `pixels[item]`, uint8 [h, w, 3]: from memory, from the disk, or made from the
    file.

    A row is checked against its checksum when it is first read; a wrong one is made again.
    """
    def __init__(self, side, memory=None, rows=None, files=(), how=PLAIN):
        self.side, self.how = side, how
        self.memory, self.rows, self.files = memory or {}, rows or {}, list(files)
        self.maps, self.good = {}, set()

    @property
    def kept(self): return bool(self.rows or self.memory)

    def __getstate__(self): return {**vars(self), "maps": {}}  # a worker process maps the files itself

    def __getitem__(self, o):
        name = getattr(o, "name", None)
        if name in self.memory:
            return self.memory[name]
        x = self.read(*self.rows[name]) if name in self.rows else None
        return canonical(getattr(o, "image", o), self.side, self.how) if x is None else x

    def read(self, file, at, h, w, crc):
        "A row's pixels, or None where they are not as they were written"
        try:
            x = self.map(file)[at:at + h * w * 3]
        except (OSError, ValueError):
            return None  # another run made room for its own
        if (file, at) not in self.good:
            if zlib.crc32(x) != crc:
                return None
            self.good.add((file, at))
        return x.reshape(h, w, 3)

    def map(self, file):
        # "c": torch wants it writable
        if file not in self.maps:
            self.maps[file] = np.memmap(self.files[file], np.uint8, "c")
        return self.maps[file]


def open_pixels(items, side, threads=None, say=print, how=PLAIN):
    """(Pixels of `items`, [(name, reason)] of those that cannot be read): what the cache lacks is decoded into it, None
    for no cache
    """
    memory = {o.name: canonical(o.image, side) for o in items if not is_path(o.image)}
    files = [o for o in items if is_path(o.image)]
    if not files:
        return Pixels(side, memory, how=how), []
    try:
        store, bad = fill_cache(files, side, threads or min(8, cores()), say, how)
    except OSError as e:
        say(f"pixels: no cache ({e.strerror or e}: {e.filename or cache_dir()}), {AGAIN}")
        return Pixels(side, memory, how=how), None
    return (Pixels(side, memory, how=how), None) if store is None else (Pixels(side, memory, *store, how), bad)


def kept_pixels(items, side, how=PLAIN):
    "Pixels of `items`, those that are kept from the cache, to which nothing is added"
    files = [o for o in items if is_path(o.image)]
    try:
        found = find_pixels(pixel_folder(files, side, how), {o.name: file_key(o) for o in files}) if files else ()
    except OSError:
        found = ()
    return Pixels(side, None, *found, how=how)


def fill_cache(files, side, threads, say, how=PLAIN):
    "((rows by name, pack files), unreadable) with every readable file decoded; (None, None) where there is no room"
    if not cache_limit():
        say(f"pixels: no cache, as FASTRICKS_CACHE_GB is 0: {AGAIN}")
        return None, None
    keys = dict(zip((o.name for o in files), map(file_key, files), strict=True))
    folder = pixel_folder(files, side, how)
    found, packs = find_pixels(folder, keys)
    missing, bad = [o for o in files if o.name not in found], []
    if missing:
        with locked(folder, say):
            copied = find_copies(folder, missing, threads)
            found, packs = merge_finds(find_pixels(folder, keys), copied)  # another builder may have made them
            missing = [o for o in files if o.name not in found]
            in_use = {packs[row[0]] for row in found.values()}
            if not room(folder, len(missing) * usual_bytes(side), in_use, say):
                return None, None
            if len(missing) > MANY_IMAGES:
                say(f"decoding {len(missing):,} photos, once")
            with Progress("decoding", len(missing), "photos", say) as progress:
                bad = build_packs(folder, missing, keys, side, threads, how, progress)
        found, packs = merge_finds(find_pixels(folder, keys), copied)
    touch(found, packs)
    size = sum(h * w * 3 for _, _, h, w, _ in found.values())
    when = f"{len(missing) - len(bad):,} decoded" if missing else "loaded from cache"
    photos, where = plural(len(found), "photo"), folder.parent.parent
    say(f"pixels: {photos} at {side} pixels in {where} ({size / 1e6:,.0f} MB), {when}")
    return (found, packs), bad


def usual_bytes(side): return int(1.4 * 3 * side**2)  # bytes of a photo of common shape
def file_key(o): return key_of(f"{os.path.abspath(o.image)}\t{size_and_time(o.image)}")


def pixel_folder(files, side, how=PLAIN):
    "Where the pixels of these files belong"
    common = common_folder([os.path.abspath(o.image.parent) for o in files])
    of_common = blake2b(os.fsencode(common), digest_size=6).hexdigest()
    folder = cache_dir()/"pixels"/f"{side}-{decoder()}{how.suffix}"/of_common
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder/"about.json").exists():
        (folder/"about.json").write_text(json.dumps({"photos of": common}))
    return folder


def common_folder(folders):
    "What these folders have in common; nothing for those on two of Windows' drives"
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return ""


def find_pixels(folder, keys):
    "({name: (pack, at, h, w, crc)} of the images whose key is in a pack, the packs' files); a later pack overrides"
    rows_by_key, packs = {}, []
    for index in sorted(folder.glob("*.idx")):
        rows = read_index(index)
        if rows is None:
            continue
        for key, *row in rows.tolist():
            rows_by_key[key] = (len(packs), *row)
        packs.append(index.with_suffix(".bin"))
    return {name: rows_by_key[key] for name, key in keys.items() if key in rows_by_key}, packs


def find_copies(folder, files, threads):
    "As `find_pixels`, of those of `files` whose very bytes were decoded at another place"
    rows_of, packs = {}, []
    for index in sorted(o for o in folder.parent.glob("*/*.idx") if o.parent != folder):
        rows, hashes = read_index(index), read_hashes(index)
        if rows is None or hashes is None or len(rows) != len(hashes):
            continue
        for (_, *row), h in zip(rows.tolist(), hashes.tolist(), strict=True):
            rows_of[h] = (len(packs), *row)
        packs.append(index.with_suffix(".bin"))
    if not rows_of:
        return {}, []
    hashes = dict(zip((o.name for o in files), ahead(image_hash, files, threads, 4 * threads), strict=True))
    return {name: rows_of[h] for name, h in hashes.items() if h in rows_of}, packs


def image_hash(o):
    "Of the bytes of an image's file, not 0; 0 for what can't be read, or is no file that would be decoded"
    try:
        require_file(o.image)
        with open(o.image, "rb") as f:
            return int.from_bytes(file_digest(f, lambda: blake2b(digest_size=8)).digest(), "little") or 1
    except (OSError, Unreadable):
        return 0


def read_hashes(index):
    try:
        return np.frombuffer(index.with_suffix(".same").read_bytes(), "<u8")
    except (OSError, ValueError):
        return None


def merge_finds(a, b):
    "Two finds as one; the first goes first"
    (found, packs), (others, other_packs) = a, b
    moved = {name: (row[0] + len(packs), *row[1:]) for name, row in others.items() if name not in found}
    return {**found, **moved}, [*packs, *other_packs]


def read_index(file):
    "The rows of a pack, or None for one that is damaged or whose bytes are not all there"
    try:
        data = file.read_bytes()
        size = file.with_suffix(".bin").stat().st_size
    except OSError:
        return None
    head, body = data[:4], data[4:]
    if len(head) < 4 or zlib.crc32(body) != int.from_bytes(head, "little") or len(body) % ROW.itemsize:
        return None
    rows = np.frombuffer(body, ROW)
    return rows if not len(rows) or (rows["at"] + rows["h"].astype(np.int64) * rows["w"] * 3).max() <= size else None


@contextmanager
def locked(folder, say):
    "One builder a folder at a time. Where the file system has no locks two may do the same work"
    lock = ProcessLock(folder/"lock")
    if not lock.take():
        say("another run is decoding these photos: waiting for it")
        lock.take(wait=True)
    try:
        for o in folder.glob("*.part"):
            o.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def build_packs(folder, files, keys, side, threads, how, progress):
    "Decode `files` into packs; [(name, reason)] of those that cannot be"
    bad = []
    with quiet():
        for i in range(0, len(files), PACK):
            bad += write_pack(folder, files[i:i + PACK], keys, side, threads, how, progress)
    return bad


def write_pack(folder, files, keys, side, threads, how, progress):
    "Decode `files` into a pack, whose index comes last; [(name, reason)] of those that cannot be"
    token = secrets.token_hex(8)
    pixels, index = folder/f"{token}.bin", folder/f"{token}.idx"
    part = folder/f"{token}.bin.part"
    try:
        with open(part, "wb") as f:
            rows, hashes, bad = write_pixels(f, files, keys, side, threads, how, progress)
        if rows:
            (folder/f"{token}.same").write_bytes(np.array(hashes, "<u8").tobytes())
            with whole_file(index, folder/f"{token}.idx.part") as unfinished:
                write_index(unfinished, np.array(rows, ROW))
                os.replace(part, pixels)
    finally:
        part.unlink(missing_ok=True)
    return bad


def write_pixels(f, files, keys, side, threads, how, progress):
    """(rows of the images, as they lie in the file, hashes of their files, [(name, reason)] of those that cannot be
    decoded)
    """
    rows, hashes, bad, at = [], [], [], 0
    decoded = ahead(lambda o: decoded_and_hashed(o, side, how), files, threads, 4 * threads)
    for o, (x, h) in zip(files, progress.over(decoded), strict=True):
        if isinstance(x, str):
            bad.append((o.name, x))
            continue
        rows.append((keys[o.name], at, *x.shape[:2], zlib.crc32(x)))
        hashes.append(h)
        at += f.write(x.data)
    sync_file(f)
    return rows, hashes, bad


def decoded_and_hashed(o, side, how):
    x = try_canonical(o, side, how)
    return x, 0 if isinstance(x, str) else image_hash(o)


def try_canonical(o, side, how=PLAIN):
    try:
        return np.ascontiguousarray(canonical(o.image, side, how))
    except Unreadable as e:
        return str(e)


def write_index(file, rows):
    with open(file, "wb") as f:
        f.write(zlib.crc32(rows.tobytes()).to_bytes(4, "little") + rows.tobytes())
        sync_file(f)


def touch(found, packs):
    "Mark the packs in use, for those unused longest go first"
    for n in {row[0] for row in found.values()}:
        with suppress(OSError):
            os.utime(packs[n].with_suffix(".idx"), (time.time(),) * 2)


def room(folder, need, in_use, say):
    "Whether `need` bytes more may be kept, after the packs unused longest have made way; says why not"
    free = shutil.disk_usage(folder).free - KEEP_FREE
    others = sorted((o for o in (cache_dir()/"pixels").glob("*/*/*.idx")), key=age)
    used = sum(map(file_bytes, others))
    for o in others:
        if used + need <= cache_limit() and need <= free:
            break
        if o.with_suffix(".bin") in in_use or need > cache_limit():
            continue
        n = file_bytes(o)
        with suppress(OSError):
            o.unlink()
            o.with_suffix(".same").unlink(missing_ok=True)
            o.with_suffix(".bin").unlink()
            used, free = used - n, free + n
    if used + need <= cache_limit() and need <= free:
        return True
    why = (f"the disk has {max(free + KEEP_FREE, 0) / GB:.1f} GB free" if need > free
           else f"FASTRICKS_CACHE_GB allows {cache_limit() / GB:g} GB")
    say(f"pixels: no cache, as it would take {need / GB:.2g} GB and {why}: {AGAIN}")
    return False


def age(o):
    try:
        return o.stat().st_mtime
    except OSError:
        return 0


def file_bytes(o):
    try:
        return o.with_suffix(".bin").stat().st_size
    except OSError:
        return 0

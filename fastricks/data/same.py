"""Which images of a data set have the same file."""
from collections import defaultdict
from hashlib import blake2b, file_digest
from types import MappingProxyType

from .source import is_path

TAIL = 4096  # bytes of a file's end by which files of one size are told apart before they are read whole


def overlaps(groups):
    "{(split, where its images are too): [(Item, its copy)]} of groups of images that are the same"
    out = {}
    for a, b in (("test", "train"), ("valid", "train"), ("rest", "train"), ("test", "valid")):
        pairs = [(o, twin) for g in groups for o in g if o.split == a
                 if (twin := next((t for t in g if t.split == b), None))]
        if pairs:
            out[a, b] = pairs
    return out


def pixel_checksums(source):
    """{name: shape and checksum of its pixels} where the fast pipeline has them of every file, which tells most files
    apart unread; else {}
    """
    rows = source.pixels.rows if source.pixels else {}
    if not all(o.name in rows for o in source.items if is_path(o.image)):
        return {}
    return {name: row[2:] for name, row in rows.items()}


def same_files(items, looks=MappingProxyType({})):
    """[[Item, …]]: groups of images whose files, or arrays, have the same bytes; `looks`: name -> what files with the
    same bytes share
    """
    groups = groups_by_key(items, lambda o: (o.size, looks.get(o.name)) if is_path(o.image) else o.image.shape)
    groups = [g for group in groups for g in groups_by_key(group, file_tail)]
    return [g for group in groups for g in groups_by_key(group, file_digest_of)]


def groups_by_key(items, key):
    "The groups of two and more that have a key in common; without those whose key is None"
    found = defaultdict(list)
    for o in items:
        found[key(o)].append(o)
    return [g for k, g in found.items() if len(g) > 1 and k is not None]


def file_tail(o):
    if not is_path(o.image):
        return o.image.tobytes()[-TAIL:]
    try:
        with open(o.image, "rb") as f:
            f.seek(max(0, o.size - TAIL))
            return f.read(TAIL)
    except OSError:
        return None


def file_digest_of(o):
    if not is_path(o.image):
        return blake2b(o.image.tobytes(), digest_size=16).digest()
    try:
        with open(o.image, "rb") as f:
            return file_digest(f, lambda: blake2b(digest_size=16)).digest()
    except OSError:
        return None

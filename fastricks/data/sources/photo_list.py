"""A list of Food-101's photos, as docs/results/public.csv: a smaller data set that anyone can make again from the
official archive.
"""
import hashlib
from pathlib import Path

from ...core.errors import UserError, nearest
from .food import LINE, LISTS
from .table import read_rows

LIST_COLUMNS = ["image", "label", "split"]


def read_photo_list(file):
    "{class/id: split} of a CSV with the columns image (`images/<class>/<id>.jpg`), label and split (train or test)"
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(f"--list {file} is not a file: give a CSV with the columns {', '.join(LIST_COLUMNS)}")
    head, *rows = read_rows(path) or [(1, [])]
    if head[1] != LIST_COLUMNS:
        raise UserError(f"{path} begins with {','.join(head[1])[:80]!r}: its columns must be {','.join(LIST_COLUMNS)}")
    found = {}
    for line, cells in rows:
        key, split = row_of(cells, f"line {line} of {path}")
        if found.setdefault(key, split) != split:
            raise UserError(f"line {line} of {path}: {key} is in both train and test")
    if "train" not in found.values():
        raise UserError(f"{path} lists no training images")
    return found


def row_of(cells, where):
    if len(cells) != len(LIST_COLUMNS):
        raise UserError(f"{where} has {len(cells)} cells, not {len(LIST_COLUMNS)}")
    image, label, split = cells
    key = image.removeprefix("images/").removesuffix(".jpg")
    if not LINE.fullmatch(key):
        raise UserError(f"{where}: image {image[:80]!r} is not images/<class>/<id>.jpg")
    if label != key.partition("/")[0]:
        raise UserError(f"{where}: label {label!r} is not the image's folder")
    if split not in LISTS:
        raise UserError(f"{where}: split {split!r} is neither train nor test{nearest(split, LISTS)}")
    return key, split


def names_fingerprint(rows):
    """One hash of names, labels and splits (12 hex digits) of {class/id: split}.

    Equal for the same photos in whatever size, layout or JPEG quality; the fingerprint of a run has their bytes too.
    """
    lines = sorted(f"{key}\t{split}\n" for key, split in rows.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]

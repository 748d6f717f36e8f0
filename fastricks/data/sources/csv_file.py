"""A CSV file of images: path, label and perhaps split."""
import csv
import io
from pathlib import Path

from ...core.errors import UserError, nearest, plural
from ..source import SPLIT, Found, Item
from .registry import DataSource

COLUMNS = "path", "label", "split"
ALIASES = {"path": ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img", "name", "fname"),
           "label": ("label", "labels", "class", "category", "target"), "split": ("split", "subset", "set", "fold")}


class CsvFile(DataSource):
    priority = 50
    def fits(self, text): return is_csv(Path(text).expanduser())
    def open(self, text, wanted=None): return csv_items(Path(text).expanduser(), wanted)


def is_csv(path): return path.is_file() and path.suffix.lower() == ".csv"


def column(word): return next((k for k, names in ALIASES.items() if word.strip().lower() in names), None)


def read_rows(file):
    "[(line number, cells)] of the lines that are not empty"
    try:
        text = file.read_text(encoding="utf-8-sig")
        comma = next((c for c in ",;\t" if c in text.partition("\n")[0]), ",")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
        return [(rows.line_num, [c.strip() for c in o]) for o in rows if any(c.strip() for c in o)]
    except (UnicodeDecodeError, csv.Error) as e: raise UserError(f"{file} is not a CSV file in UTF-8: {e}") from e


def columns(rows):
    "({column: its place}, the rows below the header), the columns in order where there is no header"
    if not rows: return {}, rows
    names = [column(o) for o in rows[0][1]]
    if {"path", "label"} <= set(names): return {k: names.index(k) for k in COLUMNS if k in names}, rows[1:]
    return dict(zip(COLUMNS, range(len(rows[0][1])), strict=False)), rows


def cell(cells, place): return cells[place] if place is not None and place < len(cells) else ""


def split_of(word, where):
    if word.lower() in SPLIT: return SPLIT[word.lower()]
    raise UserError(f"{where}: split {word!r} is none of train, valid and test{nearest(word, SPLIT)}")


def image_path(root, path):
    "(name, Path) of a path as the file has it, perhaps written on Windows"
    if "\\" in path and not (root/path).exists(): path = path.replace("\\", "/")
    name = Path(path)
    if name.is_absolute() and name.is_relative_to(root.absolute()): name = name.relative_to(root.absolute())
    return name.as_posix(), root/name


def row_item(root, cells, at, where):
    path, label = (cell(cells, at.get(k)) for k in ("path", "label"))
    if not path or not label: raise UserError(f"{where} has no {'label' if path else 'path'}: want path,label or "
                                              "path,label,split")
    name, image = image_path(root, path)
    return Item(name, label, split_of(cell(cells, at["split"]), where) if "split" in at else "train", image)


def add(found, item, where):
    "Adds `item` to `found` by its name; the same line twice is one image"
    old = found.setdefault(item.name, item)
    if (old.label, old.split) != (item.label, item.split):
        raise UserError(f"{where} lists {item.name} again, as {item.label} in {item.split}, after {old.label} in "
                        f"{old.split}")


def with_sizes(items):
    "The items whose files are there, with their sizes"
    for o in items:
        try: yield Item(o.name, o.label, o.split, o.image, o.image.stat().st_size)
        except (OSError, ValueError): continue


def require_some(items, n, where):
    "A note on listed images that are missing; an error when all are"
    if n and not items: raise UserError(f"none of the {plural(n, 'image')} that {where} lists is there")
    return [f"{n-len(items):,} of {n:,} listed images are not there"] if len(items) < n else []


def csv_items(file, wanted=None, known=("train",)):
    "`Found` of the CSV file `file`; the classes are those of the splits `known`"
    at, rows = columns(read_rows(file))
    found = {}
    for i, cells in rows: add(found, row_item(file.parent, cells, at, f"line {i} of {file}"), f"line {i} of {file}")
    labels = sorted({o.label for o in found.values() if o.split in known})
    if not labels:
        kind = "training images" if len(known) == 1 else "images"
        raise UserError(f"{file} lists no {kind}: want lines of path,label or path,label,split")
    chosen = [o for o in found.values() if wanted is None or o.label in wanted]
    items = list(with_sizes(chosen))
    return Found(file.stem, items, labels, require_some(items, len(chosen), file))

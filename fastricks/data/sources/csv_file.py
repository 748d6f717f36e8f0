"""A table of images, CSV or Parquet: path, label and perhaps split."""
import os
from collections import Counter
from pathlib import Path

from ...core.errors import UserError, plural
from ..source import DECIDED, ENDING, HIDDEN, NOT_THERE, OTHER_CLASSES, TOOLS, UNLISTED, Found, Item
from .registry import DataSource
from .table import cell, find_place, is_there, read_rows, slashes, told_place, understand
from .walk import count_below, ending, is_folder, is_image, is_tools, is_within, scan_folder

TABLE_ENDINGS = ".csv", ".tsv", ".tab", ".parquet"
MOST_BESIDE = 200_000  # files beside a table that are counted


class CsvFile(DataSource):
    priority = 50
    def fits(self, text): return is_csv(Path(text).expanduser())
    def open(self, text, wanted=None): return csv_items(Path(text).expanduser(), wanted)


def is_csv(path): return path.is_file() and path.suffix.lower() in TABLE_ENDINGS


def image_path(root, path):
    "(name, Path) of a path as the file has it, perhaps written on Windows"
    if "\\" in path and not is_there(root, path):
        path = slashes(path)
    name = Path(path)
    if name.is_absolute() and name.is_relative_to(root.absolute()):
        name = name.relative_to(root.absolute())
    return name.as_posix(), root/name


def row_item(root, cells, table, where):
    path, label = cell(cells, table.path), label_of_row(cells, table)
    if not path or not label:
        raise UserError(f"{where} has no {'label' if path else 'path'}: want path,label or "
                        "path,label,split")
    name, image = image_path(root, path)
    return Item(name, label, table.split(cells, where) if table.split else "train", image)


def label_of_row(cells, table):
    if table.label is not None:
        return cell(cells, table.label)
    return next(k for i, k in table.one_hot.items()
                if cell(cells, i).lower() not in ("0", "", "false", "0.0", "no", "n", "f"))


def add_item(found, item, where):
    "Adds `item` to `found` by its name; the same line twice is one image"
    old = found.setdefault(item.name, item)
    if (old.label, old.split) != (item.label, item.split):
        raise UserError(f"{where} lists {item.name} again, as {item.label} in {item.split}, after {old.label} in "
                        f"{old.split}")


def with_sizes(items):
    "The items whose files are there, with their sizes"
    for o in items:
        try:
            yield Item(o.name, o.label, o.split, o.image, o.image.stat().st_size)
        except (OSError, ValueError):
            continue


def missing_of(items, there):
    "(name, reason) of the items that are not there"
    names = {o.name for o in there}
    return tuple((o.name, NOT_THERE) for o in items if o.name not in names)


def require_some(items, n, where, first=()):
    "A note on listed images that are missing; an error, which says where the `first` was looked for, when all are"
    sought = "".join(f": {o.image} is no file" for o in first)
    if n and not items:
        raise UserError(f"none of the {plural(n, 'image')} that {where} lists is there{sought}")
    return [f"{n-len(items):,} of {n:,} listed images are not there"] if len(items) < n else []


def csv_items(file, wanted=None, known=("train",)):
    "`Found` of the table `file`; the classes are those of the splits `known`"
    table = understand(read_rows(file), file)
    found, columns = {}, {name: {} for name in table.unused.values()}
    for i, cells in table.rows:
        item = row_item(file.parent, cells, table, f"line {i} of {file}")
        if table.decisions:
            item = table.decisions.apply(item, cells, f"line {i} of {file}")
        if item is None:
            continue
        add_item(found, item, f"line {i} of {file}")
        for at, name in table.unused.items():
            columns[name][item.name] = cell(cells, at)
    labels = sorted({o.label for o in found.values() if o.split in known})
    if not labels:
        kind = "training images" if len(known) == 1 else "images"
        raise UserError(f"{file} lists no {kind}: want lines of path,label or path,label,split")
    chosen = [o for o in found.values() if wanted is None or o.label in wanted]
    listed_as = [o.name for o in chosen]
    chosen, elsewhere = where_they_are(file, chosen)
    for values in columns.values():
        values.update({o.name: values[name] for o, name in zip(chosen, listed_as, strict=True)})
    items = list(with_sizes(chosen))
    others = [] if wanted is None else [o for o in found.values() if o.label not in wanted]
    dropped = table.decisions.dropped if table.decisions else []
    decided = table.decisions.notes if table.decisions else []
    notes = *table.notes, *decided, *elsewhere, *require_some(items, len(chosen), file, chosen[:1])
    return Found(file.stem, items, labels, notes, missing_of(chosen, items), not_in_table(file, items, others, dropped),
                 table.said, columns)


def where_they_are(file, chosen):
    "(the items, notes): where most are not where the table says, they are looked for around it"
    there = sum(is_there(file.parent, o.image) for o in chosen)
    if 2 * there > len(chosen):
        return chosen, []
    place = find_place(file.parent, [o.name for o in chosen])
    moved = {o.name: path for o in chosen if (path := place.find(o.name))}
    if len(moved) <= there or len({*moved.values()}) < len(moved):
        return chosen, []
    return [moved_item(o, moved.get(o.name), file.parent)
            for o in chosen], [told_place(place, sum(k != v for k, v in moved.items()), file)]


def moved_item(o, path, root):
    if path is None:
        return o
    name, image = image_path(root, path)
    return Item(name, o.label, o.split, image)


# -- what is not listed

def not_in_table(file, items, others, dropped=()):
    """(reason, detail) -> files below the table's folder, and in the folders of its images, that are not used.

    `items` are used; `others` are listed, but of classes that were not asked for; so are `dropped`, by a decision.
    """
    used, left, gone = ({os.path.abspath(o.image) for o in some} for some in (items, others, dropped))
    out, done = Counter({(DECIDED, ""): n} if (n := sum(map(os.path.isfile, gone))) else {}), []
    used |= gone
    for folder in [os.path.abspath(file.parent), *sorted({os.path.dirname(o) for o in used})]:
        if any(is_within(folder, o) for o in done):
            continue
        count_unlisted(folder, used, left, out)
        done.append(folder)
    return out


def count_unlisted(folder, used, left, out):
    try:
        there = scan_folder(folder)
    except OSError:
        return
    for o in there:
        if out.total() > MOST_BESIDE:
            return
        if not is_folder(o):
            if o.path not in used:
                out[(OTHER_CLASSES, "") if o.path in left else why_not_used(o)] += 1
        elif not o.is_symlink() and not count_tools(o.path, out):
            count_unlisted(o.path, used, left, out)


def count_tools(folder, out):
    "Count the files of a folder of runs, and say whether it is one"
    try:
        there = scan_folder(folder)
    except OSError:
        return False
    if not is_tools(folder, there):
        return False
    out[TOOLS, ""] += count_below(folder)
    return True


def why_not_used(o):
    if o.name.startswith("."):
        return HIDDEN, ""
    return (UNLISTED, "") if is_image(o.name) else (ENDING, ending(o.name))

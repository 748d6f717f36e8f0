"""Tables of images as people have them: which column is the path, the label and the split, and where the images lie."""
import csv
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import UserError, nearest, plural
from .decisions import DECISION_COLUMNS, Decisions, has_decisions
from .split_words import plain_split
from .walk import EXTENSIONS, is_image, subfolders

SEPARATORS = ",;\t|"
OWN = {"path": ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img", "name", "fname"),
       "label": ("label", "labels", "class", "category", "target"), "split": ("split", "subset", "set", "fold")}
# letters and digits alone
OTHER_COLUMNS = {
    "path": ("filenames", "filepaths", "imagepath", "imagename", "imagefile", "images", "imgpath", "imgname", "imgfile",
             "photo", "photos", "picture", "files", "imageid", "imgid", "idcode", "photoid", "id", "uuid", "key"),
    "label": ("classname", "labelname", "categoryname", "classlabel", "classes", "categories", "breed", "species",
              "diagnosis", "cats", "cat", "lbl", "targetname", "y", "dx", "findinglabels", "tag", "tags", "labelid",
              "classid", "categoryid"),
    "split": ("dataset", "partition", "usage", "phase", "datasplit", "splitname", "traintest"),
}
TRUE_OF = {"isvalid": "valid", "valid": "valid", "isval": "valid", "val": "valid", "isvalidation": "valid",
           "validation": "valid",
           # columns of yes and no
           "istest": "test", "test": "test", "istrain": "train", "train": "train", "istraining": "train"}
YES, NO = {"true", "1", "yes", "y", "t", "1.0"}, {"false", "0", "no", "n", "f", "0.0", ""}
SAMPLED_ROWS = 200  # rows by which a column is known
HALF = .5


@dataclass
class Table:
    "A table whose columns are understood"
    rows: list                                   # [(line number, cells)] below the header
    path: int                                    # places of columns
    label: int | None                            # None: `one_hot` columns have it
    split: object = None                         # function of a row's cells and where it is; None for no splits
    said: str = ""                               # where the splits come from
    one_hot: dict = field(default_factory=dict)  # place -> class
    notes: list = field(default_factory=list)
    unused: dict = field(default_factory=dict)   # place -> name of the other columns
    decisions: object = None                     # the Decisions of a table that `fastricks clean` wrote


# -- reading

def read_rows(file):
    "[(line number, cells)] of the lines that are not empty"
    if file.suffix.lower() == ".parquet":
        return parquet_rows(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text), strict=True)
        return [(rows.line_num, [c.strip() for c in o]) for o in rows if any(c.strip() for c in o)]
    except (UnicodeDecodeError, csv.Error) as e:
        raise UserError(f"{file} is not a CSV file in UTF-8: {e}") from e


def separator(text):
    "The one that gives the first line a path and a label by name, else the first of , ; tab | that is in it"
    first = next((o for o in text.splitlines() if o.strip()), "")
    there = [c for c in SEPARATORS if c in first]
    known = [c for c in there if {"path", "label"} <= {*by_name([o.strip(' "') for o in first.split(c)])}]
    return next(iter(known or there), ",")


def parquet_rows(file):
    import pandas as pd
    try:
        frame = pd.read_parquet(file)
    except ImportError:
        raise UserError(f"{file} needs pyarrow to be read: pip install pyarrow, or save it as CSV") from None
    except (OSError, ValueError) as e:
        raise UserError(f"{file} can't be read as Parquet: {e}") from e
    cells = frame.astype(object).where(frame.notna(), "").astype(str).values.tolist()
    return [(1, [str(o) for o in frame.columns]), *enumerate(cells, 2)]


# -- which column is what

def letters(word): return re.sub(r"[\W_]+", "", word.casefold())


def by_name(names):
    "{path, label or split: its place} by the names of columns, our own words before others'"
    found = {}
    for words, plain in ((OWN, lambda o: o.strip().lower()), (OTHER_COLUMNS, letters)):
        for kind, known in words.items():
            if kind in found:
                continue
            at = [i for i, o in enumerate(names) if plain(o) in known and i not in found.values()]
            if words is OTHER_COLUMNS:
                at.sort(key=lambda i: known.index(letters(names[i])))
            if at:
                found[kind] = at[0]
    return found


def understand(rows, file):
    "The Table of `rows`; a UserError that names the columns where none can be the path or the label"
    if not rows:
        return Table([], 0, 1)
    names = rows[0][1]
    there = by_name(names)
    if {"path", "label"} <= {*there} or has_header(rows, there, file):
        return with_header(names, rows[1:], there, file)
    split = 2 if len(names) > 2 else None
    return Table(rows, 0, 1, None if split is None else split_reader(split, rows), "the third column" if split else "")


def has_header(rows, there, file):
    """Is the first row none of an image: does it name the path, or do others' cells name files that are there, where
    its own do not?
    """
    names = rows[0][1]
    if "path" in there and names[there["path"]].strip().lower() in OWN["path"]:
        return True
    if len(rows) < 2 or any(looks_like_path(c) for c in names):
        return False
    place, at = path_column(rows[1:], file)
    return at is not None and place.find(names[at]) is None


def looks_like_path(cell): return "/" in cell or "\\" in cell or is_image(cell)


def path_column(rows, file):
    "(Place, number) of the first column most of whose cells are files; (None, None) where there is none"
    some = rows[:SAMPLED_ROWS]
    for i in range(len(some[0][1])):
        place = find_place(file.parent, [cell(c, i) for _, c in some])
        if sum(place.find(cell(c, i)) is not None for _, c in some) > HALF * len(some):
            return place, i
    return None, None


def with_header(names, rows, there, file):
    at = {**there}
    if rows and not leads_to_files(rows, at.get("path"), file):
        _, found = path_column(rows, file)
        if found is not None:
            at["path"] = found
    if "path" not in at:
        raise UserError(f"{file} has the columns {', '.join(names)}: none is known as the image's path; rename it to "
                        "path")
    table = Table(rows, at["path"], at.get("label") if at.get("label") != at["path"] else None)
    used = {table.path, *add_split(table, names, at), *add_label(table, names, at, file)}
    if has_decisions(names) and table.label is not None:
        table.decisions = Decisions(names, (cell(c, table.label) for _, c in rows))
        used |= {table.decisions.at[o] for o in DECISION_COLUMNS if o in table.decisions.at}
    table.unused = {i: o or "(no name)" for i, o in enumerate(names) if i not in used}
    return table


def leads_to_files(rows, place, file):
    "Are most cells of this column files as they are?"
    some = [cell(c, place) for _, c in rows[:SAMPLED_ROWS]]
    return sum(is_there(file.parent, slashes(o)) for o in some if o) > HALF * len(some)


def add_label(table, names, at, file):
    "Find the column of the label, or those of one class each; returns the places used"
    own = table.label is not None and names[table.label].strip().lower() in OWN["label"]
    if own or (table.label is not None and not is_flags(table, table.label)):
        return [table.label]
    table.label = None
    free = [i for i in range(len(names)) if i != table.path and i != at.get("split")
            and letters(names[i]) not in TRUE_OF]
    if len(free) == 1:
        table.label = free[0]
        table.notes.append(f"column {names[free[0]]} of {file.name} taken as the label")
        return free
    flags = [i for i in free if is_flags(table, i)]
    if len(flags) > 1 and all(sum(cell(c, i).lower() in YES for i in flags) == 1 for _, c in table.rows):
        table.one_hot = {i: names[i] for i in flags}
        table.notes.append(f"columns {', '.join(names[i] for i in flags[:4])}{', …' if len(flags) > 4 else ''} taken "
                           "as a class each")
        return flags
    if at.get("label") in free:
        table.label = at["label"]
        return [table.label]
    raise UserError(f"line 1 of {file} is a header with the names {', '.join(names)}: none is known as the label; "
                    "rename that column to label")


def is_flags(table, place):
    "Has a column yes and no, as 1 and 0, and nothing else?"
    return bool(table.rows) and all(cell(c, place).lower() in YES | NO for _, c in table.rows)


def add_split(table, names, at):
    "Find what says the split: a column of words, of folds, or of yes and no; returns the places used"
    flags = {i: TRUE_OF[letters(o)] for i, o in enumerate(names) if letters(o) in TRUE_OF
             and i not in (table.path, table.label)}
    flags = {i: split for i, split in flags.items() if all(cell(c, i).lower() in YES | NO for _, c in table.rows)}
    if "split" in at:
        table.split = split_reader(at["split"], table.rows)
        table.said = f"column {names[at['split']]}"
        folds = fold_values(at["split"], table.rows)
        if folds:
            table.notes.append(f"{table.said} has numbers: fold {folds[0]} is for validation, the others are trained "
                               "on")
        return [at["split"]]
    if flags and table.rows:
        table.split = lambda cells, where: flag_split(cells, flags)
        table.said = f"column{'s' if len(flags) > 1 else ''} {', '.join(names[i] for i in flags)}"
        return list(flags)
    for i, o in enumerate(names):
        words = {cell(c, i) for _, c in table.rows}
        if i in (table.path, table.label) or len(words) < 2 or not all(plain_split(w) for w in words):
            continue
        table.split, table.said = split_reader(i, table.rows), f"column {o}"
        return [i]
    return []


def flag_split(cells, flags):
    "The split of a row by its columns of yes and no: what is for test is that before all; neither is for training"
    yes = {split for i, split in flags.items() if cell(cells, i).lower() in YES}
    if yes:
        return next(o for o in ("test", "valid", "train") if o in yes)
    return "train" if "train" not in flags.values() else "valid" if "valid" not in flags.values() else "test"


def fold_values(at, rows):
    "The numbers of a column of folds, the smallest first; none where it has words"
    values = {cell(c, at) for _, c in rows}
    return sorted(values, key=float) if len(values) > 1 and all(re.fullmatch(r"\d+(\.0)?", v) for v in values) else []


def split_reader(at, rows):
    "What reads the split of a row: a word, or the number of a fold, of which the first is for validation"
    folds = fold_values(at, rows)

    def read(cells, where):
        word = cell(cells, at)
        if folds:
            return "valid" if word == folds[0] else "train"
        return split_of_word(word, where)
    return read


def split_of_word(word, where):
    if split := plain_split(word):
        return split
    raise UserError(f"{where}: split {word!r} is none of train, valid and "
                    f"test{nearest(word, ('train', 'valid', 'test', 'val'))}")


def cell(cells, place): return cells[place] if place is not None and place < len(cells) else ""


# -- where the images are

@dataclass(frozen=True)
class Place:
    """How the paths of a table lead to files: `skip` leading parts left out, below `folder`, an ending added where
    there is none
    """
    root: Path
    folder: str = ""
    skip: int = 0

    def find(self, path):
        """The path below the root, or as it is where it is absolute, of the file that a cell means; None where there is
        none
        """
        path = slashes(path)
        if (self.skip or self.folder) and is_there(self.root, path):
            return path
        parts = [o for o in re.sub("^[A-Za-z]:", "", path).split("/") if o] if self.skip else [path]
        rest = "/".join(parts[self.skip:])
        if not rest:
            return None
        return with_ending(self.root, f"{self.folder}/{rest}" if self.folder else rest)


def slashes(path): return path.replace("\\", "/")


def is_there(root, path):
    try:
        return os.path.isfile(os.path.join(root, path)) or os.path.islink(os.path.join(root, path))
    except ValueError:
        return False  # a NUL byte


def with_ending(root, path):
    "`path`, or the first of its names with an image's ending that is a file"
    if is_there(root, path):
        return path
    if os.path.splitext(path)[1].lower() in EXTENSIONS:
        return None
    return next((o for end in EXTENSIONS for o in (path + end, path + end.upper()) if is_there(root, o)), None)


def find_place(root, paths):
    """The Place by which most of `paths` are files: as they are, with fewer leading parts, or in a folder beside the
    table
    """
    some = [o for o in dict.fromkeys(paths) if o][:SAMPLED_ROWS]
    best, most = Place(root), count_found(Place(root), some)
    if most > HALF * len(some):
        return best
    for place in other_places(root, some):
        n = count_found(place, some)
        if n > max(most, HALF * len(some)):
            best, most = place, n
    return best


def count_found(place, paths):
    "How many different files the paths lead to"
    return len({found for o in paths if (found := place.find(o))})


def other_places(root, paths):
    "Other Places that may be meant, the likely ones first"
    deepest = max((slashes(o).count("/") for o in paths), default=0)
    yield from (Place(root, "", skip) for skip in range(1, deepest + 1))
    try:
        beside = subfolders(root)
    except OSError:
        beside = []
    yield from (Place(root, o) for o in beside)
    yield from (Place(root, f"{o}/{p}") for o in beside[:20] for p in subfolders(root/o)[:20])
    yield from (Place(root, o) for o in ("..", *(f"../{o}" for o in siblings(root))))


def siblings(root):
    try:
        return [o for o in subfolders(root.absolute().parent)
                if o.lower() in ("images", "imgs", "img", "train", "data", "photos")]
    except OSError:
        return []


def told_place(place, n, file):
    "A line on images that lie elsewhere than the table says"
    where = [f"in {place.folder}/"] if place.folder else []
    if place.skip:
        where.append(f"without the first {plural(place.skip, 'part')} of their paths")
    return f"{plural(n, 'image')} of {file.name} found {' '.join(where) or 'with an ending added'}"

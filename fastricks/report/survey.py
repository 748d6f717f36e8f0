"""`fastricks show data`: one screen about images before a training, a picture of some, and a table of all.

Imports no torch.
"""
from collections import Counter
from pathlib import Path
from statistics import median

from rich.cells import cell_len, set_cell_size

from ..core.errors import plural, shorten, visible
from ..data.account import class_sizes as counts
from ..data.same import overlaps
from ..data.source import describe
from ..data.split import first_items, items_by_class, place_in_order
from ..recipe.command import data_options
from ..recipe.registry import registry

FEW_CLASSES = 5       # classes up to which each has its row on the screen; of more the two largest and smallest
CELL = 150    # pixels of a sample
MOST_SAMPLES = 48     # samples of a picture, and so classes
HEAD_WIDTH = 11     # letters before what a line says
EVEN, ALMOST_EVEN, IMBALANCED = 1.1, 1.5, 5  # images of the largest class for each of the smallest
SQUARE = 1.05  # width by height up to which an image counts as square, either way
PIXEL_MODES = {
    "RGB": "colour", "L": "grey", "1": "black and white", "P": "palette", "RGBA": "with transparency",
    "LA": "with transparency", "PA": "with transparency", "CMYK": "CMYK", "I;16": "16-bit grey", "I": "16-bit grey",
    "RGB;16": "16-bit colour, of which the upper 8 bits are read", "RGBA;16": "with transparency"}


# -- the screen

def screen(s, to=None, width=80, height=24):
    """The report's lines: fewer than `height`, and each but for paths shorter than `width`; `to`: the picture's file,
    where there is one
    """
    head, *per_class = class_count_lines(s.source, to)
    said = [("data", describe(s.source)), ("", head), *(("", line) for line in per_class), *facts_told(s)]
    kind = "page" if to and Path(to).suffix.lower() == ".html" else "picture"
    files = [(kind, to), ("table", f"{table_file(to)}  # a row for each image")] if to else []
    ends = [*files, ("next", next_training(s))]
    room = height - 1 - len(ends)
    for head in ("shapes", "types", "small"):  # what tells least makes room
        if len(said) > room:
            said = [o for o in said if o[0] != head]
    last = [k.ljust(HEAD_WIDTH) + visible(line) for k, line in ends]
    return fitted(said, width - 1, room) + last


def facts_told(s):
    "(head, text) of what is to be said of the images besides their classes; in capitals what is wrong"
    yield "files", s.account.files_line.removeprefix("files: ")
    yield "splits", s.account.splits
    yield "balance", balance(s.source)
    if s.account.few:
        yield "few", s.account.few
    yield "sizes", pixel_sizes(s)
    yield "shapes", shapes(s)
    yield "types", types(s)
    yield "small", small(s)
    yield from leaks(s)
    yield from other_copies(s)
    yield from unreadable(s)
    yield from source_notes(s)


def fitted(said, width, height):
    "Lines of (head, text): a text that is too long gets a second line while there is room, what is wrong first"
    spare, lines_of = height - len(said), {}
    for i in sorted(range(len(said)), key=lambda i: (not said[i][0].isupper(), i)):
        head, text = said[i]
        lines = wrap(visible(text), width - HEAD_WIDTH, 2 if spare > 0 else 1)
        spare -= len(lines) - 1
        lines_of[i] = [o.ljust(HEAD_WIDTH) + line for o, line in zip((head, ""), lines, strict=False)]
    return [line for i in sorted(lines_of) for line in lines_of[i]]


def wrap(text, n, lines):
    "A text in at most so many lines, cut where it is longer; letters may be two columns wide"
    if cell_len(text) <= n:
        return [text]
    if lines == 1:
        return [set_cell_size(text, n - 1).rstrip() + "…"]
    whole = set_cell_size(text, n)
    first_line = whole.rpartition(" ")[0] or whole
    return [first_line, *wrap(text[len(first_line):].strip(), n, lines - 1)]


def padded(text, n): return text + " " * (n - cell_len(text))
def short(name, n): return wrap(" ".join(visible(name).split()), n, 1)[0]


def class_count_lines(source, to=None):
    "Images of each class and split, of many classes the largest and the smallest, and the file that has all"
    n, splits = counts(source), [split for split in source.splits_used if source.of(split)]
    kept, hidden = classes_to_show(n)
    rows = [(short(k, 28), [f"{n[k][split]:,}" for split in splits]) for k in kept]
    wide = max(10, *(cell_len(name) for name, _ in rows)) + 2
    if hidden:
        where = f": {classes_file(to)}" if to else ""
        rows.insert(2, (f"… {hidden:,} more{where}", []))
    table = [("", splits), *rows]
    return [padded(name, wide) + "".join(cell.rjust(9) for cell in cells) for name, cells in table]


def classes_to_show(n):
    "(classes, how many are not among them): of many the two largest and the two smallest"
    if len(n) <= FEW_CLASSES:
        return [*n], 0
    order = sorted(n, key=lambda k: (-n[k]["train"], k))
    return [*order[:2], *order[-2:]], len(n) - 4


def balance(source):
    "How many training images the classes have, largest against smallest"
    n = {k: c["train"] for k, c in counts(source).items()}
    order = sorted(n, key=lambda k: (n[k], k))
    smallest, largest = order[0], order[-1]
    few, many = n[smallest], n[largest]
    if few == many:
        return f"each class has {plural(few, 'training image')}"
    if many < EVEN * few:
        return f"even: {few:,}–{many:,} training images a class"
    most = f"'{short(largest, 16)}' ({many:,})"
    least = f"'{short(smallest, 16)}' ({few:,})"
    times = f"{many / few:.3g} times as many {most} as {least}"
    return f"{balance_word(few, many)}: {times}{remedies(few, many)}"


def evening(): return [n for n, t in registry().items() if t.evens]


def remedies(few, many):
    "The tricks that make up for it, where it is much"
    found = evening() if many >= ALMOST_EVEN * few else []
    return f"; for it: -t {' or -t '.join(found)}" if found else ""


def balance_word(few, many):
    if many < ALMOST_EVEN * few:
        return "even"
    return "uneven" if many < IMBALANCED * few else "IMBALANCED"


def pixel_sizes(s):
    sizes = [s.fact(o)[:2] for o in s.items]
    (w, h), n = Counter(sizes).most_common(1)[0]
    return f"shorter side {value_range(map(min, sizes), ',.0f')} pixels; most often {w}×{h} ({n / len(sizes):.0%})"


def value_range(values, spec):
    "`193–512 (median 384)`"
    values = sorted(values)
    low, high, middle = (format(o, spec) for o in (values[0], values[-1], median(values)))
    return low if low == high else f"{low}–{high} (median {middle})"


def shapes(s):
    ratios = [s.fact(o).w / s.fact(o).h for o in s.items]
    tall = sum(r < 1 / SQUARE for r in ratios) / len(ratios)
    wide = sum(r > SQUARE for r in ratios) / len(ratios)
    square = 1 - tall - wide
    ranges = value_range(ratios, ".2f")
    return f"width/height {ranges}; {tall:.0%} tall, {square:.0%} square, {wide:.0%} wide"


def types(s):
    formats = Counter(s.fact(o).format for o in s.items)
    modes = Counter(PIXEL_MODES.get(s.fact(o).mode, s.fact(o).mode) for o in s.items)
    return f"{counted(formats)}; {counted(modes)}"


def counted(counter): return ", ".join(f"{k} {n:,}" for k, n in counter.most_common())


def small(s):
    n, size = len(s.small), s.recipe.size
    if not n:
        return f"no image's shorter side is below --size {size}"
    return f"{share_text(n, len(s.items))} {'has' if n == 1 else 'have'} a shorter side below --size {size}: enlarged"


def share_text(n, total): return f"all {n:,}" if n == total else f"{n:,} of {total:,} ({max(n / total, .001):.1%})"


def leaks(s):
    for (a, b), pairs in overlaps(s.groups).items():
        images = plural(len(s.source.of(a)), f"{a} image")
        are = "is" if len(pairs) == 1 else "are"
        names = equal_names(pairs[0]) + and_more(pairs)
        yield "LEAK", f"{len(pairs):,} of {images} {are} in {b} too: {names}"


def other_copies(s):
    "Contradictions, and what else is there twice"
    odd = [g for g in s.groups if len({o.label for o in g}) > 1]
    if odd:
        pictures = plural(len(odd), "picture has", "pictures have")
        yield "LABELS", f"{pictures} several labels: {equal_names(two_labels(odd[0]))}{and_more(odd)}"
    again = sum(n - 1 for g in s.groups for n in Counter((o.split, o.label) for o in g).values())
    if again:
        found = f"{again:,} more"
    else:
        found = "no other" if s.groups else "none"
    yield "copies", f"{found}; resized or re-saved ones are not looked for"


def two_labels(group):
    "Two of a group's images that have different labels"
    return group[0], next(o for o in group if o.label != group[0].label)


def equal_names(pair): return " = ".join(end_of_name(o.name) for o in pair)


def end_of_name(name, n=34):
    "The end of a name, which tells most"
    name = visible(name)
    return name if len(name) <= n else "…" + name[1 - n:]


def and_more(found, n=1): return ", …" if len(found) > n else ""


def unreadable(s):
    if not s.bad:
        return
    what = f"more than --max-bad {s.recipe.max_bad:g}" if s.refused else "left out"
    some = ", ".join(f"{end_of_name(k)} ({why})" for k, why in s.bad[:3])
    share = share_text(len(s.bad), len(s.bad) + len(s.items))
    head = "UNREADABLE" if s.refused else "unreadable"
    yield head, f"{share}, {what}: {some}{and_more(s.bad, 3)}"


def source_notes(s):
    "Two notes at most: what is left out and why"
    notes = [o for o in s.source.notes if not o.startswith("skipped ")]  # they have their own line
    for note in notes[:2]:
        yield "warnings", note


def next_training(s):
    "The training of this very data"
    line = f"fastricks train {data_options(s.recipe)}".strip()
    if any(o.endswith(" in train") for o in s.account.copies):
        line += " --drop-duplicates"
    if evening() and balance(s.source).startswith("IMBALANCED"):
        line += f" -t {evening()[0]}"
    if not s.refused:
        return line
    needed = min(1, 1.01 * len(s.bad) / (len(s.bad) + len(s.items)))
    return f"fix or delete unreadable images, or allow them: {line} --max-bad {needed:.2g}"


# -- files

def sample_items(source):
    "(training images in rows of classes, how many in a row): the same ones every time, and of many classes some"
    classes = items_by_class(source.of("train"))
    each = min(8, max(1, MOST_SAMPLES // len(classes)))
    some = {*sorted(source.classes, key=lambda k: place_in_order("sample", k))[:MOST_SAMPLES]}
    drawn = [k for k in source.classes if k in some]
    return [o for k in drawn for o in first_items(classes[k], each, "sample")], 8 // each * each


def draw_survey(s):
    "Samples of each class as a matplotlib Figure; lines show what evaluation sees of a photo"
    from .plots import draw_samples
    items, cols = sample_items(s.source)
    of = f" of {MOST_SAMPLES} of {len(s.source.classes):,} classes" if len(s.source.classes) > MOST_SAMPLES else ""
    title = f"{visible(s.source.name)}: training images{of}; evaluation sees what is inside the lines"
    labels = [shorten(visible(o.label), 22) for o in items]
    return draw_samples([thumb(o.image) for o in items], labels, title, cols, CELL, s.recipe.size / s.recipe.resize)


def thumb(image):
    "An image with its longer side at CELL"
    from PIL.Image import Resampling

    from ..data.pixels.image import decode, quiet
    with quiet():
        im = decode(image, small=2 * CELL)
    scale = CELL / max(im.size)
    size = [max(1, round(scale * o)) for o in im.size]
    return im.resize(size, Resampling.NEAREST if scale > 2 else Resampling.BILINEAR)


def class_counts(source):
    "A row for each class: its images of each split, the fewest first"
    order = sorted(counts(source).items(), key=lambda o: (o[1]["train"], o[0]))
    return [{"class": visible(k), **n} for k, n in order]


def classes_file(to): return Path(to).with_name(f"{Path(to).stem}-classes.csv")
def table_file(to): return Path(to).with_name(f"{Path(to).stem}-files.csv")

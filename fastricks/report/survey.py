"""`fastricks show data`: one screen about images before a training, a picture of some, and a table of all. Imports no torch."""
from collections import Counter
from pathlib import Path
from statistics import median

from rich.cells import cell_len, set_cell_size

from ..core.errors import plural, shorten, visible
from ..core.files import rows_to_csv, write
from ..data.source import SPLITS, describe
from ..data.split import by_class, first
from ..data.survey import counts, overlaps, rows, survey
from ..recipe.command import data_options

FEW = 5       # classes up to which each has its row on the screen; of more the two largest and smallest
CELL = 150    # pixels of a sample
HEAD = 11     # letters before what a line says
MODES = {"RGB": "colour", "L": "grey", "1": "black and white", "P": "palette", "RGBA": "with transparency", "LA": "with transparency",
         "PA": "with transparency", "CMYK": "CMYK", "I;16": "16-bit grey", "I": "16-bit grey"}


# -- the screen

def screen(s, to, width=80, height=24):
    "The report's lines: fewer than `height`, and each but for paths shorter than `width`"
    head, *per_class = table(s.source)
    says = [("data", describe(s.source)), ("", head), *(("", o) for o in per_class), ("balance", balance(s.source)), ("sizes", sizes(s)),
            ("shapes", shapes(s)), ("types", types(s)), ("small", small(s)), *leaks(s), *other_copies(s), *unreadable(s), *mind(s)]
    ends = [("picture", to), ("table", f"{table_file(to)}  # a row for each image"), ("next", next_step(s))]
    return laid_out(says, width - 1, height - 1 - len(ends)) + [k.ljust(HEAD) + visible(line) for k, line in ends]


def laid_out(says, width, height):
    "Lines of (head, text): a text that is too long gets a second line while there is room, what is wrong first"
    spare, out = height - len(says), {}
    for i in sorted(range(len(says)), key=lambda i: (not says[i][0].isupper(), i)):
        k, text = says[i]
        lines = wrap(visible(text), width - HEAD, 2 if spare > 0 else 1)
        spare -= len(lines) - 1
        out[i] = [o.ljust(HEAD) + line for o, line in zip((k, ""), lines, strict=False)]
    return [line for i in sorted(out) for line in out[i]]


def wrap(text, n, lines):
    "A text in at most so many lines, cut where it is longer; letters may be two columns wide"
    if cell_len(text) <= n: return [text]
    if lines == 1: return [set_cell_size(text, n - 1).rstrip() + "…"]
    start, _, _ = set_cell_size(text, n).rpartition(" ")
    return [start or set_cell_size(text, n), *wrap(text[len(start or set_cell_size(text, n)):].strip(), n, lines - 1)]


def pad(text, n): return text + " " * (n - cell_len(text))
def short(name, n): return wrap(" ".join(visible(name).split()), n, 1)[0]


def table(source):
    "Images of each class and split, of many classes the largest and the smallest"
    n, splits = counts(source), [o for o in SPLITS if source.of(o)]
    order = sorted(n, key=lambda k: (-n[k]["train"], k))
    few = sorted(n) if len(n) <= FEW else [*order[:2], None, *order[-2:]]
    names = [f"… {len(n) - 4} more" if k is None else short(k, 28) for k in few]
    wide = max(10, *map(cell_len, names)) + 2
    return [" " * wide + "".join(f"{o:>9}" for o in splits),
            *(pad(name, wide) + "".join(f"{n[k][o]:>9,}" for o in splits if k is not None) for k, name in zip(few, names, strict=True))]


def balance(source):
    n = {k: c["train"] for k, c in counts(source).items()}
    low, high = (f(n, key=lambda k: (n[k], k)) for f in (min, max))
    if n[low] == n[high]: return f"each class has {plural(n[low], 'training image')}"
    if n[high] < 1.1 * n[low]: return f"even: {n[low]:,}–{n[high]:,} training images a class"
    word = "even" if n[high] < 1.5 * n[low] else "uneven" if n[high] < 5 * n[low] else "IMBALANCED"
    return f"{word}: {n[high] / n[low]:.3g} times as many '{short(high, 16)}' ({n[high]:,}) as '{short(low, 16)}' ({n[low]:,})"


def sizes(s):
    shorter = sorted(min(s.fact(o)[:2]) for o in s.items)
    (w, h), n = Counter(s.fact(o)[:2] for o in s.items).most_common(1)[0]
    return f"shorter side {span(shorter, ',.0f')} pixels; most often {w}×{h} ({n / len(s.items):.0%})"


def span(xs, spec):
    "`193–512 (median 384)` of sorted numbers"
    low, high, mid = (format(o, spec) for o in (xs[0], xs[-1], median(xs)))
    return low if low == high else f"{low}–{high} (median {mid})"


def shapes(s):
    ratio = sorted(s.fact(o).w / s.fact(o).h for o in s.items)
    tall, wide = (sum(map(test, ratio)) / len(ratio) for test in (lambda r: r < 1 / 1.05, lambda r: r > 1.05))
    return f"width/height {span(ratio, '.2f')}; {tall:.0%} tall, {1 - tall - wide:.0%} square, {wide:.0%} wide"


def types(s):
    kinds, modes = Counter(s.fact(o).format for o in s.items), Counter(MODES.get(s.fact(o).mode, s.fact(o).mode) for o in s.items)
    return "; ".join(", ".join(f"{k} {n:,}" for k, n in c.most_common()) for c in (kinds, modes))


def small(s):
    n, size = len(s.small), s.recipe.size
    if not n: return f"no image's shorter side is below --size {size}"
    return f"{share(n, len(s.items))} {'has' if n == 1 else 'have'} a shorter side below --size {size}: enlarged"


def share(n, of): return f"all {n:,}" if n == of else f"{n:,} of {of:,} ({max(n / of, .001):.1%})"


def leaks(s):
    for (a, b), pairs in overlaps(s).items():
        n = plural(len(s.source.of(a)), f"{a} image")
        yield "LEAK", f"{len(pairs):,} of {n} {'is' if len(pairs) == 1 else 'are'} in {b} too: {equal(pairs[0])}{more(pairs)}"


def other_copies(s):
    "Contradictions, and what else is there twice"
    odd = [g for g in s.groups if len({o.label for o in g}) > 1]
    if odd: yield "LABELS", f"{plural(len(odd), 'picture has', 'pictures have')} several labels: {equal(apart(odd[0]))}{more(odd)}"
    again = sum(n - 1 for g in s.groups for n in Counter((o.split, o.label) for o in g).values())
    yield "copies", f"{f'{again:,} more' if again else 'no other' if s.groups else 'none'}; resized or re-saved ones are not looked for"


def apart(group): return group[0], next(o for o in group if o.label != group[0].label)
def equal(pair): return " = ".join(tail(o.name) for o in pair)


def tail(name, n=34):
    "The end of a name, which tells most"
    name = visible(name)
    return name if len(name) <= n else "…" + name[1 - n:]


def more(found): return ", …" if len(found) > 1 else ""


def unreadable(s):
    if not s.bad: return
    what = f"more than --max-bad {s.recipe.max_bad:g}" if s.refused else "left out"
    some = ", ".join(f"{tail(k)} ({why})" for k, why in s.bad[:3])
    n = share(len(s.bad), len(s.bad) + len(s.items))
    yield "UNREADABLE" if s.refused else "unreadable", f"{n}, {what}: {some}{', …' if len(s.bad) > 3 else ''}"


def mind(s):
    "Two notes at most: what is left out and why"
    notes = s.source.notes[:-1] if s.bad else s.source.notes  # the last one is of the unreadable
    if s.others: notes = (*notes, f"{plural(s.others.total(), 'file')} not called as images are: "
                                  + ", ".join(f"{n:,} {k}" for k, n in s.others.most_common(4)))
    for o in notes[:2]: yield "mind", o


def next_step(s):
    "The training of this very data"
    line = f"python train.py {data_options(s.recipe)}".strip()
    if not s.refused: return line
    return f"mend or remove what is unreadable, or allow it: {line} --max-bad {min(1, 1.01 * len(s.bad) / (len(s.bad) + len(s.items))):.2g}"


# -- files

def samples(source):
    "Training images in rows of classes: the same ones every time"
    classes = by_class(source.of("train"))
    each = min(8, max(1, 48 // len(classes)))
    return [o for k in source.classes for o in first(classes[k], each, "sample")], 8 // each * each


def draw(s):
    "Samples of each class as a matplotlib Figure; lines show what evaluation sees of a photo"
    from .plots import draw_samples
    items, cols = samples(s.source)
    share = s.recipe.size / s.recipe.resize
    title = f"{visible(s.source.name)}: training images; evaluation sees what is inside the lines"
    return draw_samples([thumb(o.image) for o in items], [shorten(visible(o.label), 22) for o in items], title, cols, CELL, share)


def thumb(image):
    "An image with its longer side at CELL"
    from PIL.Image import Resampling

    from ..data.pixels.image import decode, quiet
    with quiet(): im = decode(image, small=2 * CELL)
    scale = CELL / max(im.size)
    return im.resize([max(1, round(scale * o)) for o in im.size], Resampling.NEAREST if scale > 2 else Resampling.BILINEAR)


def tell(recipe, to, width=80, height=24, say=print):
    "Print the screen; write the picture, and beside it the table of all images"
    from .plots import save_to
    s = survey(recipe, say)
    save_to(draw(s), to)
    write(table_file(to), rows_to_csv(list(rows(s))))
    for line in screen(s, to, width, height): say(line)


def table_file(to): return Path(to).with_name(f"{Path(to).stem}-files.csv")

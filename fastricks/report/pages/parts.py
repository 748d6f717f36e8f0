"""What a Quality looks like: the sections that a run's page and an evaluation's have in common."""
from ...core.errors import plural, shorten
from ...core.words import NONE, none
from ..html import facts, figure, folded, heading, paragraph, photo, photos, table, text, wide
from ..plots import svg
from .pictures import confusion_svg, draw_reliability, left_out
from .quality import BINS, confused, worst

PAIRS, EACH = 6, 4  # confused pairs with images, images of each
CELLS = "Rows: true classes, columns: what they were taken for. Blue: right, red: wrong, darker for a larger share of its row."
LOSSES = ("The images whose true class got the lowest probability, as the network saw them: mistakes of the model, hard photos, or wrong "
          "labels. Below each its class, what it was taken for and how surely, and its file.")


def share(v, digits=2): return NONE if none(v) else f"{100 * v:.{digits}f}%"
def number(v, digits=4): return NONE if none(v) else f"{v:.{digits}f}"
def between(v, as_text): return NONE if none(v.low) else f"{as_text(v.low).rstrip('%')} – {as_text(v.high)}"
def one(v, as_text): return f"{as_text(v.value)} [{between(v, as_text)}]" if not none(v.low) else as_text(v.value)


def numbers(q):
    "(what, Value, how to write it) of a Quality's own numbers; top-5 only where it can be wrong"
    five = [("top-5 accuracy", q.top5, share)] if len(q.classes) > 5 else []
    return [("top-1 accuracy", q.top1, share), *five, ("cross-entropy, nats", q.loss, number), ("macro F1", q.f1, share),
            (f"calibration error, ECE ({BINS} bins)", q.ece, share)]


def number_table(found):
    "`found`: heading -> Quality, a column each"
    rows = [[row[0][0], *(one(v, f) for _, v, f in row)] for row in zip(*map(numbers, found.values()), strict=True)]
    return table(["", *found], [*rows, ["right, of all images", *(f"{q.hits:,} of {q.n:,}" for q in found.values())]])


def lead(q, where):
    "The one number that a reader takes along"
    return (f'<p class="big">{text(share(q.top1.value))}</p><p class="of">of {text(where)} are right: {q.hits:,} of {q.n:,}, '
            f"95% interval {text(between(q.top1, share))}</p>")


def of_few_classes(q):
    "What fewer classes mean for the numbers"
    if not q.absent: return []
    here = len(q.classes) - len(q.absent)
    return [f"There are images of {here:,} of the model's {plural(len(q.classes), 'class', 'classes')} only; it chose among all. "
            f"{plural(q.astray, 'image')} taken for a class that is not here. Macro F1 is the mean over the {here:,}; no images of: "
            + listed(q.absent)]


def listed(names, most=8): return ", ".join(map(shorten, names[:most])) + (f" and {len(names) - most:,} more" if len(names) > most else "")


# -- mistakes

def mistakes(q, images, see):
    "Confusion matrix, the most frequent mistakes and the images with the highest loss; `see(name)`: an image's data URI or None"
    return "".join([heading("What it takes for what"), wide(confusion_svg(q)), paragraph(CELLS + left_out(q)), pairs(q, images, see),
                    heading("The highest losses"), paragraph(LOSSES), photos(shown(images, i, see) for i in worst(images))])


def pairs(q, images, see):
    found = confused(q)
    if not found: return paragraph("No mistakes.")
    of = {r.name: r.n for r in q.rows}
    rows = [[a, b, f"{n:,}", share(n / of[a], 1)] for a, b, n in found]
    return (heading("Most frequent mistakes") + table(["is", "taken for", "images", "of its images"], rows, left=(0, 1))
            + f'<div class="two">{"".join(pair(a, b, images, see) for a, b, _ in found[:PAIRS])}</div>')


def pair(a, b, images, see):
    "The images of a confused pair with the highest losses"
    mine = [i for i in worst(images, None) if images.labels[i] == a and images.predicted[i] == b][:EACH]
    return f"<div>{heading(f'{shorten(a, 40)} taken for {shorten(b, 40)}', 3)}{photos(shown(images, i, see) for i in mine)}</div>"


def shown(images, i, see):
    "An image, its class, what it was taken for, how sure, and its file's name"
    name, hit = str(images.names[i]), images.rank[i] == 0
    was = '<span class="right">right</span>' if hit else f'<span class="was">{text(shorten(images.predicted[i], 40))}</span>'
    words = [f"<b>{text(shorten(images.labels[i], 40))}</b>", was, f"{images.p[i]:.0%} sure", f"loss {images.loss[i]:.2f}",
             text(shorten(name.rpartition("/")[2], 30))]
    return photo(see(name), name, words)


# -- calibration and classes

def calibration(q):
    said = (f"On average the probability of the predicted class is {number(100 * q.ece.value, 1)} points away from how often it is right (ECE, "
            f"{BINS} bins of equal width, 95% interval {between(q.ece, share)}).")
    return heading("Is it as sure as it is right?") + figure(svg(draw_reliability(q)), said + " Points below the line: surer than right.")


def classes(q):
    "A row a class, the lowest F1 first; those without images last"
    f = lambda v: one(v, lambda x: share(x, 1))
    return (heading("Class by class") + table(
        ["class", "images", "predicted", "right", "recall [95%]", "precision [95%]", "F1 [95%]"],
        [[shorten(r.name, 60), f"{r.n:,}", f"{r.predicted:,}", f"{r.hits:,}", f(r.recall), f(r.precision), f(r.f1)] for r in by_f1(q)],
        kinds=["some" if r.n else "none" for r in by_f1(q)]) + how(q))


def how(q): return folded("How the intervals are made", paragraph(q.how()))


def by_f1(q): return sorted(q.rows, key=lambda r: (not r.n, 2 if none(r.f1.value) else r.f1.value, r.name))


def environment(e):
    git = e.get("git") or {}
    code = {"git": f"{git.get('revision', '')}{', changed' if git.get('changed') else ''}"} if git else {}
    return folded("Environment", facts({**e, **code}))

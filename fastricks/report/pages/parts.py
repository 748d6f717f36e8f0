"""What a Quality looks like: the sections that a run's page and an evaluation's have in common."""
from ...core.errors import plural, shorten
from ...core.words import NONE, none, number
from ..html import (
    EMPTY,
    Html,
    columns,
    definitions,
    drawing,
    figure,
    folded,
    groups,
    heading,
    html_table,
    paragraph,
    photo,
    photos,
    wide,
)
from .images import no_picture
from .pictures import confusion_svg, draw_reliability, left_out, reliability_words
from .quality import BINS, confused, worst

PAIRS, EACH = 6, 4  # confused pairs with images, images of each
NARROW = 12         # classes up to which the confusion matrix leaves room beside it
CELLS = ("Rows: true classes, columns: predicted classes. Blue: correct, orange: wrong, stronger for a larger share of "
         "its row.")
HEAT = ("Beside a mistake, LayerCAM (Jiang et al. 2021): the brighter, the more evidence there was for the predicted "
        "class.")
LOSSES = ("The images whose true class got the lowest probability, as the network sees them: mistakes of the model, "
          "hard photos, or wrong labels. Below each its true class, the predicted class, its confidence and loss, and "
          "its file.")


# -- numbers as text

def percent(v, digits=2): return NONE if none(v) else f"{100 * v:.{digits}f}%"
def short_percent(v): return percent(v, 1)
def nats(v): return number(v, 4)
def between(v, as_text): return NONE if none(v.low) else f"{as_text(v.low).rstrip('%')} – {as_text(v.high)}"
def one(v, as_text): return as_text(v.value) if none(v.low) else f"{as_text(v.value)} [{between(v, as_text)}]"


def numbers(q):
    "(what, Value, how to write it) of a Quality's own numbers; top-5 only where it can be wrong"
    five = [("top-5 accuracy", q.top5, percent)] if len(q.classes) > 5 else []
    return [("top-1 accuracy", q.top1, percent), *five, ("cross-entropy, nats", q.loss, nats),
            ("macro F1", q.f1, percent), (f"calibration error, ECE ({BINS} bins)", q.ece, percent)]


def number_table(found):
    "`found`: heading -> Quality, a column each"
    rows = []
    for same in zip(*map(numbers, found.values()), strict=True):
        rows.append([same[0][0], *(range_cell(v, as_text) for _, v, as_text in same)])
    right = [f"{q.hits:,} of {q.n:,}" for q in found.values()]
    return html_table(["", *found], [*rows, ["correct / total", *right]], look="runs values")


def range_cell(v, as_text):
    "A number and its interval, which stands below it where there is little room"
    if none(v.low):
        return as_text(v.value)
    return Html('{} <span class="range">[{}]</span>').format(as_text(v.value), between(v, as_text))


def lead(q, where):
    "The one number that a reader takes along"
    interval = between(q.top1, percent)
    said = f"accuracy on {where}: {q.hits:,} / {q.n:,}, 95% CI {interval}"
    return paragraph(percent(q.top1.value), "big") + paragraph(said, "of")


def of_few_classes(q):
    "What fewer classes mean for the numbers"
    if not q.absent:
        return []
    here = len(q.classes) - len(q.absent)
    all_classes = plural(len(q.classes), "class", "classes")
    return [f"There are images of {here:,} of the model's {all_classes} only; all of them were allowed as predictions. "
            f"{plural(q.astray, 'image')} predicted as a class without images here. "
            f"Macro F1 is the mean over the {here:,}; no images of: {listed(q.absent)}"]


def listed(names, most=8):
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(shorten, names[:most])) + more


# -- mistakes

def quality_sections(q, images, numbers, see=no_picture, heat=no_picture):
    """heading -> HTML of all that a Quality shows.

    `numbers`: as metrics.json has them; `see(name)`, `heat(name)`: the data URIs of an image and of its heat map, or
    None.
    """
    return {"Confusion matrix": confusion(q), "Most frequent mistakes": confused_pairs(q, images, see),
            "Top losses": top_losses(images, see, heat),
            "Calibration (reliability diagram)": calibration(q, numbers), "Per-class results": classes(q)}


def confusion(q):
    "The matrix, and beside it the most frequent mistakes"
    matrix = wide(confusion_svg(q)) + paragraph(CELLS + left_out(q))
    found = confused(q)
    if not found:
        return matrix + paragraph("No mistakes.")
    of = {r.name: r.n for r in q.rows}
    rows = [[a, b, f"{n:,}", percent(n / of[a], 1)] for a, b, n in found]
    table = html_table(["True class", "Predicted class", "Count", "% of true class"], rows, left=(0, 1))
    return columns(matrix, table) if len(q.classes) <= NARROW else matrix + table


def top_losses(images, see, heat):
    "The images with the highest loss, and for mistakes where the evidence for the predicted class is"
    shown = [captioned(images, i, see, heat) for i in worst(images)]
    found = EMPTY.join(shown)
    said = f"{LOSSES} {HEAT}" if any(heat(str(images.names[i])) for i in worst(images)) else LOSSES
    return paragraph(said) + Html('<div class="photos">{}</div>').format(found)


def confused_pairs(q, images, see):
    "Images of the most frequent mistakes"
    found = confused(q)
    return groups(pair(a, b, images, see) for a, b, _ in found[:PAIRS]) if found else EMPTY


def pair(a, b, images, see):
    "The images of a confused pair with the highest losses"
    mine = [i for i in worst(images, None) if images.labels[i] == a and images.predicted[i] == b][:EACH]
    title = heading(f"{shorten(a, 40)} → {shorten(b, 40)}", 3)
    return title + photos(captioned(images, i, see) for i in mine)


def captioned(images, i, see, heat=no_picture):
    "An image, its true class, the predicted one, the confidence, the loss, and its file's name"
    name = str(images.names[i])
    true, predicted = shorten(images.labels[i], 40), shorten(images.predicted[i], 40)
    label = Html("true <b>{}</b>").format(true)
    correct = images.rank[i] == 0
    wrong = Html('predicted <span class="was">{}</span>').format(predicted)
    was = Html('<span class="right">correct</span>') if correct else wrong
    file = shorten(name.rpartition("/")[2], 30)
    seen = f"{name}: {true}, " + ("predicted correctly" if correct else f"predicted as {predicted}")
    said = [label, was, f"confidence {images.p[i]:.0%}", f"loss {images.loss[i]:.2f}", file]
    return photo(see(name), seen, said, heat(name))


# -- calibration and classes

def calibration(q, numbers):
    "`numbers`: as metrics.json has them"
    gap = number(100 * q.ece.value, 1)
    said = [f"On average the confidence is {gap} points away from the accuracy (expected calibration error, "
            f"{BINS} bins of equal width, 95% interval {between(q.ece, percent)}). Points below the diagonal: "
            "over-confident. The area of a point, and the bar below it, go by the images in its bin.",
            *at_temperature(numbers)]
    drawn = drawing(draw_reliability(q), reliability_words(q))
    return columns(figure(drawn), EMPTY.join(map(paragraph, said)))


def at_temperature(numbers):
    "What the fitted temperature makes of the probabilities; nothing where a run has none"
    if "ece_t" not in numbers:
        return []
    return [f"At temperature {numbers['temperature']:.3g}, which the validation images ask for and `predict` uses: "
            f"ECE {percent(numbers['ece_t'])}, cross-entropy {nats(numbers['loss_t'])}."]


def classes(q):
    "A row a class, the lowest F1 first; those without images last"
    head = ["class", "support", "predicted as", "correct", "recall [95%]", "precision [95%]", "F1 [95%]"]
    rows = by_f1(q)
    table = html_table(head, [class_cells(r) for r in rows], kinds=["some" if r.n else "none" for r in rows],
                       look="runs values")
    return table + folded("How the intervals are made", paragraph(q.how()))


def class_cells(r):
    values = [range_cell(v, short_percent) for v in (r.recall, r.precision, r.f1)]
    return [shorten(r.name, 60), f"{r.n:,}", f"{r.predicted:,}", f"{r.hits:,}", *values]


def by_f1(q): return sorted(q.rows, key=lambda r: (not r.n, 2 if none(r.f1.value) else r.f1.value, r.name))


def environment_facts(e):
    git = e.get("git") or {}
    changed = ", changed" if git.get("changed") else ""
    code = {"git": f"{git.get('revision', '')}{changed}"} if git else {}
    return folded("Environment", definitions({**e, **code}))

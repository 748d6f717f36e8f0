"""Pictures of a run as SVG: its epochs, how far its probabilities are to be trusted, what it takes for what."""
import numpy as np
from matplotlib.figure import Figure

from .errors import plural, shorten
from .page_html import text
from .plots import COLORS, GREY

BLUE, RED = COLORS[0], "#c62828"
MANY = 25      # classes whose cells have room for numbers
MOST = 150     # classes that are drawn: of more those with the most mistakes
LEVELS = 10    # of colour


def sized(width, height, left, bottom, right=.15, top=.12):
    "A figure with margins in inches: to measure them, as a Picture does, would take half of the time"
    fig = Figure(figsize=(width, height))
    fig.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, wspace=.25, hspace=.12)
    return fig


# -- epochs

def draw_curves(history):
    "Losses and, where there is a validation split, its accuracy; a line an epoch's numbers"
    has = [k for k in ("train_loss", "valid_loss", "accuracy") if any(r.get(k) is not None for r in history)]
    fig = sized(8.6 if "accuracy" in has else 4.8, 2.9, left=.75, bottom=.5)
    axs = fig.subplots(1, 1 + ("accuracy" in has), squeeze=False)[0]
    names = {"train_loss": ("training, as it was minimised", GREY), "valid_loss": ("validation, plain", BLUE)}
    for k in has[:2]:
        if k in names: draw_line(axs[0], history, k, 1, names[k][1], names[k][0])
    axs[0].set(ylabel="cross-entropy, nats", ylim=(0, None))
    axs[0].legend(frameon=False, fontsize=8)
    if "accuracy" in has:
        draw_line(axs[1], history, "accuracy", 100, BLUE)
        axs[1].set(ylabel="validation accuracy, %")
    for ax in axs:
        ax.set_xlabel("epoch"); ax.grid(alpha=.3)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return fig


def draw_line(ax, history, column, scale, color, label=None):
    y = [np.nan if r.get(column) is None else scale * r[column] for r in history]
    ax.plot([r["epoch"] for r in history], y, color=color, lw=1.6, marker="." if len(y) < 30 else "", label=label)


# -- calibration

def draw_reliability(q):
    "Above each bin's confidence its accuracy with Wilson's interval, below how many images the bins have"
    bins = [b for b in q.bins if b.n]
    x, y = np.array([b.confidence for b in bins]), np.array([b.accuracy for b in bins])
    fig = sized(4.6, 4.6, left=.7, bottom=.5, top=.35)
    ax, below = fig.subplots(2, sharex=True, height_ratios=[3.4, 1])
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="as sure as right")
    ax.errorbar(x, y[:, 0], [y[:, 0] - y[:, 1], y[:, 2] - y[:, 0]], fmt="o", ms=4.5, color=BLUE, ecolor=BLUE, elinewidth=1, capsize=2,
                label="accuracy, 95% interval")
    ax.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)  # above: points may be anywhere
    below.bar([(b.low + b.high) / 2 for b in q.bins], [b.n for b in q.bins], width=.9 / len(q.bins), color=GREY)
    below.set(xlabel="probability of the predicted class", ylabel="images")
    for o in (ax, below): o.grid(alpha=.3)
    return fig


# -- confusion

def confusion_svg(q):
    "A cell for each pair of a true class (row) and a predicted one (column): hits blue, mistakes red, by their share of the row's images"
    keep = shown_classes(q)
    counts, names = q.confusion[np.ix_(keep, keep)], [shorten(q.classes[i]) for i in keep]
    share = counts / np.maximum(q.confusion.sum(1)[keep], 1)[:, None]
    K, size = len(keep), min(34, max(9, 900 // len(keep)))
    font = min(11, size - 1)
    long = round(.62 * font * max(map(len, names))) + 8
    left, top = max(long, 24), (long if long > size else 18) + 18
    inside = [*paths(share, size), *grid(K, size), *labels(names, size, font, top, upright=long <= size)]
    if K <= MANY: inside += numbers(counts, share, size, font, names)
    w, h = left + K * size + 14, top + K * size + 6
    return (f'<svg role="img" aria-label="confusion matrix" width="{w}" height="{h}" viewBox="{-left} {-top} {w} {h}" font-size="{font}">'
            f"{''.join(inside)}</svg>")


def shown_classes(q):
    "Class numbers in their order; of very many those that take part in the most mistakes"
    if len(q.classes) <= MOST: return list(range(len(q.classes)))
    hits = q.confusion.diagonal()
    wrong = q.confusion.sum(0) + q.confusion.sum(1) - 2 * hits
    return sorted(np.argsort(-wrong, kind="stable")[:MOST].tolist())


def left_out(q):
    n = len(q.classes) - len(shown_classes(q))
    return f" {plural(n, 'class', 'classes')} with fewer mistakes left out." if n else ""


def paths(share, size):
    "All cells of a colour as one path; the root of the share, or mistakes could hardly be seen"
    level = np.ceil(LEVELS * np.sqrt(share)).astype(int)
    on = np.eye(len(share), dtype=bool)
    for color, mine in ((BLUE, on), (RED, ~on)):
        for l in range(1, LEVELS + 1):
            cells = "".join(f"M{j} {i}h1v1h-1z" for i, j in zip(*np.nonzero((level == l) & mine), strict=True))
            if cells: yield f'<path transform="scale({size})" fill="{color}" fill-opacity="{l / LEVELS:g}" d="{cells}"/>'


def grid(K, size):
    "Thin lines, and those of the diagonal's cells a little darker"
    step = 1 if K <= MANY else 5
    lines = "".join(f"M0 {i * size}h{K * size}M{i * size} 0v{K * size}" for i in range(0, K + 1, step))
    yield f'<path d="{lines}" stroke="#ccc" stroke-width=".6" fill="none"/>'


def labels(names, size, font, top, upright):
    "Of the rows on the left, of the columns above, `upright` where they are short"
    for i, name in enumerate(names):
        mid = (i + .5) * size
        yield f'<text x="-6" y="{mid + .35 * font:.1f}" text-anchor="end">{text(name)}</text>'
        turned = f'x="{mid:g}" y="-6" text-anchor="middle"' if upright else f'transform="translate({mid + .35 * font:.1f} -6) rotate(-90)"'
        yield f"<text {turned}>{text(name)}</text>"
    yield f'<g fill="#666" font-size="{max(font, 9)}"><text x="-6" y="-6" text-anchor="end">is</text><text y="{12 - top}">taken for</text></g>'


def numbers(counts, share, size, font, names):
    for i, j in zip(*np.nonzero(counts), strict=True):
        fill = "#fff" if share[i, j] > .3 else "#222"
        yield (f'<text x="{(j + .5) * size:g}" y="{(i + .5) * size + .35 * font:.1f}" text-anchor="middle" fill="{fill}">'
               f"<title>{text(names[i])} taken for {text(names[j])}</title>{counts[i, j]}</text>")



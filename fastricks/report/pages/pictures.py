"""Pictures of a run as SVG: its epochs, how far its probabilities are to be trusted, what it takes for what."""
import numpy as np
from matplotlib.figure import Figure

from ...core.errors import plural, shorten
from ..html import EMPTY, Html
from ..plots import COLORS, GREY

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
    names = {"train_loss": ("train loss (with tricks)", GREY), "valid_loss": ("validation loss (cross-entropy)", BLUE)}
    for k in has[:2]:
        if k in names:
            draw_line(axs[0], history, k, 1, names[k][1], names[k][0])
    axs[0].set(ylabel="loss (cross-entropy)", ylim=(0, None))
    axs[0].legend(frameon=False, fontsize=8)
    if "accuracy" in has:
        draw_line(axs[1], history, "accuracy", 100, BLUE)
        axs[1].set(ylabel="validation accuracy, %")
    for ax in axs:
        ax.set_xlabel("epoch")
        ax.grid(alpha=.3)
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
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="perfect calibration")
    reach = [y[:, 0] - y[:, 1], y[:, 2] - y[:, 0]]
    ax.errorbar(x, y[:, 0], reach, fmt="o", ms=4.5, color=BLUE, ecolor=BLUE, elinewidth=1, capsize=2,
                label="accuracy, 95% interval")
    ax.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    # above: points may be anywhere
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    below.bar([(b.low + b.high) / 2 for b in q.bins], [b.n for b in q.bins], width=.9 / len(q.bins), color=GREY)
    below.set(xlabel="confidence", ylabel="images")
    for o in (ax, below):
        o.grid(alpha=.3)
    return fig


# -- confusion

TRUE, PREDICTED = "True label", "Predicted label"  # the axes of a confusion matrix


def confusion_svg(q):
    """A cell for each pair of a true class (row) and a predicted one (column).

    Hits are blue, mistakes red, by their share of the row's images.
    """
    rows, cols = shown_classes(q)
    counts, names = q.confusion[np.ix_(rows, cols)], [shorten(c) for c in q.classes]
    row_names, col_names = [names[i] for i in rows], [names[i] for i in cols]
    share, own = counts / q.confusion.sum(1)[rows, None], np.equal.outer(rows, cols)
    size = min(34, max(9, 900 // len(cols)))
    font = min(11, size - 1)
    long = round(.62 * font * max(map(len, row_names + col_names))) + 8
    letter = .62 * max(font, 9)  # of the axes' names
    left, top = max(long, round(letter * len(TRUE)) + 10), (long if long > size else 18) + 18
    inside = [*colored_cells(share, own, size), grid_lines(share.shape, size), *left_labels(row_names, size, font),
              *top_labels(col_names, size, font, upright=long <= size), axis_names(font, top)]
    if len(cols) <= MANY:
        inside += cell_counts(counts, share, size, font, row_names, col_names)
    w, h = left + max(len(cols) * size + 14, round(letter * len(PREDICTED)) + 6), top + len(rows) * size + 6
    template = Html('<svg role="img" aria-label="confusion matrix" width="{w}" height="{h}" viewBox="{x} {y} {w} {h}" '
                    'font-size="{font}">{inside}</svg>')
    return template.format(w=w, h=h, x=-left, y=-top, font=font, inside=EMPTY.join(inside))


def shown_classes(q):
    """(rows, columns): classes that have images, and those or the predicted ones.

    Of very many those with the most mistakes.
    """
    n, predicted, hits = q.confusion.sum(1), q.confusion.sum(0), q.confusion.diagonal()
    order = np.argsort(-(n + predicted - 2 * hits), kind="stable")
    most = sorted(order[:MOST].tolist()) if len(order) > MOST else range(len(order))
    return [i for i in most if n[i]] or [int(n.argmax())], [i for i in most if n[i] or predicted[i]]


def left_out(q):
    n = len(q.classes) - MOST
    return f" {plural(n, 'class', 'classes')} with fewer mistakes left out." if n > 0 else ""


def colored_cells(share, own, size):
    "All cells of a colour as one path; the root of the share, or mistakes could hardly be seen"
    level = np.ceil(LEVELS * np.sqrt(share)).astype(int)
    for color, mine in ((BLUE, own), (RED, ~own)):
        for k in range(1, LEVELS + 1):
            cells = "".join(f"M{j} {i}h1v1h-1z" for i, j in zip(*np.nonzero((level == k) & mine), strict=True))
            if not cells:
                continue
            path = Html('<path transform="scale({})" fill="{}" fill-opacity="{:g}" d="{}"/>')
            yield path.format(size, color, k / LEVELS, cells)


def grid_lines(shape, size):
    "Thin lines between the cells, or of many between every five"
    h, w = (o * size for o in shape)
    step = size if shape[1] <= MANY else 5 * size
    across = [f"M0 {y}h{w}" for y in {*range(0, h, step), h}]
    down = [f"M{x} 0v{h}" for x in {*range(0, w, step), w}]
    return Html('<path d="{}" stroke="#ccc" stroke-width=".6" fill="none"/>').format("".join(across + down))


def axis_names(font, top):
    left, above = Html('<text x="-6" y="-6" text-anchor="end">{}</text>'), Html('<text y="{}">{}</text>')
    return Html('<g fill="#666" font-size="{}">{}{}</g>').format(max(font, 9), left.format(TRUE),
                                                                 above.format(12 - top, PREDICTED))


def left_labels(names, size, font):
    template = Html('<text x="-6" y="{:.1f}" text-anchor="end">{}</text>')
    for i, name in enumerate(names):
        yield template.format((i + .5) * size + .35 * font, name)


def top_labels(names, size, font, upright):
    flat = Html('<text x="{:g}" y="-6" text-anchor="middle">{}</text>')
    turned = Html('<text transform="translate({:.1f} -6) rotate(-90)">{}</text>')
    for i, name in enumerate(names):
        middle = (i + .5) * size
        yield flat.format(middle, name) if upright else turned.format(middle + .35 * font, name)


def cell_counts(counts, share, size, font, rows, cols):
    template = Html('<text x="{:g}" y="{:.1f}" text-anchor="middle" fill="{}"><title>{} → {}</title>{}</text>')
    for i, j in zip(*np.nonzero(counts), strict=True):
        fill = "#fff" if share[i, j] > .3 else "#222"
        yield template.format((j + .5) * size, (i + .5) * size + .35 * font, fill, rows[i], cols[j], counts[i, j])

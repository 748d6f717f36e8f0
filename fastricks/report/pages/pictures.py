"""Pictures of a run as SVG: learning curves, reliability diagram, confusion matrix."""
import numpy as np
from matplotlib.figure import Figure

from ...core.errors import plural, shorten
from ..html import EMPTY, Html, css_class
from ..palette import BLUE, GREY, ORANGE
from .quality import confused

MANY = 25      # classes whose cells have room for numbers
MOST = 150     # classes that are drawn: of more those with the most mistakes
LEVELS = 10    # of colour
SCALE = 80     # pixels of the confusion matrix's colour scale


def sized(width, height, left, bottom, right=.15, top=.12):
    "A figure with margins in inches: to measure them, as a Picture does, would take half of the time"
    fig = Figure(figsize=(width, height))
    fig.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, wspace=.25, hspace=.12)
    return fig


# -- epochs

LOSSES = {"train_loss": ("train loss (with tricks)", ORANGE, "--"),
          "valid_loss": ("validation loss (cross-entropy)", BLUE, "-")}


def draw_curves(history):
    "Losses and, where there is a validation split, its accuracy beside them, as one Figure; a line an epoch's numbers"
    both = known(history, "accuracy")
    fig = sized(8.6 if both else 4.8, 2.9, left=.75, bottom=.5)
    axs = fig.subplots(1, 1 + both, squeeze=False)[0]
    losses_into(axs[0], history)
    if both:
        accuracy_into(axs[1], history)
    return fig


def curve_figures(history):
    "The same as one Figure each: title -> Figure"
    drawn = {"loss": losses_into} | ({"accuracy": accuracy_into} if known(history, "accuracy") else {})
    found = {}
    for name, draw in drawn.items():
        found[name] = sized(4.8, 3.1, left=.75, bottom=.5)
        draw(found[name].subplots(), history)
    return found


def known(history, column): return any(row.get(column) is not None for row in history)


def losses_into(ax, history):
    for column, (label, color, line) in LOSSES.items():
        if known(history, column):
            draw_line(ax, history, column, 1, color, label, ls=line)
    ax.set(ylabel="loss (cross-entropy)", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)
    over_epochs(ax)


def accuracy_into(ax, history):
    draw_line(ax, history, "accuracy", 100, BLUE)
    ax.set(ylabel="validation accuracy, %")
    over_epochs(ax)


def over_epochs(ax):
    ax.set_xlabel("epoch")
    ax.grid(alpha=.3)
    ax.xaxis.get_major_locator().set_params(integer=True)


def curve_words(history, name):
    "What the curves show, as a sentence"
    columns, said = {"accuracy": ("validation accuracy", 100, "%")}, []
    if name == "loss":
        columns = {column: (label, 1, "") for column, (label, *_) in LOSSES.items()}
    for column, (label, scale, unit) in columns.items():
        values = [scale * row[column] for row in history if row.get(column) is not None]
        if values:
            said.append(f"{label} from {values[0]:.3g}{unit} to {values[-1]:.3g}{unit}")
    return f"Learning curves over {plural(len(history), 'epoch')}: {', '.join(said)}"


def draw_rates(epochs, rates):
    "Learning rates [n] at epochs [n], each of which lasts until the next"
    fig = sized(4.8, 3.1, left=.75, bottom=.5, top=.3)
    ax = fig.subplots()
    ax.plot(epochs, rates, color=BLUE, lw=1.6, drawstyle="steps-post")
    ax.set(ylabel="learning rate", ylim=(0, 1.05 * max(rates)))
    ax.ticklabel_format(axis="y", scilimits=(-2, 4))
    over_epochs(ax)
    return fig


def draw_line(ax, history, column, scale, color, label=None, ls="-"):
    y = [np.nan if r.get(column) is None else scale * r[column] for r in history]
    marker = "." if len(y) < 30 else ""
    ax.plot([r["epoch"] for r in history], y, color=color, ls=ls, lw=1.6, marker=marker, label=label)


# -- calibration

def draw_reliability(q):
    """Above each bin's confidence its accuracy with Wilson's interval, below how many images the bins have.

    The area of a bin's marker goes by its images, but for a least one that can be seen.
    """
    bins = [b for b in q.bins if b.n]
    x, y = np.array([b.confidence for b in bins]), np.array([b.accuracy for b in bins])
    fig = sized(4.8, 4.8, left=.7, bottom=.5, top=.35)
    ax, below = fig.subplots(2, sharex=True, height_ratios=[3.4, 1])
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="perfect calibration")
    reach = [y[:, 0] - y[:, 1], y[:, 2] - y[:, 0]]
    ax.errorbar(x, y[:, 0], reach, fmt="none", ecolor=BLUE, elinewidth=1, capsize=2)
    most = max(b.n for b in bins)
    ax.scatter(x, y[:, 0], [max(8., 90 * b.n / most) for b in bins], color=BLUE, zorder=3,
               label="accuracy, 95% interval")
    ax.set(xlim=(-.02, 1.02), ylim=(-.03, 1.04), ylabel="accuracy")
    # above: points may be anywhere
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    below.bar([(b.low + b.high) / 2 for b in q.bins], [b.n for b in q.bins], width=.9 / len(q.bins), color=GREY)
    below.set(xlabel="confidence", ylabel="images")
    for o in (ax, below):
        o.grid(alpha=.3)
    return fig


def reliability_words(q):
    "What the reliability diagram shows, as a sentence"
    bins = [b for b in q.bins if b.n]
    over = sum(b.accuracy.value < b.confidence for b in bins)
    what = f"Reliability diagram of {plural(q.n, 'image')} in {plural(len(bins), 'bin')}"
    return f"{what}: {over} over-confident (below the diagonal), {len(bins) - over} not"


# -- confusion

TRUE, PREDICTED = "True label", "Predicted label"  # the axes of a confusion matrix


def confusion_svg(q):
    """A cell for each pair of a true class (row) and a predicted one (column).

    Hits are blue, mistakes vermillion, by their share of the row's images; a scale below says which.
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
    inside.append(color_scale(len(rows) * size + 18))
    h += SCALE
    w = max(w, left + 290)
    template = Html('<svg role="img" aria-label="{seen}" width="{w}" height="{h}" viewBox="{x} {y} {w} {h}" '
                    'font-size="{font}">{inside}</svg>')
    return template.format(seen=confusion_words(q), w=w, h=h, x=-left, y=-top, font=font, inside=EMPTY.join(inside))


def confusion_words(q):
    "What the confusion matrix shows, as a sentence"
    most = confused(q, 3)
    said = ", ".join(f"{shorten(a)} as {shorten(b)} ({n})" for a, b, n in most)
    mistakes = f"most frequent mistakes: {said}" if most else "no mistakes"
    return f"Confusion matrix: {q.hits:,} of {plural(q.n, 'image')} on the diagonal; {mistakes}"


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
    for kind, mine in (("hit", own), ("miss", ~own)):
        for k in range(1, LEVELS + 1):
            cells = "".join(f"M{j} {i}h1v1h-1z" for i, j in zip(*np.nonzero((level == k) & mine), strict=True))
            if not cells:
                continue
            path = Html('<path transform="scale({})" class="{}" fill-opacity="{:g}" d="{}"/>')
            yield path.format(size, kind, k / LEVELS, cells)


def color_scale(y):
    "What share of a row's images each colour stands for"
    shown = (1, 2, 4, 6, 8, 10)
    said = Html('<text x="0" y="{}">share of the true class</text>').format(y)
    rows = [said]
    for row, kind, name in ((0, "hit", "correct"), (1, "miss", "wrong")):
        top = y + 8 + 16 * row
        swatch = Html('<rect class="{}" fill-opacity="{:g}" x="{}" y="{}" width="34" height="13"/>')
        rows += [swatch.format(kind, k / LEVELS, 34 * i, top) for i, k in enumerate(shown)]
        rows.append(Html('<text x="{}" y="{}">{}</text>').format(34 * len(shown) + 6, top + 11, name))
    label = Html('<text x="{}" y="{}" text-anchor="middle">{:.0%}</text>')
    rows += [label.format(34 * i + 17, y + 53, (k / LEVELS) ** 2) for i, k in enumerate(shown)]
    return Html('<g class="axis" font-size="10">{}</g>').format(EMPTY.join(rows))


def grid_lines(shape, size):
    "Thin lines between the cells, or of many between every five"
    h, w = (o * size for o in shape)
    step = size if shape[1] <= MANY else 5 * size
    across = [f"M0 {y}h{w}" for y in {*range(0, h, step), h}]
    down = [f"M{x} 0v{h}" for x in {*range(0, w, step), w}]
    return Html('<path d="{}" class="grid" stroke-width=".6" fill="none"/>').format("".join(across + down))


def axis_names(font, top):
    left, above = Html('<text x="-6" y="-6" text-anchor="end">{}</text>'), Html('<text y="{}">{}</text>')
    return Html('<g class="axis" font-size="{}">{}{}</g>').format(max(font, 9), left.format(TRUE),
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
    template = Html('<text x="{:g}" y="{:.1f}" text-anchor="middle"{}><title>{} → {}</title>{}</text>')
    for i, j in zip(*np.nonzero(counts), strict=True):
        look = css_class("over" if share[i, j] > .3 else "")
        yield template.format((j + .5) * size, (i + .5) * size + .35 * font, look, rows[i], cols[j], counts[i, j])

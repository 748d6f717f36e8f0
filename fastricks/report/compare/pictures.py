"""Pictures of a Comparison: Δ with both intervals, accuracy against training time, learning curves."""
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.words import fold_text, interval, none, number, signed
from ..palette import BLUE, GREEN, GREY, INK, LINES, ORANGE, SERIES, SKY_BLUE, VERMILLION
from ..plots import PLAIN_TEXT, Picture
from ..runs import SPLIT_WORD
from .ladder import AS_GOOD, FAILED, HELPS, HURTS, IDENTICAL, OPEN, SAME
from .outcome import Outcome
from .rows import ComparisonRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[Outcome], "Figure | None"]
Caption = str | Callable[[Outcome], str]
VERDICT_COLORS = {HELPS: GREEN, HURTS: VERMILLION, AS_GOOD: SKY_BLUE, SAME: BLUE, IDENTICAL: BLUE, FAILED: VERMILLION,
                  OPEN: GREY}
MANY_EPOCHS = 10
MARKS = {HELPS: "^", HURTS: "v", FAILED: "x"}  # which tell apart what colours alone would
# name -> (how it is drawn, what its caption says): all that reports, files and W&B show
COMPARISON_PICTURES: dict[str, tuple[Draw, Caption]] = {}


def comparison_picture(caption: Caption) -> Callable[[Draw], Draw]:
    """Add a function `draw_NAME` to the pictures of every comparison.

    It draws a Comparison as a Figure, or returns None where there is nothing to draw. `caption`: a text, in which
    {base}, {n}, {split}, {data} and {metric} stand for what was compared; or a function of the Comparison.
    """
    def added(draw: Draw) -> Draw:
        COMPARISON_PICTURES[draw.__name__.removeprefix("draw_")] = draw, caption
        return draw
    return added


def pictures(c: Outcome) -> "dict[str, Figure]":
    "name -> Figure of each comparison_picture that there is something to draw for: delta, time, curves"
    made = {name: draw(c) for name, (draw, _) in COMPARISON_PICTURES.items()}
    return {name: fig for name, fig in made.items() if fig}


def picture_caption(name: str, c: Outcome) -> str:
    caption = COMPARISON_PICTURES[name][1]
    if callable(caption):
        return caption(c)
    return caption.format(base=c.baseline.label, n=f"{c.n_images:,}", split=SPLIT_WORD[c.split], data=c.data_name,
                          metric=c.metric.title.capitalize())


def picture_words(name: str, c: Outcome) -> str:
    "What a picture shows, for those who can't see it: its caption, and each row with its number"
    rows = "; ".join(row_words(c, row) for row in c.rows)
    return f"{picture_caption(name, c)} {rows}"


def row_words(c: Outcome, row: ComparisonRow) -> str:
    value = f"{number(row.summary.mean, c.metric.digits)} {c.metric.unit}"
    gain = f", {signed(row.diff.delta, c.metric.digits)}" if row.diff else ""
    return f"{row.label} {value}{gain}"


def line_styles(c: Outcome) -> dict[str, dict[str, str]]:
    "row label -> colour and line, the same in all pictures; the baseline is black"
    n = len(SERIES)
    return {r.label: dict(color=INK if r.baseline else SERIES[(i - 1) % n], ls=LINES[(i - 1) // n % 4] if i else "-")
            for i, r in enumerate(c.rows)}


# -- Δ with its intervals

@comparison_picture("What each recipe gains or loses against {base}, on {n} {split} images of {data}; n: the seeds "
                    "that the difference rests on.")
def draw_delta(c: Outcome) -> "Figure | None":
    "A row each: Δ to the baseline, its interval over seeds (thick), over seeds and images (thin); ±margin is shaded"
    if len(c.rows) == 1:
        return None
    rows, m = [r for r in c.rows[1:] if r.diff], c.metric
    if not rows:
        return None
    fig = Picture(9., 1.5 + .42 * len(rows))
    ax = fig.subplots()
    reach = axis_limit([farthest(r) for r in rows], c.margin)
    ax.axvspan(-c.margin, c.margin, color=BLUE, alpha=.08, lw=0)
    ax.axvline(0, color=INK, lw=1)
    for y, r in enumerate(rows):
        draw_row(ax, y, r, reach)
    ax.set(ylim=(len(rows) - .4, -.6), xlim=(-reach, reach))
    ax.set_xlabel(f"Δ {m.title} to {c.baseline.label}, {m.points}")
    places = range(len(rows))
    names = [f"{fold_text(r.label, 32)}  (n={r.diff.n})" for r in rows]
    ax.set_yticks(places, names, fontsize=8, **PLAIN_TEXT)
    right = ax.secondary_yaxis("right")
    gains = [beside(r, m.digits) for r in rows]
    right.set_yticks(places, gains, fontsize=8, **PLAIN_TEXT)
    for o in (ax, right):
        o.tick_params(axis="y", length=0)
    for spine in (*ax.spines.values(), *right.spines.values()):
        spine.set_visible(spine is ax.spines["bottom"])
    intervals = f"95% intervals: thick over seeds, thin over seeds and {SPLIT_WORD[c.split]} images"
    ax.set_title(f"{intervals}; shaded: ±{c.margin:g} {m.points}", fontsize=8, loc="left")
    return fig


def farthest(r: ComparisonRow) -> float:
    return max(abs(x) for x in (r.diff.delta, r.diff.low, r.diff.high) if not none(x))


def axis_limit(reaches: list[float], margin: float) -> float:
    "Half of the axis: all intervals, but one that is far wider than most is cut"
    return 1.08 * max(2 * margin, min(max(reaches), 4 * float(np.median(reaches))))


def draw_row(ax: "Axes", y: int, r: ComparisonRow, reach: float) -> None:
    d, color, mark = r.diff, VERDICT_COLORS[r.verdict], MARKS.get(r.verdict, "o")
    if none(d.low):
        ax.plot(d.delta, y, "o", mfc="white", mec=color, ms=6)
        return
    thin, thick = (d.low, d.high), (d.seeds_low, d.seeds_high)
    for (low, high), width in ((thin, 1.2), (thick, 3.6)):
        if none(low):
            continue
        ax.plot([max(low, -reach), min(high, reach)], [y, y], color=color, lw=width, solid_capstyle="butt")
        for x, arrow in ((low, "<"), (high, ">")):
            if abs(x) > reach:
                ax.plot(np.sign(x) * reach * .985, y, arrow, color=color, ms=6)
    ax.plot(d.delta, y, mark, color=color, ms=7)


def beside(r: ComparisonRow, k: int) -> str:
    d = r.diff
    known = "" if none(d.low) else interval(d.low, d.high, k)
    return f"{signed(d.delta, k)} {known}  {short_verdict(r)}"


def short_verdict(r: ComparisonRow) -> str:
    return r.words if r.verdict == AS_GOOD else r.words.split(":")[0].split(",")[0].split(" (")[0]


# -- accuracy against time

@comparison_picture("{metric} against training time, n seeds each. Marked is the Pareto front: no other recipe is both "
                    "better and faster.")
def draw_time(c: Outcome) -> "Figure | None":
    "A point a recipe: mean training time, mean of the metric ± sd; the Pareto front is marked"
    m, look = c.metric, line_styles(c)
    fig = Picture(9., 4.2)
    ax = fig.subplots()
    unit, unit_name = (60, "minutes") if max(r.seconds for r in c.rows) > 180 else (1, "seconds")
    x, y = np.array([r.seconds / unit for r in c.rows]), np.array([r.summary.mean for r in c.rows])
    draw_front(ax, x, y, m.sign)
    good = [r.verdict == AS_GOOD for r in c.rows]
    if any(good):
        color = VERDICT_COLORS[AS_GOOD]
        ax.plot(x[good], y[good], "D", ms=13, mfc="none", mec=color, mew=1.6, label=AS_GOOD)
    for r, a, b in zip(c.rows, x, y, strict=True):
        sd = None if none(r.summary.sd) else r.summary.sd
        marker = "s" if r.baseline else "o"
        name = f"{fold_text(r.label, 34)}  (n={r.summary.n})"
        ax.errorbar(a, b, sd, fmt=marker, color=look[r.label]["color"], ms=6, capsize=2, lw=1, label=name)
    ax.set(xlabel=f"training time, {unit_name} (mean)", ylabel=f"{m.title}, {m.unit} (mean ± sd)")
    ax.margins(.08)
    name_rows(fig, ax)
    return fig


def draw_front(ax: "Axes", x: np.ndarray, y: np.ndarray, sign: int) -> None:
    "The Pareto front of times x and metrics y, as steps and rings; `sign`: -1 where less is better"
    best = front(x, sign * y)
    steps = "steps-post" if sign > 0 else "steps-pre"
    ax.plot(x[best], y[best], drawstyle=steps, color=ORANGE, lw=1.2, zorder=1)
    ax.plot(x[best], y[best], "o", ms=13, mfc="none", mec=ORANGE, mew=1.6, label="on the Pareto front")


def front(cost: np.ndarray, gain: np.ndarray) -> list[int]:
    "Indices, by cost, of the points that no other beats in one and equals in the other"
    best, found = -np.inf, []
    for i in sorted(range(len(cost)), key=lambda i: (cost[i], -gain[i])):
        if not gain[i] > best:
            continue
        best = gain[i]
        found.append(i)
    return found


def name_rows(fig: "Figure", ax: "Axes") -> None:
    ax.grid(alpha=.3)
    legend = fig.legend(*ax.get_legend_handles_labels(), loc="outside right upper", fontsize=8, frameon=False)
    for t in legend.get_texts():
        t.set(**PLAIN_TEXT)


# -- learning curves

def curves_caption(c: Outcome) -> str:
    said = "Learning curves: mean over n seeds, band from the lowest to the highest seed."
    if curve_of(c)[0] != "train_loss":
        return said
    return (f"{said} There is no validation split, so it is the training loss: what each recipe minimises, whose "
            "levels do not compare where tricks change the loss.")


@comparison_picture(curves_caption)
def draw_curves(c: Outcome) -> "Figure | None":
    """A line a recipe: the mean over its seeds of each epoch, with a band from the lowest to the highest seed.

    None without a history.
    """
    column, title, scale = curve_of(c)
    curves = {r.label: x for r in c.rows if (x := history_values(r, column)) is not None}
    if not curves:
        return None
    fig, look = Picture(9., 4.2), line_styles(c)
    half = late_half(curves.values())
    axs = fig.subplots(1, 2 if half else 1, squeeze=False)[0]
    for ax, first in zip(axs, (1, half), strict=False):
        for name, x in curves.items():
            draw_seeds(ax, x, first, scale, look[name], f"{fold_text(name, 34)}  (n={len(x)})")
        ax.set(xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=.3)
    axs[0].set_ylabel(title)
    if half:
        axs[1].set_title(f"from epoch {half} on, enlarged", fontsize=8)
    name_rows(fig, axs[0])
    return fig


def draw_seeds(ax: "Axes", x: np.ndarray, first: int, scale: int, look: dict[str, Any], label: str) -> None:
    "The mean of [seeds, epochs] from an epoch on (1 is the first), and a band from the lowest to the highest seed"
    x = scale * x[:, first - 1:]
    if not x.shape[1]:
        return
    epoch = np.arange(first, first + x.shape[1])
    mean, low, high = (over_seeds(x, 0) for over_seeds in (np.nanmean, np.nanmin, np.nanmax))
    ax.plot(epoch, mean, lw=1.5, label=label, marker="." if len(epoch) < 3 else "", **look)
    ax.fill_between(epoch, low, high, alpha=.15, lw=0, color=look["color"])


def late_half(curves: Iterable[np.ndarray]) -> int:
    "The epoch from which a second panel enlarges the curves, as an early one would hide what comes later; 0 for none"
    epochs = max(x.shape[1] for x in curves)
    return epochs // 2 + 1 if epochs >= MANY_EPOCHS else 0


def curve_of(c: Outcome) -> tuple[str, str, int]:
    "(column of the history, its title, scale): of the validation split; without one, the loss that was minimised"
    found = "accuracy", "validation accuracy, %", 100
    if c.metric.sign < 0:
        found = "valid_loss", "validation cross-entropy, nats", 1
    if all(history_values(r, found[0]) is not None for r in c.rows if not r.runs[0].soup):
        return found
    return "train_loss", "training loss, as each recipe minimises it", 1


def history_values(row: ComparisonRow, column: str) -> np.ndarray | None:
    "[seeds, epochs] of a column; nan after a run's last epoch; None where a run has it not"
    try:
        got = [[e[column] for e in r.history] for r in row.runs]
    except (OSError, KeyError, ValueError):
        return None
    if not all(got) or any(v is None for g in got for v in g):
        return None
    return np.array(list(zip_longest(*got, fillvalue=np.nan)), float).T

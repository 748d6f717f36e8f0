"""A gain against the length of training: each number of epochs is a comparison of its own."""
from fastricks.report.compare.table import table_columns
from fastricks.report.palette import INK, LINES, SERIES
from fastricks.report.plots import Picture

HEADS = ["epochs", "recipe", "n", "top-1 % ± sd", "gain in points, 95% interval", "verdict"]


def by_length(tables):
    "(heads, rows) of a table; `tables`: epochs -> Comparison"
    return HEADS, [line for n, c in tables.items() for line in lines_of(n, c)]


def lines_of(n, c):
    shown = {o.name: o for o in table_columns(c)}
    names = "n", "value", "delta", "verdict"
    return [[str(n), row.label, *(shown[name].cell(row) for name in names)] for row in c.rows]


def draw_by_length(tables):
    "A line a row, with its 95% intervals, over the epochs on a scale of powers of two"
    fig = Picture(7., 3.6)
    ax = fig.subplots()
    ax.axhline(0, color=INK, lw=1)
    names = [row.label for row in next(iter(tables.values())).rows[1:]]
    for k, name in enumerate(names):
        found = [(n, row) for n, c in tables.items() for row in c.rows[1:] if row.label == name]
        draw_line(ax, found, k, name)
    ax.set_xscale("log", base=2)
    ax.set_xticks([*tables], [f"{n}" for n in tables])
    ax.minorticks_off()
    ax.set(xlabel="epochs", ylabel="gain over the same epochs\nwithout it, points", ylim=limits(tables))
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("95% intervals of seeds and test images; a cross: too few seeds for a verdict", fontsize=8, loc="left")
    return fig


def draw_line(ax, found, k, name):
    x = [n * 1.03 ** (2 * k - 1) for n, _ in found]  # side by side, where they would hide each other
    y = [row.diff.delta for _, row in found]
    ax.plot(x, y, color=SERIES[k], ls=LINES[k], lw=1, label=name)
    for at, (_, row) in zip(x, found, strict=True):
        enough = row.diff.n >= 5
        ax.plot(at, row.diff.delta, "o" if enough else "x", color=SERIES[k], ms=5)
        if enough:
            ax.plot((at, at), (row.diff.low, row.diff.high), color=SERIES[k], lw=2)


def limits(tables):
    "Of what has an interval that is drawn, and of every mean"
    rows = [row for c in tables.values() for row in c.rows[1:]]
    ends = [e for r in rows for e in ((r.diff.low, r.diff.high) if r.diff.n >= 5 else (r.diff.delta,) * 2)]
    return min(ends) - .2, max(ends) + .2

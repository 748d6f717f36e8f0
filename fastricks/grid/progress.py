"""A grid's progress as one table in the terminal: a row a recipe, a column a seed."""
import time
from contextlib import contextmanager
from statistics import mean

from ..core.words import duration

MOST_SEEDS = 8  # seeds that have a column each; more are counted
WAITS, RUNS = "·", "▸"


@contextmanager
def live_table(grid):
    "A table on a terminal while the grid's cells are trained, and at the end; True where there is one"
    from rich.console import Console
    console = Console()
    if not console.is_terminal:
        yield False
        return
    from rich.live import Live
    with Live(get_renderable=lambda: progress_table(grid.rows, grid.seeds, grid.cells, grid.left_text), console=console,
              refresh_per_second=2):
        yield True


def progress_table(rows, seeds, cells, left=""):
    "A rich Table of what has become of each cell"
    from rich.table import Table
    from rich.text import Text
    each = len(seeds) <= MOST_SEEDS
    t = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", caption=caption(cells) + left,
              caption_justify="left")
    t.add_column("row", overflow="fold")
    for head in [*(f"seed {s}" for s in seeds)] if each else ["finished", "mean", "now"]:
        t.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        own = {c.seed: c for c in cells if c.row is row}
        t.add_row(Text(row.name), *(word_of_cell(own[s]) for s in seeds) if each else counts([*own.values()]))
    return t


def word_of_cell(cell):
    "`52.95%`, `failed`, `▸ 45 s` while it runs, `·` while it waits"
    if cell.ok:
        return f"{top1(cell):.2%}"
    if cell.state == "failed":
        return "[red]failed[/]"
    return f"[yellow]{RUNS} {duration(time.monotonic() - cell.since)}[/]" if cell.since else f"[dim]{WAITS}[/]"


def counts(cells):
    done, now = [c for c in cells if c.ok], [c for c in cells if c.state == "todo" and c.since]
    failed = sum(c.state == "failed" for c in cells)
    return (f"{len(done)} of {len(cells)}" + (f", [red]{failed} failed[/]" if failed else ""),
            f"{mean(map(top1, done)):.2%}" if done else WAITS,
            f"[yellow]{RUNS} {len(now)}[/]" if now else "")


def top1(cell):
    if cell.top1 is None:
        cell.top1 = cell.metrics["top1"]
    return cell.top1


def caption(cells):
    "`7 of 12 finished, 2 running`"
    done, now = sum(c.ok for c in cells), sum(bool(c.since) and c.state == "todo" for c in cells)
    return f"{done} of {len(cells)} finished" + (f", {now} running" if now else "")

"""`ablate --until settled`: rung after rung, the open rows and the baseline alone, until all are settled or the budget
is spent.
"""
from dataclasses import dataclass
from math import prod

from ..core.errors import plural
from ..report.compare.stats import OPEN, RUNGS
from .ablate import planned_rows
from .grid import Grid
from .verdicts import comparison_of, next_free, recorded_family


def until_settled(mode, given, base, texts, seeds, budget=None, on_look=lambda c: None, **how):
    """(Grid, Comparison) of an ablation that climbs the ladder; rows as `make_rows` takes them, `how` goes to the Grid.

    Seeds are the given ones, in their order, then the first others. Each rung is announced with what it costs and the
    chance that it settles a row; `on_look(comparison)` is told what it found. Rows that are called are trained no
    further.
    """
    rows, seconds, how = planned_rows(mode, given, base, texts, budget, **how)
    seeds = (list(seeds) + next_free(seeds, RUNGS[-1], ()))[:RUNGS[-1]]
    grid = Grid(rows, seeds, **how)
    every, found = grid.cells, None
    for k, rung in enumerate(RUNGS):
        open_rows = names_open(found) if found else {row.name for row in grid.rows}
        at(grid, every, seeds[:rung], open_rows | {grid.rows[0].name})
        if k == 0:
            begin_climb(grid, mode)
        else:
            grid.say(announcement(grid, found, k, rung))
        grid.carry_out(seconds)
        spent = any(cell.state == "todo" for cell in grid.cells)
        at(grid, every, seeds[:rung])
        found = look_at_grid(grid)
        if found is None:
            break
        on_look(found.comparison)
        if spent or not names_open(found):
            break
    return grid, found and found.comparison


def at(grid, every, seeds, names=None):
    "Let the grid be of these seeds, and of the rows of these names (default: all)"
    grid.seeds = seeds
    grid.cells = [c for c in every if c.seed in seeds and (names is None or c.row.name in names)]


def begin_climb(grid, mode):
    for line in grid.describe(mode):
        grid.say(line)
    recorded_family(grid, mode, grid.judging)


@dataclass(frozen=True)
class LookResult:
    "What a look found, and which of the grid's rows each run is of"
    comparison: object
    names: dict   # run folder -> name of its row in the grid


def look_at_grid(grid):
    "The LookResult of all runs so far; None where the first row has none"
    c = comparison_of(grid, grid.judging)
    return c and LookResult(c, {str(cell.run_folder): cell.row.name for cell in grid.cells if cell.ok})


def names_open(found):
    "Names in the grid of the rows that are open"
    return {found.names[str(row.runs[0].folder)] for row in found.comparison.rows[1:] if row.verdict == OPEN}


def announcement(grid, found, k, rung):
    """`rung 2 of 5, 8 seeds: 4 open rows, about 40 min for 15 runs (2.7 min each, …); 81 in 100 that it settles one of
    them or more`
    """
    chances = [row.chance for row in found.comparison.rows[1:] if row.verdict == OPEN and row.chance == row.chance]
    chance = (f"; {100 * (1 - prod(1 - x for x in chances)):.0f} in 100 that it settles one of them or more" if chances
              else "")
    rows = plural(len(names_open(found)), "open row")
    cost = grid.cost() if grid.todo else "all runs of it are there"
    return f"rung {k + 1} of {len(RUNGS)}, {rung} seeds: {rows}, {cost}{chance}"

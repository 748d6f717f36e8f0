"""`ablate` and `train --seeds`: rows, tuned or not, times seeds, carried out."""
from dataclasses import replace

from ..core.errors import UserError
from ..recipe.recipe import FIND
from .grid import Grid
from .plan import GridRow, make_rows, parse_budget
from .tune import tuned_rows
from .verdicts import Judging, recorded_family


def ablate(mode, given, base, texts, seeds=range(5), budget=None, dry=False, **how):
    """Plan an ablation, print the plan and (unless `dry`) carry it out: a Grid with its cells.

    `mode`, `given`, `base`, `texts`: its rows, as `make_rows` takes them; `seeds`: which; `budget` as text (2h, 90m).
    `how` goes to the Grid: `jobs` at once, `say`, `on` (`ray` or `ray:ADDRESS`), `judging` (a Judging), `have` (files
    of stored runs). Finished runs are found by recipe and never trained twice. The family of its rows is recorded under
    --out. `tune` (a Tuning): each row gets the best of some values first.
    """
    rows, seconds, how = planned_rows(mode, given, base, texts, budget, dry=dry, **how)
    grid = Grid(rows, list(seeds), dry=dry, **how)
    for line in grid.describe(mode):
        grid.say(line)
    if dry:
        return grid
    recorded_family(grid, mode, grid.judging)
    return grid.carry_out(seconds)


def planned_rows(mode, given, base, texts, budget=None, tune=None, dry=False, **how):
    "(rows, seconds of the budget that are left, `how` for their Grid): tuned, where that is asked for"
    seconds = parse_budget(budget) if budget else None
    if tune is None:
        return make_rows(mode, given, base, texts), seconds, how
    rows, seconds = tuned_rows(tune, make_rows_at(tune, mode, given, base, texts), seconds, dry, **how)
    return rows, seconds, {**how, "judging": replace(how.get("judging", Judging()), tuned=str(tune))}


def make_rows_at(tune, mode, given, base, texts):
    "value -> the rows with it"
    if tune.field == "lr" and given.get("lr") == FIND:
        raise UserError("--tune lr=… and --lr find choose the same: leave one out")
    return {value: make_rows(mode, {**given, tune.field: value}, base, texts) for value in tune.values}


def train_seeds(recipe, seeds, say=print):
    "Train a recipe with each seed; run k is the run of that seed alone, bit for bit"
    row = GridRow(" + ".join(recipe.tricks) or "baseline", recipe)
    grid = Grid([row], list(seeds), say=say)
    for line in grid.describe():
        say(line)
    return grid.carry_out()

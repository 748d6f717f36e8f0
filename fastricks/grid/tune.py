"""`ablate --tune lr=1e-4/3e-4/1e-3`: each row, the baseline too, gets its own best of the same few values before it is
compared.

A trick that wants another learning rate is otherwise judged at the baseline's. Every row and value is trained once,
with a seed that the table has not, and the best is chosen on the validation split: each row costs the same.
"""
import time
from dataclasses import replace
from pathlib import Path

from ..core.errors import UserError, plural
from ..core.words import number
from .grid import Grid
from .plan import GridRow

TUNING_FOLDER = "tuning"  # under --out: these runs are rows of no table
TUNING_SEED = 1000


def tuned_rows(tuning, at, budget=None, dry=False, **how):
    """(the rows with the best value of each, seconds of `budget` that are left); `at`: value -> all rows with it.

    The best is the one of the least cross-entropy at the fitted temperature on the validation split. A value whose
    training fails is out; raises UserError where all of a row's do, and without a validation split. `how` goes to the
    Grid.
    """
    start, first = time.monotonic(), at[tuning.values[0]]
    if first[0].recipe.valid == 0:
        raise UserError("--tune chooses by a validation split: give --valid above 0")
    how.get("say", print)(f"tune {tuning}: {plural(len(first), 'row')} × {plural(len(at), 'value')}, once each with "
                          f"seed {TUNING_SEED}")
    if dry:
        return first, budget
    named = [[candidate(at[v][k], tuning) for v in at] for k in range(len(first))]
    grid = Grid([o for some in named for o in some], [TUNING_SEED], **how).carry_out(budget)
    scores = {c.row.name: score_of(c) for c in grid.cells}
    rows = [at[best_of([scores.get(o.name) for o in named[k]], tuning, row.name, grid.say)][k]
            for k, row in enumerate(first)]
    return rows, budget and max(0., budget - (time.monotonic() - start))


def candidate(row, tuning):
    "The row with its value in its name, to be trained apart"
    name = f"{row.name}, {tuning.field} {getattr(row.recipe, tuning.field):g}"
    return GridRow(name, replace(row.recipe, out=str(Path(row.recipe.out) / TUNING_FOLDER)))


def best_of(scores, tuning, name, say):
    "The value of the least score"
    if all(s is None for s in scores):
        raise UserError(f"row {name!r}: no value of --tune could be trained")
    best = min((s, k) for k, s in enumerate(scores) if s is not None)[1]
    said = ", ".join(f"{v:g}: {number(s, 4)}" for v, s in zip(tuning.values, scores, strict=True))
    say(f"tune {name}: {tuning.field} {tuning.values[best]:g} (validation cross-entropy {said})")
    return tuning.values[best]


def score_of(cell):
    "A run's cross-entropy at the fitted temperature on the validation split; None where it is not finished"
    if not cell.ok:
        return None
    numbers = cell.metrics if cell.metrics["split"] == "valid" else cell.metrics["valid"]
    return numbers.get("loss_t", numbers["loss"])

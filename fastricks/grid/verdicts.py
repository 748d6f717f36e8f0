"""What a grid's runs say: its family, which is recorded before it is looked at, and its Comparison."""
from dataclasses import dataclass

from ..core.errors import plural
from ..data.source import fingerprint
from ..report.compare.comparison import compare
from ..report.compare.families import Family, families_beside, record_family, row_key
from ..report.compare.power import smallest_effect
from ..report.compare.stats import ALPHA, RUNGS, SPEND
from ..report.find import load_runs
from ..report.runs import diverged_run

# points × √images: what paired differences vary by, before any run (fine-tuning; from scratch: 1.5 to 3 ×)
SD_TUNED, SD_SCRATCH = 35., 70.


@dataclass(frozen=True)
class Judging:
    "How verdicts are asked for"
    margin: float = .5
    once: bool = False
    plain: bool = False
    as_good_in: float = 1.
    metric: str = "top1"
    tuned: str = ""  # a Tuning as text: each row has its own best value


def family_keys(rows, cells, source):
    "Row name -> what its runs are known by in a family"
    first = {c.row.name: c for c in reversed(cells)}
    data = fingerprint(source)
    return {row.name: row_key(first[row.name].recipe, first[row.name].facts, data) for row in rows}


def recorded_family(grid, mode, judging):
    """The Family that a grid's verdicts are counted over, recorded under --out.

    One that has all of these rows already is it: fewer rows do not make a smaller family of what was tried together.
    """
    keys = family_keys(grid.rows, grid.cells, grid.source)
    base, *rows = [keys[row.name] for row in grid.rows]
    old = [f for f in families_beside([f"{grid.recipe.out}/run"])
           if (f.baseline, f.metric, f.tuned) == (base, judging.metric, judging.tuned)]
    whole = next((f for f in old if f.once == judging.once and set(rows) <= f.rows.keys()), None)
    if whole:
        if len(whole.rows) > len(rows):
            grid.say(f"these rows are {len(rows)} of a family of {len(whole.rows)}: verdicts count all of it")
        return whole
    grown = next((f for f in old if f.rows.keys() < set(rows)), None)
    if grown:
        grid.say(f"the family of {plural(len(grown.rows), 'row')} that was looked at since {grown.date} has grown to "
                 f"{len(rows)}: verdicts are made anew over all of them, and earlier ones may be lost")
    names = {keys[row.name]: row.name for row in grid.rows[1:]}
    family = Family(base, names, mode or "add", judging.margin, judging.metric, judging.once, tuned=judging.tuned)
    return record_family(grid.recipe.out, family)


def comparison_of(grid, judging, by=None):
    "The Comparison of a grid's finished runs; None where the first row has none"
    base = grid.finished_of(grid.rows[0])
    if not base:
        return None
    runs = [*(load_runs(grid.folders) if grid.folders else ()), *grid.stored]
    diverged = [run for c in grid.cells if c.failed_folder and (run := diverged_run(c.failed_folder))]
    return compare(runs, baseline=str(base[0].run_folder), margin=judging.margin, metric=judging.metric, by=by,
                   diverged=diverged, once=judging.once, plain=judging.plain, as_good_in=judging.as_good_in)


# -- what the plan can see

def sight(grid, judging):
    """`sees 1.1 points or more in 8 of 10 such tables (5 seeds, 8 rows, 5,250 test images); smaller effects will mostly
    stay open`
    """
    n, rows, split = len(grid.seeds), len(grid.rows) - 1, grid.source.eval_split
    images = len(grid.source.final(split))
    if rows < 1:
        return ""
    look = n if judging.once else max((r for r in RUNGS if r <= n), default=None)
    if look is None or look < 3:
        return f"sees nothing yet: verdicts come with {3 if judging.once else RUNGS[0]} seeds"
    alpha = ALPHA if judging.once else SPEND[RUNGS.index(look)]
    sd = (SD_SCRATCH if grid.recipe.from_scratch else SD_TUNED) / images ** .5
    least = smallest_effect(look, rows, alpha, judging.plain) * sd
    word = "test" if split == "test" else "validation"
    what = f"{plural(look, 'seed')}, {plural(rows, 'row')}, {images:,} {word} images"
    return f"sees {least:.1f} points or more in 8 of 10 such tables ({what}); smaller effects will mostly stay open"


def next_free(seeds, count, used):
    "The first `count` seeds that are in neither"
    taken, found, seed = {*seeds, *used}, [], 0
    while len(found) < count:
        if seed not in taken:
            found.append(seed)
        seed += 1
    return found

"""`fastricks.ablate`: an ablation as one call from Python, with its comparison."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.calls import P, R, require_count
from ..core.errors import UserError
from ..core.words import silent
from ..recipe.given import given_of, text_of, texts_of, with_fields
from ..recipe.recipe import Recipe, options
from ..trick.range import Range
from .plan import parse_seeds, parse_tuning

if TYPE_CHECKING:
    from ..report.compare.comparison import Comparison
    from .grid import Grid
    from .verdicts import Judging


class Ablation:
    """A baseline and its rows, trained with several seeds.

    grid: the plan with its cells; `folders`: of the finished runs; `failed`: label -> why, of those that failed;
    `comparison`: what the runs say, which is also what a notebook shows.
    """
    def __init__(self, grid: "Grid") -> None: self.grid = grid

    @property
    def folders(self) -> list[Path]: return self.grid.folders

    @property
    def failed(self) -> dict[str, str]: return {c.label: c.reason for c in self.grid.cells if c.state == "failed"}

    @cached_property
    def comparison(self) -> "Comparison":
        "Raises UserError while no run of the first row is finished"
        from .verdicts import comparison_of
        found = comparison_of(self.grid, self.grid.judging)
        if not found:
            raise UserError("no run of the first row is finished: there is nothing to compare with")
        return found

    def __repr__(self) -> str:
        return repr(self.comparison) if self.grid.finished_of(self.grid.rows[0]) else "\n".join(self.grid.describe())

    def _repr_html_(self) -> str | None:
        return self.comparison._repr_html_() if self.grid.finished_of(self.grid.rows[0]) else None


@dataclass(frozen=True)
class AblationOptions:
    "The arguments of `ablate` beside its data, rows and the options of their recipe"
    # add: each row alone on the baseline; drop: all but each; stack: one after the other; all: together
    mode: str = "add"
    jobs: int = 1                 # trainings at once
    have: Any = ()                # JSON files of stored runs that count as finished
    tune: str | None = None       # as "lr=1e-4/3e-4/1e-3": each row gets its own best, chosen on the validation split
    budget: str | None = None     # as "2h": time budget: no seed is begun that would exceed it
    margin: float = .5            # the difference that matters, in points
    once: bool = False            # one look at 5% over all seeds, instead of looks at 5, 8, 12, 16 and 24
    explain: bool = False         # plan only
    quiet: bool = False           # say nothing


def with_ablation_options(fn: Callable[P, R]) -> Callable[P, R]:
    return with_fields(fn, [*fields(AblationOptions), *options()])


@with_ablation_options
def ablate(data: str | PathLike[str] | None = None, tricks: Any = (), *, seeds: Any = 5, recipe: object = None,
           **options: Any) -> Ablation:
    """Train a baseline and rows of tricks with several seeds; the Ablation that comes back shows which of them pay.

    `data`: digits, food-101-21, a folder or a CSV; `tricks`: a list, a row each, as ["cosine", "warmup+cosine",
    "mixup:alpha=.4"]; `seeds`: a number or a list of them; `recipe`: what all rows stand on; `mode`: add, drop, stack
    or all; `have`: JSON files of stored runs that count as finished; `tune`: "lr=1e-4/3e-4/1e-3", of which each row
    gets its own best; `jobs`: trainings at once; `budget`: "2h"; `margin`: the difference that matters, in points;
    `once`: one look, for those who will never add seeds; `explain`: plan only; `quiet`: say nothing. The options of
    `fastricks train` are arguments. Finished runs are found and never trained twice. Raises UserError.

        ft.ablate("PHOTOS", ["cosine", "mixup"], seeds=5).comparison
    """
    own = {f.name: options.pop(f.name) for f in fields(AblationOptions) if f.name in options}
    asked = AblationOptions(**own)
    require_count("ablate: jobs=", asked.jobs)
    base = recipe if recipe is None or isinstance(recipe, Recipe) else text_of("recipe", recipe)
    from .ablate import ablate as ablate_rows
    rows = asked.mode, row_options(data, options), base, texts_of(tricks), seeds_of(seeds)
    grid = ablate_rows(
        *rows,
        asked.budget,
        asked.explain,
        jobs=asked.jobs,
        say=silent if asked.quiet else print,
        judging=judging_of(asked),
        have=files_of(asked.have),
        tune=parse_tuning(asked.tune) if asked.tune else None)
    return Ablation(grid)


def files_of(have: Any) -> tuple[str, ...]:
    "One file, or several"
    return tuple(map(str, [have] if isinstance(have, str | PathLike) else have or ()))


def judging_of(asked: AblationOptions) -> "Judging":
    from .verdicts import Judging
    Range(above=0).require("ablate: margin=", asked.margin)
    return Judging(margin=asked.margin, once=asked.once)


def row_options(data: object, asked: dict[str, Any]) -> dict[str, Any]:
    "The recipe's options of all rows"
    if asked.get("seed") is not None:
        raise UserError("ablate trains every row with the same seeds=: leave seed out")
    if asked.get("name") is not None:
        raise UserError("name is for one run, and ablate makes many: choose their folder with out=")
    return given_of({**({} if data is None else {"data": data}), **asked})


def seeds_of(seeds: Any) -> list[int]:
    "Seeds as a number of them, as --seeds has them, or one by one"
    if isinstance(seeds, str | int) and not isinstance(seeds, bool):
        return parse_seeds(seeds)
    if not isinstance(seeds, Iterable):
        raise UserError(f"seeds={seeds!r} is no number, list or range: as in 5, [0, 1, 2] or '0-4'")
    return parse_seeds(",".join(map(str, seeds)))

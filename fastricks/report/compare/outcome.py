"""What a comparison found, as plain data."""
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..runs import FinishedRun, Metric
from .effects import Pool
from .ladder import ALPHA, RUNGS, SPEND
from .rows import ComparisonRow, choose_baseline
from .sums import Together

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Looked:
    "How the verdicts came about"
    once: bool                # one look at all seeds, or the ladder
    rung: int | None          # the highest that a row was looked at; None: too few seeds
    family: int               # rows that a false verdict is counted over
    shown: int                # rows of it that are here
    # the effect that 8 of 10 such tables show at that look, in the metric's points; nan: not known
    sees: float
    pool: Pool                # how variances were steadied, or why not
    name: str = ""            # of the recorded family
    tuned: str = ""           # what each row has its own best of, on the validation split
    next: int | None = None   # the rung above all seeds that open rows have

    @property
    def alpha(self) -> float: return ALPHA if self.once else SPEND[RUNGS.index(self.rung)] if self.rung else SPEND[0]


@dataclass(frozen=True, repr=False)
class Outcome:
    "What a comparison of recipes with a baseline found: all that tables, pictures and words are made of"
    rows: tuple[ComparisonRow, ...]   # the baseline's is the first
    metric: Metric
    split: str                        # whose numbers they are: test or valid
    margin: float
    notes: tuple[str, ...]            # lines: what was left out, what to beware of
    looked: Looked                    # how the verdicts came about
    together: tuple[Together, ...] = ()  # rows of several tricks against the sum of their parts

    @property
    def baseline(self) -> ComparisonRow: return self.rows[0]
    @property
    def runs(self) -> list[FinishedRun]: return [r for row in self.rows for r in row.runs]
    @property
    def n_images(self) -> int: return self.baseline.runs[0].numbers(self.split)["n"]
    @property
    def warnings(self) -> list[str]:
        return [n.removeprefix("warning: ") for n in self.notes if n.startswith("warning: ")]
    @property
    def data_name(self) -> str: return self.baseline.runs[0].data["name"]

    def row(self, name: str) -> ComparisonRow: return choose_baseline(self.rows, name)

    def records(self) -> list[dict[str, Any]]:
        "A flat dict a row; every one says what its numbers are of"
        about = {
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "split": self.split,
            "n_images": self.n_images,
            "data": self.data_name,
            "baseline": self.baseline.label,
            "margin": self.margin,
            "look": "once" if self.looked.once else "ladder",
            "rung": self.looked.rung,
            "family": self.looked.family,
            "warning": "; ".join(self.warnings) or None,
        }
        return [{**row.record(), **without_keys(about, row.varies)} for row in self.rows]

    def frame(self) -> "pd.DataFrame":
        "A pandas DataFrame, a row a recipe"
        import pandas as pd
        return pd.DataFrame(self.records())


def without_keys(d: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {k: v for k, v in d.items() if k not in keys}

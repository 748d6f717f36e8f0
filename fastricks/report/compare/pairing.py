"""Which seeds of a row are set against which of its baseline: pairs where there are enough, else all of both.

A pair is of one seed, one machine and one set of versions: another machine rounds otherwise, and its luck is another.
"""
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import plural
from ..runs import FinishedRun, Images, Metric, device
from .effects import FEWEST_SEEDS
from .ladder import SeenRow
from .samples import Floats, Sample, moments
from .times import TimeRatio, time_ratio

if TYPE_CHECKING:
    from .rows import ComparisonRow

Runs = Sequence[FinishedRun]
VERSIONS_COMPARED = "fastricks", "torch", "torchvision", "fastai", "timm", "numpy"


def setting_of(run: FinishedRun) -> tuple[str, tuple[str | None, ...]]:
    "What a pair must share: (machine, versions)"
    return device(run), tuple(run.environment.get(name) for name in VERSIONS_COMPARED)


@dataclass(frozen=True)
class Arms:
    "Runs of a row and of its baseline: of the same seeds in one order if they are paired"
    row: tuple[FinishedRun, ...]
    base: tuple[FinishedRun, ...]
    paired: bool
    failed: tuple[int, ...] = ()  # seeds of the row that diverged

    @property
    def timed(self) -> bool: return self.paired or len({device(r) for r in (*self.row, *self.base)}) == 1

    def first(self, n: int | None) -> "tuple[tuple[FinishedRun, ...], tuple[FinishedRun, ...], int] | None":
        """(runs of the row, of the baseline, diverged seeds) that lie among the first n seeds; None where there are
        fewer
        """
        seeds = sorted({*(r.seed for r in self.row), *self.failed})
        if n is None:
            return self.row, self.base, len(self.failed)
        if min(len(seeds), len(self.base) + len(self.failed) * self.paired) < n:
            return None
        mine = {*seeds[:n]}
        row = tuple(r for r in self.row if r.seed in mine)
        base = self.base[:len(row)] if self.paired else self.base[:n]
        return row, base, len(mine & {*self.failed})


def arms_of(row: "ComparisonRow", base: "ComparisonRow", failed: Sequence[int] = ()) -> Arms:
    "The Arms of two rows: paired where at least 3 seeds, and half of the smaller arm, are in both"
    key = lambda r: (r.seed, setting_of(r))
    mates = {key(r): r for r in base.runs}
    pairs = [(r, mates[key(r)]) for r in row.runs if key(r) in mates]
    smaller = min(len(row.runs), len(base.runs))
    enough = max(1, min(FEWEST_SEEDS, smaller))
    if len(pairs) >= enough and 2 * len(pairs) >= smaller:
        of_row, of_base = (tuple(x) for x in zip(*pairs, strict=True))
        return Arms(of_row, of_base, True, tuple(failed))
    return Arms(tuple(row.runs), tuple(base.runs), False, tuple(failed))


class Samples:
    "What there is of rows at any number of seeds, with each run's values read once"
    def __init__(self, arms: Mapping[str, Arms], metric: Metric, split: str, images: bool) -> None:
        self.arms, self.metric, self.split, self.images = arms, metric, split, images
        self.per_image: dict[Path, Floats | None] = {}

    def seen(self, name: str, n: int | None = None) -> SeenRow | None:
        "The SeenRow of a row's first n seeds, or of all; None where it has fewer, or is not here"
        if name not in self.arms:
            return None
        own = self.arms[name]
        found = own.first(n)
        if found is None:
            return None
        row, base, failed = found
        if not row:
            return None if not failed else SeenRow(None, None, failed)
        return SeenRow(moments(self.sample(row, base, own.paired)), self.time(row, base, own), failed)

    def sample(self, row: Runs, base: Runs, paired: bool) -> Sample:
        both = row, base
        of_row, of_base = (np.array([r.value(self.metric, self.split) for r in runs]) for runs in both)
        of_images = self.images and self.metric.of_images
        if not of_images or any(self.values(r) is None for runs in both for r in runs):
            return Sample(of_row, of_base, paired=paired)
        images_of_row, images_of_base = (np.array([self.values(r) for r in runs]) for runs in both)
        return Sample(of_row, of_base, images_of_row, images_of_base, paired)

    def values(self, run: FinishedRun) -> Floats | None:
        "[I] of a run"
        if run.folder not in self.per_image:
            self.per_image[run.folder] = metric_values(run.images(self.split), self.metric)
        return self.per_image[run.folder]

    def time(self, row: Runs, base: Runs, own: Arms) -> TimeRatio:
        if not own.timed:
            return TimeRatio(float("nan"))
        return time_ratio([r.seconds for r in row], [r.seconds for r in base], own.paired)


def metric_values(images: Images | None, metric: Metric) -> Floats | None:
    "[I] of a metric that is a mean over images; None where a run has no line of it for each"
    if images is None or not images.knows(metric.name):
        return None
    return images.of(metric)


# -- what to say of it

def pair_notes(row: "ComparisonRow", base: "ComparisonRow", arms: Arms) -> Iterator[str]:
    "Lines on seeds that do not pair, with what would make them"
    mine, theirs = ({r.seed for r in o.runs} for o in (row, base))
    have = f"it has {len(row.runs)}, the baseline {len(base.runs)}"
    if arms.paired and len(arms.row) == len(row.runs) == len(base.runs):
        return
    if arms.paired:
        yield f"{row.label}: the gain is over the {plural(len(arms.row), 'seed')} in common ({have})"
        return
    if of_other_settings(row, base):
        yield f"{row.label}: its runs and the baseline's are of other machines or versions, so that they do not pair"
        return
    common = plural(len(mine & theirs), "seed")
    yield f"{row.label}: {common} in common, too few to pair ({have}): compared unpaired"
    if missing := sorted(mine - theirs):
        yield f"{row.label}: `{command_of_seeds(base.runs[0], missing)}` would make pairs"


def of_other_settings(row: "ComparisonRow", base: "ComparisonRow") -> bool:
    "Is there a seed in both that does not pair?"
    theirs = {r.seed: setting_of(r) for r in base.runs}
    return any(r.seed in theirs and theirs[r.seed] != setting_of(r) for r in row.runs)


def command_of_seeds(run: FinishedRun, seeds: Iterable[int]) -> str:
    return f"fastricks train --recipe {shlex.quote(str(run.folder))} --seeds {','.join(map(str, seeds))}"

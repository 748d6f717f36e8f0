"""Verdicts and intervals from plain arrays, no run folder needed: `fastricks.stats`.

    import fastricks as ft
    effect = ft.stats.paired(hits_row, hits_base)                 # one row, arrays [seeds, images]
    effects = ft.stats.moderated({"mixup": hits, …}, hits_base)   # a family: steadied variances, Holm's p
    verdicts = ft.stats.ladder({"mixup": hits, …}, hits_base)     # verdicts at 5, 8, 12, 16, 24 seeds

Axis 0 is the seeds in one order for all. Values are per image: hits (0 or 1) come out in points of accuracy, all else
in its own unit, and more is better (give minus a loss). What the numbers rest on stands in `effects.py` and
`ladder.py`.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.errors import UserError
from .arrays import check_images, checked_seconds, family, finite_seeds, two_axes
from .effects import ALPHA, FEWEST_SEEDS, LEVEL, NO_POOL, Effect, effect_of, effects_of
from .holm import holm
from .ladder import (
    AS_GOOD,
    FAILED,
    HELPS,
    HURTS,
    IDENTICAL,
    OPEN,
    RUNGS,
    SAME,
    SPEND,
    Call,
    RowLook,
    SeenRow,
    Terms,
    chances_to_settle,
    climb_ladder,
    look_once,
    next_rung,
)
from .power import power, smallest_effect
from .samples import NAN, TINY, Floats, Sample, image_sample, moments, unit_of
from .times import TimeRatio, time_ratio

__all__ = ["ALPHA", "AS_GOOD", "FAILED", "FEWEST_SEEDS", "HELPS", "HURTS", "IDENTICAL", "LEVEL", "OPEN", "RUNGS",
           "SAME", "SPEND", "Effect", "Summary", "TimeRatio", "Verdict", "chances_to_settle", "holm", "ladder",
           "moderated", "next_rung", "once", "paired", "power", "smallest_effect", "summary", "time_ratio", "unpaired"]


@dataclass(frozen=True)
class Summary:
    "A recipe's values over its seeds; the interval is nan where n = 1 or all values are equal"
    n: int
    mean: float
    sd: float    # n − 1 in the denominator
    low: float   # of the 95% t-interval of the mean
    high: float
    min: float
    max: float


def summary(values: ArrayLike) -> Summary:
    "The Summary of values [n]"
    from scipy.special import stdtrit
    x = np.asarray(values, float)
    n, mean = len(x), float(x.mean())
    sd, half = float(x.std(ddof=1)) if n > 1 else NAN, NAN
    if n > 1 and np.ptp(x) > TINY:
        quantile = float(stdtrit(n - 1, (1 + LEVEL) / 2))
        half = quantile * sd / n ** .5
    return Summary(n, mean, sd, mean - half, mean + half, float(x.min()), float(x.max()))


# -- one row, or a family of them

def paired(hits_row: ArrayLike, hits_base: ArrayLike) -> Effect:
    """The Effect of arrays [n, I], seed k of the one paired with seed k of the other: a plain t over seeds, and images
    in p and interval
    """
    row, base = two_axes("the row", hits_row), two_axes("the baseline", hits_base)
    if row.shape != base.shape:
        raise UserError(f"pairs need equal shapes, not {row.shape} and {base.shape}: see `unpaired`")
    return effect_of(moments(image_sample(row, base, unit_of(row, base))), NO_POOL)


def unpaired(hits_row: ArrayLike, hits_base: ArrayLike) -> Effect:
    """The Effect of arrays [n, I] and [m, I] of unrelated seeds, three an arm at least: df is min(n, m) − 1, for uneven
    arms may vary unevenly
    """
    row, base = two_axes("the row", hits_row), two_axes("the baseline", hits_base)
    check_images("the row", row, base)
    return effect_of(moments(image_sample(row, base, unit_of(row, base), False)), NO_POOL)


def moderated(rows: Mapping[str, ArrayLike], base: ArrayLike) -> dict[str, Effect]:
    """name -> Effect of a family of rows, arrays [n, I], against a baseline [m, I]: variances steadied by the images'
    luck, Holm's p.

    A row of n seeds is paired with the baseline's first n. Where the images' luck explains too little of the seeds'
    spread (mean R > 5), and of rows with fewer than 3 seeds or fewer than 30 differing (image, seed) pairs, it is plain
    t (`Effect.steadied` says which).
    """
    arrays, b = family(rows, base)
    scale = unit_of(*arrays.values(), b)
    return effects_of({name: moments(pairs_of(a, b, scale)) for name, a in arrays.items()})


def pairs_of(row: Floats, base: Floats, scale: float) -> Sample:
    n = min(len(row), len(base))
    return image_sample(row[:n], base[:n], scale)


# -- verdicts

@dataclass(frozen=True)
class Verdict:
    "What a row is called, at which rung, and its effect over all of its seeds"
    # helps, hurts, as good, in less time, no difference that matters, the same model, failed, open
    verdict: str
    rung: int | None      # seeds at which it was called or last looked at; None: there were too few
    effect: Effect        # over all seeds: the interval is its own 95%
    p: float              # at that rung
    p_holm: float
    p_good: float         # of "as good, in less time", adjusted
    time: TimeRatio | None = None
    failed: int = 0       # seeds that diverged

    @property
    def delta(self) -> float: return self.effect.delta
    @property
    def interval(self) -> tuple[float, float]: return self.effect.low, self.effect.high
    @property
    def low(self) -> float: return self.effect.low
    @property
    def high(self) -> float: return self.effect.high


def ladder(rows: Mapping[str, ArrayLike], base: ArrayLike, margin: float = .5, rungs: Sequence[int] = RUNGS,
           spend: Sequence[float] = SPEND, seconds: Mapping[str, ArrayLike] | None = None) -> dict[str, Verdict]:
    """name -> Verdict of a family of rows, arrays [n, I] in the order of seeds, against a baseline [m, I].

    At each rung its first seeds are looked at, with the rung's part of the 5%; rows that have fewer stay in Holm's
    count. A seed whose values are nan has diverged. `seconds`: name -> training times [n] of rows, and of the baseline
    under the name `baseline`: with them a row can be as good, in less time.
    """
    if len(rungs) != len(spend):
        raise UserError(f"{len(rungs)} rungs but {len(spend)} parts to spend: give one for each")
    arrays, b = family(rows, base)
    look = look_of(arrays, b, seconds)
    return verdicts(arrays, look, climb_ladder([*arrays], look, Terms(margin), rungs, spend))


def once(rows: Mapping[str, ArrayLike], base: ArrayLike, margin: float = .5,
         seconds: Mapping[str, ArrayLike] | None = None) -> dict[str, Verdict]:
    "name -> Verdict of one look at 5% over all seeds, three at least; for those who will never add any"
    arrays, b = family(rows, base)
    look = look_of(arrays, b, seconds)
    return verdicts(arrays, look, look_once([*arrays], look, Terms(margin)))


def verdicts(arrays: Mapping[str, Floats], look: RowLook, calls: Mapping[str, Call]) -> dict[str, Verdict]:
    "Calls beside the effects of all seeds"
    seen = {name: s for name in arrays if (s := look(name, None))}
    effects = effects_of({name: s.moments for name, s in seen.items() if s.moments}, count=len(arrays))

    def verdict(name: str, c: Call) -> Verdict:
        s = seen[name]
        return Verdict(c.verdict, c.rung, effects[name], c.p, c.p_holm, c.p_good, s.time, s.failed)
    return {name: verdict(name, c) for name, c in calls.items()}


def look_of(arrays: Mapping[str, Floats], base: Floats, seconds: Mapping[str, ArrayLike] | None) -> RowLook:
    "What is seen of a row's first n seeds"
    times = checked_seconds(arrays, seconds)
    scale = unit_of(*(a[finite_seeds(a)] for a in arrays.values()), base[finite_seeds(base)])

    def look(name: str, n: int | None) -> SeenRow | None:
        row = arrays[name]
        most = min(len(row), len(base))
        if n is not None and most < n:
            return None
        cut = slice(n or most)
        own, other = row[cut], base[cut]
        good = finite_seeds(own) & finite_seeds(other)
        sample = image_sample(own[good], other[good], scale)
        if not good.any():
            unknown = np.full((1, row.shape[1]), np.nan)
            sample = image_sample(unknown, unknown)
        time = time_ratio(times[name][cut], times["baseline"][cut]) if name in times else None
        diverged = int((~finite_seeds(own)).sum())
        return SeenRow(moments(sample), time, diverged)
    return look

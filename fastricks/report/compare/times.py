"""Ratios of training times, and whether a row is surely faster."""
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .effects import LEVEL, upper_tail
from .samples import NAN, Sample, spread_of


@dataclass(frozen=True)
class TimeRatio:
    "A row's training time over its baseline's: of geometric means, with its 95% interval by a t on logs"
    ratio: float
    low: float = NAN
    high: float = NAN
    se: float = NAN    # of the log; 0 where all pairs have one ratio
    df: int = 0

    def p_below(self, bound: float = 1.) -> float:
        "One-sided p of ratio ≥ bound; nan for one seed"
        distance = float(np.log(bound / self.ratio))
        if self.df < 1:
            return NAN
        if self.se == 0:
            return float(distance <= 0)
        return upper_tail(self.df, distance / self.se)


def time_ratio(row: ArrayLike, base: ArrayLike, paired: bool = True) -> TimeRatio:
    "The TimeRatio of positive seconds [n] and [m]; paired: of the same seeds in one order"
    from scipy.special import stdtrit
    a, b = (np.log(np.asarray(x, float)) for x in (row, base))
    s = Sample(a, b, paired=paired)
    log, df = float(a.mean() - b.mean()), s.seeds - 1
    se = spread_of(s) ** .5
    if df < 1:
        return TimeRatio(float(np.exp(log)))
    half = float(stdtrit(df, (1 + LEVEL) / 2)) * se
    ratio, low, high = (float(np.exp(log + x)) for x in (0., -half, half))
    return TimeRatio(ratio, low, high, se, df)

"""What a plan can see, and what the next rung may settle: powers of t-tests by quadrature.

scipy's noncentral t is nan at scattered places; the integral over the variance's own distribution is smooth everywhere.
"""
from functools import lru_cache

import numpy as np

from .effects import PRIOR_DF
from .samples import Floats

POWER = .8
NODES = 400  # of Gauss-Legendre over the quantiles of the variance: the powers of any use here are right to 6 digits


@lru_cache
def spread_nodes(df: float) -> tuple[Floats, Floats]:
    "(sd / its expectation's root at NODES quantiles, their weights) of a variance with df degrees of freedom"
    from scipy.special import gammaincinv
    x, w = np.polynomial.legendre.leggauss(NODES)
    return np.sqrt(2 * gammaincinv(df / 2, (x + 1) / 2) / df), w / 2


def power(effect: float, n: int, df: float, alpha: float) -> float:
    """Of a two-sided t-test at `alpha` with n pairs, `effect` in sds of their differences, its variance known with df
    degrees of freedom
    """
    from scipy.special import ndtr, stdtrit
    sd, weights = spread_nodes(df)
    shift, bar = effect * n ** .5, float(stdtrit(df, 1 - alpha / 2))
    return float(weights @ (ndtr(shift - bar * sd) + ndtr(-shift - bar * sd)))


@lru_cache
def smallest_effect(n: int, rows: int, alpha: float, plain: bool = False) -> float:
    """k(n, m): the effect, in sds of paired differences, that n seeds see in 8 of 10 tables of so many rows at the
    first Holm step.

    `alpha` is what the look may spend. df is n − 1, and what a steadied variance adds to it unless `plain`.
    """
    from scipy.optimize import brentq
    df = n - 1 + (0 if plain else min(PRIOR_DF, rows))
    high = 1.
    while power(high, n, df, alpha / rows) < POWER:
        high *= 2
    return float(brentq(lambda k: power(k, n, df, alpha / rows) - POWER, 0., high))

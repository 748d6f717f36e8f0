"""Many comparisons at once: Holm's step-down adjustment (1979)."""
import numpy as np
from numpy.typing import ArrayLike

from .samples import Floats


def holm(p: ArrayLike, count: int | None = None) -> Floats:
    """Adjusted p-values of p [m], each at most 1.

    nan (no test) stays nan and does not count. `count`: how many hypotheses there are, those without a p-value here
    included; at least as many as have one.
    """
    p = np.asarray(p, float)
    out = np.full(p.shape, np.nan)
    real = np.flatnonzero(~np.isnan(p))
    order = real[np.argsort(p[real], kind="stable")]
    factors = max(count or 0, len(real)) - np.arange(len(real))
    largest = 0.
    for i, adjusted in zip(order, p[order] * factors, strict=True):
        largest = max(largest, adjusted)  # no smaller than those of smaller p-values
        out[i] = min(1., largest)
    return out

"""How far predictions of a row and its baseline agree, image by image."""
from collections.abc import Iterable
from itertools import product

import numpy as np

from .samples import NAN


def agreement(a: np.ndarray, b: np.ndarray, same_seeds: bool = True) -> float:
    """Share of images for which a [n, I] and b [m, I], predicted classes, are the same: mean over the pairs of seeds,
    or over all pairs
    """
    return float(np.mean([(x == y).mean() for x, y in pairs_of_seeds(a, b, same_seeds)]))


def own_agreement(a: np.ndarray) -> float:
    "The same over the pairs of different seeds of a [n, I]; nan for one seed"
    return float(np.mean([(x == y).mean() for i, x in enumerate(a) for y in a[i + 1:]])) if len(a) > 1 else NAN


def gained_lost(a: np.ndarray, b: np.ndarray, same_seeds: bool = True) -> tuple[float, float]:
    """(gained, lost): how many images only a, only b gets right; hits [n, I] and [m, I], means as in `agreement`.
    McNemar's two counts
    """
    pairs = [*pairs_of_seeds(a, b, same_seeds)]
    gained = [(x & ~y).sum() for x, y in pairs]
    lost = [(y & ~x).sum() for x, y in pairs]
    return float(np.mean(gained)), float(np.mean(lost))


def pairs_of_seeds(a: np.ndarray, b: np.ndarray, same_seeds: bool) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    return zip(a, b, strict=True) if same_seeds else product(a, b)

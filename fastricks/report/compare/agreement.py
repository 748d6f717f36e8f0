"""How far predictions of a row and its baseline agree, image by image."""
from itertools import product
from typing import Any

import numpy as np

from .samples import NAN


def agreement(a: Any, b: Any, same_seeds: bool = True) -> Any:
    "Share of images for which a [n, I] and b [m, I], predicted classes, are the same: mean over the pairs of seeds, or over all pairs"
    return float(np.mean([(x == y).mean() for x, y in pairs(a, b, same_seeds)]))


def own_agreement(a: Any) -> Any:
    "The same over the pairs of different seeds of a [n, I]; nan for one seed"
    return float(np.mean([(x == y).mean() for i, x in enumerate(a) for y in a[i + 1:]])) if len(a) > 1 else NAN


def gained_lost(a: Any, b: Any, same_seeds: bool = True) -> Any:
    "(gained, lost): how many images only a, only b gets right; hits [n, I] and [m, I], means as in `agreement`. McNemar's two counts"
    gained, lost = zip(*(((x & ~y).sum(), (y & ~x).sum()) for x, y in pairs(a, b, same_seeds)), strict=True)
    return float(np.mean(gained)), float(np.mean(lost))


def pairs(a: Any, b: Any, same_seeds: Any) -> Any: return zip(a, b, strict=True) if same_seeds else product(a, b)

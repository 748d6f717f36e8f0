from dataclasses import dataclass, replace
from math import cos, pi

from fastricks.trick.base import Trick, key

MOMS = .95, .85, .95  # fit_one_cycle's own


@dataclass(frozen=True)
class OneCycle(Trick):
    "The learning rate rises and falls along cosines, and momentum mirrors it: fastai's fit_one_cycle."
    pct_start: float = key(.25, "share of the run that rises", above=0, below=1)
    div: float = key(25., "it starts from l / div", above=1)
    div_final: float = key(1e5, "it ends at l / div_final", above=1)

    source = "Smith and Topin, arXiv 1708.07120; fastai's fit_one_cycle. Not in arXiv 1812.01187"
    formula = "l/div → l → l/div_final by half cosines, momentum .95 → .85 → .95 (Adam's β₁)"
    slot = "schedule"
    conflicts = {"warmup": "one_cycle has its own warm-up phase, set by pct_start"}

    def schedule(self, sched, plan):
        lr = cosines(self.pct_start, sched.lr / self.div, sched.lr, sched.lr / self.div_final)
        mom = cosines(self.pct_start, *MOMS)
        return replace(sched, main=lambda s, sc: lr(s / sc.total), mom=lambda s, sc: mom(s / sc.total))


def cosines(share, start, middle, end):
    """Share of the run -> a value that goes from `start` to `middle` and on to `end` by half cosines: fastai's
    `combined_cos` to the last bit, whose import takes seconds where nothing is trained. It counts shares in float32.
    """
    import numpy as np
    turn, whole = np.cumsum(np.float32([share, 1 - share]), dtype=np.float64).astype(np.float32)

    def value(pos):
        pos = np.float32(pos)
        if pos < turn:
            return half_cosine(start, middle, float(pos / turn))
        return half_cosine(middle, end, float((pos - turn) / (whole - turn)))
    return value


def half_cosine(a, b, pos): return a + (1 + cos(pi * (1 - pos))) * (b - a) / 2

from dataclasses import dataclass, replace
from math import cos, pi

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Cosine(Trick):
    "The learning rate falls along half a cosine to 0."
    hold: float = key(0., "how long to stay at l first: a fraction of the run if < 1, else epochs", least=0)

    source = "arXiv 1812.01187 §5.1, eq. 3; hold: DLology's hold_base_rate_steps"
    formula = "l_t = ½ (1 + cos(π t / T)) · l over the T steps that follow warm-up and hold"
    slot = "schedule"

    def schedule(self, sched, plan): return replace(sched, main=cosine_lr, hold=sched.steps(self.hold))


def cosine_lr(s, sched):
    "½ (1 + cos(π t / T)) · l with t counted from the end of warm-up and hold"
    t, T = s - sched.warm - sched.hold, sched.total - sched.warm - sched.hold
    return .5 * (1 + cos(pi * max(t, 0) / T)) * sched.lr

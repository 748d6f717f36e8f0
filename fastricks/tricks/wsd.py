from dataclasses import dataclass, replace
from math import sqrt

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Wsd(Trick):
    "The learning rate stays at l until a cooldown to 0 at the end: warm-up, stable, decay."
    cooldown: float = key(.2, "how long the end is: a fraction of the run if < 1, else epochs", above=0)
    shape: str = key("linear", "of the cooldown: linear, or sqrt, which is 1−√", choices=("linear", "sqrt"))

    source = "Hägele et al., arXiv 2405.18392, eq. 1 and 2"
    formula = "l until the last C steps, then l·(1 − t/C), or with shape=sqrt l·(1 − √(t/C)), t = 0 … C−1"
    slot = "schedule"
    after = ("warmup",)
    ends_apart = True

    def schedule(self, sched, plan):
        n = sched.steps(self.cooldown)
        if n < 2:
            raise UserError(f"wsd:cooldown={self.cooldown:g} is {n} of the run's {sched.total} steps, and the rate "
                            "would never fall: give more")
        if sched.warm + n > sched.total:
            raise UserError(
                f"wsd: a warm-up of {sched.warm} steps and a cooldown of {n} do not fit into the run's {sched.total}: "
                "give less of one, or more --epochs")
        return replace(sched, main=self.lr, stable=sched.total - n)

    def lr(self, s, sched):
        n = sched.steps(self.cooldown)
        t = max(s - (sched.total - n), 0) / n
        return sched.lr * (1 - (t if self.shape == "linear" else sqrt(t)))

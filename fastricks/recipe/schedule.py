"""The learning rate as a pure function of the optimizer step."""
from dataclasses import dataclass
from typing import Self

from ..core.errors import UserError
from ..trick.types import Rate


@dataclass(frozen=True)
class Schedule:
    """`schedule(s)` is the learning rate of step s = 0 … total−1, on every parameter group.

    A main schedule sets `main`, warm-up sets `warm` and `warmup`; neither needs to know the other.
    """
    # l, the learning rate that warm-up ends at and the main schedule starts from
    lr: float
    epochs: int
    per_epoch: int                           # optimizer steps an epoch
    main: Rate = lambda s, sched: sched.lr
    warmup: Rate | None = None               # for the first `warm` steps
    warm: int = 0                            # steps of warm-up
    hold: int = 0                            # steps at l between warm-up and the main schedule
    mom: Rate | None = None                  # momentum, where the schedule moves it too
    # steps whose rates a longer run has too, but for what warm-up makes of its length
    stable: int = 0

    @property
    def total(self) -> int: return self.epochs * self.per_epoch

    def steps(self, x: float) -> int:
        "Steps in `x`: a fraction of the run if < 1, else epochs"
        return round(x * (self.total if x < 1 else self.per_epoch))

    def check(self) -> Self:
        if self.warm + self.hold >= self.total:
            raise UserError(f"warm-up and hold take {self.warm + self.hold} of the run's {self.total} steps and leave "
                            "nothing for the main schedule: give fewer epochs of them, or more --epochs")
        return self

    def __call__(self, s: int) -> float:
        if self.warmup and s < self.warm:
            return self.warmup(s, self)
        return self.main(s, self)

    def trace(self) -> list[float]: return [self(s) for s in range(self.total)]

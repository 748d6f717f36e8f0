from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Ema(Trick):
    "A running mean of the weights is what is validated, kept, tested and saved."
    half_life: float = key(.05, "after how long a step's weights count half: a fraction of the run if < 1, else epochs",
                           above=0)
    start: float = key(0., "when the mean begins: a fraction of the run if < 1, else epochs", least=0)

    source = ("Izmailov et al., arXiv 1803.05407; Kaddour, arXiv 2209.14981 (LAWA); as Composer's EMA and timm's "
              "ModelEmaV3")
    formula = "w̄ ← d·w̄ + (1−d)·w after each step, d = 2^(−1/h), h = half_life in steps; BatchNorm's averages too"
    cost = "a second copy of the weights, and a pass over them each step"

    def of_length(self):
        return [f"ema:{k}" for k in ("half_life", "start") if 0 < getattr(self, k) < 1]

    def explain(self, plan):
        h, start = self.steps(plan)
        return (f"half of it is of the last {h:.4g} of {plan.steps:,} steps"
                + (f", from step {start:,} on" if start else ""))

    def check_plan(self, plan): self.steps(plan)

    def steps(self, plan):
        "(half-life, start) in steps; refused where the mean would be the last weights"
        h, start = plan.steps_in(self.half_life), round(plan.steps_in(self.start))
        if h < 1:
            raise UserError(f"ema:half_life={self.half_life:g} is {h:.2g} of a step of this run, "
                            "and the mean would be the last weights: give more")
        if start >= plan.steps:
            raise UserError(f"ema:start={self.start:g} is not before the end of the run's {plan.steps:,} steps: give "
                            "less")
        return h, start

    def on_weights(self, cbs, plan):
        from fastricks.callbacks.ema import Ema
        return [*cbs, Ema(*self.steps(plan))]

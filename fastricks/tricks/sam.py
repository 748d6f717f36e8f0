from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Sam(Trick):
    "Some steps go by the gradient at the worst point nearby, so that training looks for flat minima."
    rho: float = key(.05, "how far away that point is: length of the way in weight space", above=0)
    every: int = key(10, "every so many steps", least=1)

    source = "Foret et al., arXiv 2010.01412, eq. 2 and 3; only every n-th step: Composer's SAM"
    formula = ("ε̂ = ρ·g/‖g‖, g = ∇L(w);  the step has ∇L(w + ε̂), same batch, same draws; BatchNorm's averages from "
               "the first pass")
    cost = "another forward and backward pass on every n-th step: 1/every of a step more; then a copy of the weights"
    conflicts = {"accumulate": "the second gradient is that of the whole step, and accumulation does not keep the "
                               "batches before"}

    def explain(self, plan):
        return f"{plan.steps // self.every:,} of {plan.steps:,} steps go by the gradient at w + {self.rho:g}·g/‖g‖"

    def check_plan(self, plan):
        if plan.steps < self.every:
            raise UserError(f"sam:every={self.every} changes nothing in a run of {plan.steps:,} steps: give less")

    def on_step(self, cbs, plan):
        self.check_plan(plan)
        from fastricks.callbacks.sam import Sam
        return [*cbs, Sam(self.rho, self.every)]

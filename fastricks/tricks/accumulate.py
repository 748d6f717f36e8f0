from dataclasses import dataclass, replace

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Accumulate(Trick):
    "Several batches make one optimizer step: a large batch on a small device."
    n: int = key(2, "batches a step; an epoch's last group may be shorter", least=2)

    source = "arXiv 1812.01187 §3.1 asks for large batches; equal to one batch of n·b but for BatchNorm's statistics"
    formula = "g = Σ_i b_i ∇L_i / Σ_i b_i over the n batches of a step"
    cost = "fewer optimizer steps an epoch"

    def optimizer(self, opt, plan): return replace(opt, batches=self.n)
    def explain(self, plan): return f"{self.n} batches of {plan.recipe.whole_batch} a step"

    def on_step(self, cbs, plan):
        from fastricks.callbacks.accumulate import Accumulate
        return [*cbs, Accumulate(self.n)]

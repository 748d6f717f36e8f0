from dataclasses import dataclass, replace

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Accumulate(Trick):
    "Several batches make one optimizer step: a large batch on a small device."
    n: int = key(2, "batches a step; an epoch's last group may be shorter", least=2)

    source = "arXiv 1812.01187 §3.1 asks for large batches; equal to one batch of n·b but for BatchNorm's statistics"
    formula = "g = Σ_i b_i ∇L_i / Σ_i b_i over the n batches of a step"
    cost = "fewer optimizer steps an epoch"

    @property
    def batches_a_step(self): return self.n

    @classmethod
    def less_memory(cls, recipe):
        n = recipe.tricks.get("accumulate", {}).get("n", 1)
        less = smaller(recipe.batch_size, n)
        if not less:
            return ""
        b, more = less
        return f"try --batch-size {b} -t accumulate:n={more}, which has the same {recipe.whole_batch * n} images a step"

    def optimizer(self, opt, plan): return replace(opt, batches=self.n)
    def explain(self, plan): return f"{self.n} batches of {plan.recipe.whole_batch} a step"

    def on_step(self, cbs, plan):
        from fastricks.callbacks.accumulate import Accumulate
        return [*cbs, Accumulate(self.n)]


def smaller(batch_size, n):
    """(batch size, batches a step) with the same images a step: the largest batch size of at most half; None where
    there is none
    """
    b = next((b for b in range(batch_size // 2, 1, -1) if batch_size % b == 0), None)
    return b and (b, n * batch_size // b)

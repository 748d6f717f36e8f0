from dataclasses import dataclass

from fastricks.core.errors import UserError, one_of
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class HeadFirst(Trick):
    "Before the first step the new head is fitted on the network's own features, so that a random one spoils nothing."
    only: bool = key(False, "true: that is all the training there is, a linear probe")
    C: float = key(1., "as scikit-learn's: the smaller, the smaller the head's weights are kept", above=0)

    source = "Kumar et al., arXiv 2202.10054 (linear probing, then fine-tuning)"
    formula = "argmin over W, b of Σ_i CE(W φ(x_i) + b, y_i) + ‖W‖²/2C, φ standardised; then all is trained"
    cost = "a pass over the training images without gradient, and the fit"

    def check(self, recipe, tricks):
        others = [n for n in recipe.tricks if n != self.name]
        if self.only and others:
            raise UserError(f"head_first:only=true takes no step, and {one_of(others)} would change nothing: leave "
                            "out the one or the other")

    def advice(self, recipe, tricks):
        return (["head_first fits a head to what the network knows, and from scratch it knows nothing"]
                if recipe.from_scratch else [])

    def explain(self, plan): return "the head is fitted, and no step is taken" if self.only else self.summary

    def model(self, model, plan):
        from fastricks.callbacks.head_first import has_linear_head
        if not has_linear_head(model):
            raise UserError(f"head_first fits a linear head, and {plan.recipe.arch} has none that timm knows")
        if not all(plan.counts):
            raise UserError("head_first fits a head of all classes, and one class has no training image")
        return model

    def on_step(self, cbs, plan):
        from fastricks.callbacks.head_first import HeadFirst, HeadTime, NothingElse
        return [*cbs, HeadFirst(self.C), HeadTime(), *([NothingElse()] if self.only else [])]

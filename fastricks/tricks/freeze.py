from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Freeze(Trick):
    "The first stages of the network learn nothing, and their BatchNorm keeps its averages."
    stages: int = key(2, "how many, the stem being the first", least=1)

    source = "Yosinski et al., arXiv 1411.1792; timm's own stages. Not in arXiv 1812.01187"
    formula = ("no gradient, step or decay for the parameters of stages 1 … n; their BatchNorm normalises by the "
               "averages it came with")
    cost = "saves the frozen stages' backward pass and optimizer state"

    def advice(self, recipe, tricks):
        return (["freeze keeps what the first stages know, and from scratch they know nothing"] if recipe.from_scratch
                else [])

    def explain(self, plan): return f"the first {self.stages} stages learn nothing"

    def model(self, model, plan):
        from fastricks.model.layers import layers_of
        stage = layers_of(model, self.name, plan.recipe.arch, coarse=True)
        if self.stages > (top := max(stage.values())):
            raise UserError(f"freeze:stages={self.stages} would freeze the head of {plan.recipe.arch} too: it has "
                            f"{top} stages before it")
        for p in model.parameters():
            if stage[id(p)] < self.stages:
                p.requires_grad_(False)
        return model

    def on_step(self, cbs, plan):
        from fastricks.callbacks.freeze import KeepAverages
        return [*cbs, KeepAverages()]

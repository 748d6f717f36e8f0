from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Freeze(Trick):
    """The first stages of the network learn nothing, and their BatchNorm keeps its averages.

    A short fine-tuning of few images replaces BatchNorm's averages by those of its own small, augmented batches, for
    which neither the pre-trained weights nor a head that was fitted first were made: `averages=all` keeps them all.
    """
    stages: int = key(2, "how many, the stem being the first", least=0)
    averages: str = key("stages", "which BatchNorms keep their averages", choices=("stages", "all"))

    source = ("Yosinski et al., arXiv 1411.1792; timm's own stages; averages=all is what fastai's BnFreeze does for "
              "frozen layers. Not in arXiv 1812.01187")
    formula = ("no gradient, step or decay for the parameters of stages 1 … n; their BatchNorm, or every one, "
               "normalises by the averages it came with")
    cost = "saves the frozen stages' backward pass and optimizer state"
    before = {"averages": "stages"}

    def check(self, recipe, tricks):
        if not self.stages and self.averages == "stages":
            raise UserError("freeze:stages=0 freezes nothing: name some stages, or averages=all")

    def advice(self, recipe, tricks):
        if recipe.from_scratch:
            return ["freeze keeps what the first stages know, and from scratch they know nothing"]
        if self.averages == "all" and not any(t.name == "head_first" for t in tricks):
            return ["freeze:averages=all beside a new head: BatchNorm can't follow the first large steps, which killed "
                    "EfficientNet-Lite0 at rates of 1e-3 and more; add head_first, or lower --lr"]
        return []

    def explain(self, plan):
        every = ", every BatchNorm keeps its averages" if self.averages == "all" else ""
        return f"the first {self.stages} stages learn nothing{every}"

    def model(self, model, plan):
        from torch import nn

        from fastricks.model.layers import layers_of
        stage = layers_of(model, self.name, plan.recipe.arch, coarse=True)
        if self.stages > (top := max(stage.values())):
            raise UserError(f"freeze:stages={self.stages} would freeze the head of {plan.recipe.arch} too: it has "
                            f"{top} stages before it")
        if not self.stages and not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules()):
            raise UserError(f"freeze:stages=0,averages=all changes nothing: {plan.recipe.arch} has no BatchNorm; "
                            "leave it out, as -t=-freeze does of a recipe")
        for p in model.parameters():
            if stage[id(p)] < self.stages:
                p.requires_grad_(False)
        return model

    def on_step(self, cbs, plan):
        from fastricks.callbacks.freeze import KeepAverages
        return [*cbs, KeepAverages(self.averages == "all")]

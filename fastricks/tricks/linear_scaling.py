from dataclasses import dataclass, replace

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, effective_batch, key


@dataclass(frozen=True)
class LinearScaling(Trick):
    "The learning rate grows with the effective batch."
    base: int = key(32, "the batch that --lr is meant for: 32 in LearnOpenCV's tutorial, 256 in the paper and "
                        "in DLology's Keras tutorial", least=1)

    source = "arXiv 1812.01187 §3.1; Goyal et al., arXiv 1706.02677"
    formula = "l · b / base, b = batch × batches accumulated × processes"
    after = ("accumulate",)

    def check(self, recipe, tricks):
        if recipe.lr == "find":
            raise UserError("--lr find finds the rate of this very batch, which linear_scaling would scale once more: "
                            "leave out linear_scaling, or give --lr a number")
        if effective_batch(recipe, tricks) == self.base:
            raise UserError("linear_scaling at the base batch changes nothing: "
                            f"the effective batch is {self.base} too; give another --batch-size or linear_scaling:base")

    def advice(self, recipe, tricks):
        if recipe.opt == "sgd":
            return []
        return [f"linear_scaling is meant for SGD: {recipe.opt} scales its steps itself; LearnOpenCV found its rate "
                "better unscaled"]

    def explain(self, plan):
        b = effective_batch(plan.recipe, plan.tricks)
        return f"learning rate × {b}/{self.base} = {plan.recipe.lr * b / self.base:g}"

    def optimizer(self, opt, plan): return replace(opt, lr=opt.lr * plan.recipe.whole_batch * opt.batches / self.base)

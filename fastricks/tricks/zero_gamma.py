from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick


@dataclass(frozen=True)
class ZeroGamma(Trick):
    "Each residual branch starts at zero: γ = 0 in its last BatchNorm. From scratch only."
    source = "arXiv 1812.01187 §3.1; Goyal et al., arXiv 1706.02677"
    new_start = True
    formula = "block(x) = x + γ·x̂ + β with γ = 0: every block starts as the identity"

    def check(self, recipe, tricks):
        if not recipe.from_scratch:
            raise UserError("zero_gamma is a way to start from scratch: pre-trained weights have their own γ; "
                            "add --no-pretrained, or leave it out")

    def model(self, model, plan):
        from fastricks.model.network import zero_last_gammas
        if not zero_last_gammas(model):
            raise UserError(f"zero_gamma: {plan.recipe.arch} has no residual branch that ends in a BatchNorm")
        return model

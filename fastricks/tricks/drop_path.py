from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class DropPath(Trick):
    "Residual branches are left out at random, deeper ones more often: stochastic depth. Training only."
    rate: float = key(.1, "of the last branch; timm lets it rise linearly from 0 at the first", above=0, below=1)

    source = "Huang et al., arXiv 1603.09382, eq. 4; timm's drop_path_rate"
    formula = "x + b·f(x)/(1−p_l),  b ~ Bernoulli(1−p_l) an image,  p_l = rate·l/(L−1), l = 0 … L−1"

    def check(self, recipe, tricks):
        rate = recipe.arch_option.get("drop_path_rate")
        if rate is not None:
            raise UserError(
                f"drop_path:rate={self.rate:g} and --arch-option drop_path_rate={rate} say the same thing: give one of "
                "them")

    def arch(self, kwargs, plan): return {**kwargs, "drop_path_rate": self.rate}

    def model(self, model, plan):
        from timm.layers import DropPath
        if not any(isinstance(m, DropPath) and m.drop_prob for m in model.modules()):
            raise UserError(f"drop_path: {plan.recipe.arch} has no residual branch that timm can leave out")
        return model

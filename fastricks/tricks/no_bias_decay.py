from dataclasses import dataclass, replace

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick


@dataclass(frozen=True)
class NoBiasDecay(Trick):
    "Weight decay only for the weights of convolutions and linear layers; none for biases, norms and all else."
    source = "arXiv 1812.01187 §3.1; Jia et al., arXiv 1807.11205"
    formula = "wd_p = wd if p is the weight of a conv or linear module, else 0"

    def check(self, recipe, tricks):
        if not recipe.wd:
            raise UserError("no_bias_decay needs --wd > 0: without weight decay it changes nothing")

    def groups(self, groups, model, plan):
        from fastricks.model.optimizers import is_weight
        yes = is_weight(model)
        out = []
        for g in groups:
            of = "" if g.name == "all" else f"{g.name}: "
            out += [replace(g, name=f"{of}conv and linear weights", params=[p for p in g.params if yes(p)]),
                    replace(g, name=f"{of}biases, norms and the rest", params=[p for p in g.params if not yes(p)],
                            wd=0.)]
        return [g for g in out if g.params]

from dataclasses import dataclass, replace

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class LayerDecay(Trick):
    "Layers learn the slower the farther they are from the head."
    decay: float = key(.8, "factor of the learning rate from one layer to the one before", above=0, most=1)
    head: float = key(1., "a factor for the head's learning rate", above=0)

    source = ("Clark et al., arXiv 2003.10555 §3.3 (Howard and Ruder, arXiv 1801.06146, for pre-trained nets); timm's "
              "own grouping of layers")
    formula = "l_k = l · decay^(distance of layer k from the head),  l_head = l · head"

    def check(self, recipe, tricks):
        if self.decay == 1 and self.head == 1:
            raise UserError("layer_decay:decay=1 changes nothing: give a decay below 1, or another head")

    def groups(self, groups, model, plan):
        from fastricks.model.layers import layers_of
        layer = layers_of(model, self.name, plan.recipe.arch)
        top = max(layer.values())
        return [replace(g, name=group_name(g.name, k, top), params=ps, rate=g.rate * self.rate(k, top))
                for k in range(top + 1) for g in groups
                if (ps := [p for p in g.params if layer[id(p)] == k])]

    def rate(self, k, top): return self.head if k == top else self.decay ** (top - k)


def group_name(name, k, top): return ("" if name == "all" else f"{name}, ") + ("head" if k == top else f"layer {k}")

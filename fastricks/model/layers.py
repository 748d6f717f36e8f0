"""Layers and stages of a network, as timm groups them."""
from timm.models import group_parameters

from ..core.errors import UserError


def layers_of(model, name, arch, coarse=False):
    """id of each parameter -> its layer (with `coarse` its stage): 0 is the stem's, the largest the head's. `name`: the
    trick that asks
    """
    if not hasattr(model, "group_matcher"):
        raise UserError(f"{name}: timm does not know the layers of {arch}")
    place = group_parameters(model, model.group_matcher(coarse=coarse), reverse=True)
    return {id(p): place[n] for n, p in model.named_parameters()}

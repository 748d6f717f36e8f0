"""torch's Adam and AdamW, in one kernel for all weights, without the copies that it makes of channels-last ones on a
CPU.
"""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ..core.tensors import dense


class Dense:
    """Gives the fused kernel contiguous views of weights, gradients and averages that share a layout: it copies
    whatever is not contiguous before and after each step (6% of a ResNet-18's step at 64 pixels). What it computes is
    the same, as it goes number by number."""
    def _init_group(self, group, params, *lists):
        out = super()._init_group(group, params, *lists)
        if params and params[0].device.type == "cpu":
            rows = [params, *(o for o in lists if len(o) == len(params))]
            for i, ts in enumerate(zip(*rows, strict=True)):
                if all(is_channels_last(t) for t in ts if t.ndim):
                    for o, t in zip(rows, ts, strict=True):
                        o[i] = dense(t)
        return out


def is_channels_last(t): return t.ndim == 4 and t.is_contiguous(memory_format=torch.channels_last)


class Adam(Dense, torch.optim.Adam):
    "torch.optim.Adam; its own betas, eps and coupled decay"


class AdamW(Dense, torch.optim.AdamW):
    "torch.optim.AdamW"


def all_params(model, wd):
    "One group: every trainable parameter decays, norms and biases too, as in the paper's baseline"
    return [Group("all", [p for p in model.parameters() if p.requires_grad], wd)]


def is_weight(model):
    "A test for the weights of convolutions and linear modules (arXiv 1812.01187 §3.1), by identity of the parameter"
    ids = {id(m.weight) for m in model.modules() if isinstance(m, (_ConvNd, nn.Linear))}
    return lambda p: id(p) in ids


@dataclass(frozen=True)
class Group:
    "A parameter group, its weight decay, and the factor of its learning rate"
    name: str
    params: list
    wd: float
    rate: float = 1.

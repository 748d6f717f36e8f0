"""The parameter groups of an optimizer, and which parameters a weight decay is for."""
from torch import nn
from torch.nn.modules.conv import _ConvNd

from .trick import Group


def all_params(model, wd):
    "One group: every trainable parameter decays, norms and biases too, as in the paper's baseline"
    return [Group("all", [p for p in model.parameters() if p.requires_grad], wd)]


def is_weight(model):
    "A test for the weights of convolutions and linear modules (arXiv 1812.01187 §3.1), by identity of the parameter"
    ids = {id(m.weight) for m in model.modules() if isinstance(m, (_ConvNd, nn.Linear))}
    return lambda p: id(p) in ids


def count(group): return sum(p.numel() for p in group.params)

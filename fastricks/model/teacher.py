"""A teacher's network from its file of weights, and how it is shown a student's images."""
import torch
import torch.nn.functional as F
from torch import nn

from ..core.errors import UserError, plural
from .teacher_facts import differing_facts


class Shown(nn.Module):
    """A network that is shown images which were made for another: [n, 3, h, w] by (mean, std) `theirs` become its own
    by `own`, at `size` pixels (None: as they are). All of it is linear in the pixels: what mixup blends stays blended.
    """
    def __init__(self, network, theirs, own, size=None):
        super().__init__()
        self.network, self.size = network, size
        (m, s), (mean, std) = ((torch.tensor(o).view(1, 3, 1, 1) for o in pair) for pair in (theirs, own))
        self.register_buffer("scale", s / std)
        self.register_buffer("shift", (m - mean) / std)

    def forward(self, x):
        if self.size and tuple(x.shape[2:]) != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return self.network(x * self.scale + self.shift)


def shown(network, theirs, own, sizes):
    "The network itself where it takes the images as they are, else a Shown; `sizes`: theirs and its own, in pixels"
    size = sizes[1] if sizes[0] != sizes[1] else None
    return network if theirs == own and not size else Shown(network, theirs, own, size)


def load_teacher(facts, classes, view="own"):
    """The teacher's module, in eval mode, from the `facts` that settling found of it and the number of classes.

    It takes the student's images: with `view="own"` it sees them at its own size and by its own mean and std, with
    "student" as they are.
    """
    model = network_of_facts(facts, classes)
    if view != "own" or not differing_facts(facts):
        return model
    (theirs, a), (own, b) = (((o["mean"], o["std"]), o["size"]) for o in (facts["pixels"], facts["own"]))
    return shown(model, theirs, own, (a, b)).eval()


def network_of_facts(facts, classes):
    from .network import build_network
    from .weights import read_meta
    size = (facts.get("own") or {}).get("size")
    model, lines = build_network(facts["arch"], classes, 0, facts["file"], read_meta(facts["file"]).get("kwargs"), size)
    if any(line.startswith("not loaded") for line in lines):
        raise UserError(f"the teacher {facts['file']} has no head for these {plural(classes, 'class', 'classes')}")
    return model.eval().requires_grad_(False)

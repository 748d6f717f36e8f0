"""γ = 0 in the last BatchNorm of every residual branch."""
from torch import nn


def last_norm(block):
    "The BatchNorm that ends the residual branch of a timm block, or None"
    if hasattr(block, "zero_init_last"):                       # ResNet, RegNet …: timm knows which
        block.zero_init_last()
        return next((m for m in block.modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.any()), None)
    if getattr(block, "has_skip", False):                      # MobileNet, EfficientNet: only where there is a shortcut
        return next((m for n in ("bn3", "bn2") if isinstance(m := getattr(block, n, None), nn.BatchNorm2d)), None)


def zero_last_gammas(model):
    "Zero them and return the norms. The model is fresh: no other γ is zero. arXiv 1812.01187 §3.1"
    norms = [n for m in model.modules() if (n := last_norm(m)) is not None]
    for n in norms: nn.init.zeros_(n.weight)
    return norms

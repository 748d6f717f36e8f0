"""LayerCAM: where in an image a network found the evidence for a class.

P.-T. Jiang, C.-B. Zhang, Q. Hou, M.-M. Cheng, Y. Wei: LayerCAM: Exploring Hierarchical Class Activation Maps for
Localization. IEEE Transactions on Image Processing 30, 2021, doi 10.1109/TIP.2021.3089943.
"""
import torch

SIDE = 4  # positions of a feature map's shorter side: with fewer there is nothing to point at


def layer_cam(features, gradients):
    """Maps [n, h, w], ≥ 0, of feature maps A [n, C, h, w] and the gradients g of a class's logit by them, like A.

    M = ReLU(Σ_k ReLU(g_k) A_k): each position of each channel has a weight of its own (eq. 6 to 8).
    """
    return (gradients.relu() * features).sum(1).relu()


def heat_maps(model, x, classes):
    """LayerCAM [n, h, w], each from 0 to 1, of images x [n, c, H, W] for one class each, [n]; None where it has none.

    `model`: a timm network in eval mode. The layer is the deepest one that timm names with a map of at least SIDE ×
    SIDE positions, so h and w go by the network. None for a network that has no such layer, and for one whose logits
    do not depend on it, as those of a transformer with a class token. Gradients of weights are left alone.
    """
    model = getattr(model, "_orig_mod", model)  # torch.compile's own has no hooks
    for name in reversed(layers_of(model)):
        features, gradients = at_layer(model, model.get_submodule(name), x, classes)
        if features is not None:
            maps = layer_cam(features.float(), gradients.float())
            most = maps.amax((1, 2), keepdim=True)
            return (maps / most.clamp_min(1e-12)).cpu() if (most > 0).any() else None
    return None


def layers_of(model):
    "Names of the modules whose outputs timm calls features, from the input on; none for a network that names none"
    info = getattr(model, "feature_info", None) or []
    names = [row.get("module") for row in info if isinstance(row, dict)]
    there = {name for name, _ in model.named_modules()}
    return [name for name in names if name and name in there]


def at_layer(model, layer, x, classes):
    "(features [n, C, h, w], gradients of the classes' logits by them); (None, None) where the layer makes no such map"
    made = []
    handle = layer.register_forward_hook(lambda module, given, out: made.append(out))
    try:
        with torch.enable_grad():
            x = x.detach().requires_grad_()  # frozen weights have no gradients to go by
            logits = model(x)
            if len(made) != 1 or not is_map(made[0]):
                return None, None
            picked = logits.gather(1, classes.to(logits.device)[:, None]).sum()
            gradients, = torch.autograd.grad(picked, made[0], allow_unused=True)
    finally:
        handle.remove()
    if gradients is None:
        return None, None
    return channels_first(made[0].detach(), model), channels_first(gradients, model)


def is_map(out):
    "Is it [n, C, h, w] or [n, h, w, C] with positions enough?"
    return torch.is_tensor(out) and out.ndim == 4 and sorted(out.shape[1:])[0] >= SIDE


def channels_first(x, model):
    "[n, C, h, w] of a map that may have its channels last"
    last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")
    return x.permute(0, 3, 1, 2) if last else x

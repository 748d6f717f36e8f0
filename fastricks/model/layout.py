"""A network's weights and images as training and use lay them out: channels-last, or contiguous where a recipe says so.
"""
import torch
from torch import nn

CHANNELS_LAST, CONTIGUOUS = "channels_last", "contiguous"


def lay_out(model, device, layout=CHANNELS_LAST):
    """The module on a torch device, its weights in a recipe's `layout`: contiguous ones bring its images into their
    order too, as a convolution computes in channels-last order where either is in that.

    A 1×1 convolution of few channels that leaves pixels out, as RepVGG, MobileOne and FastViT begin with, stays
    contiguous on a CPU: oneDNN writes past the end of its gradient in the other order, which ends the process.
    """
    if layout == CONTIGUOUS:
        return all_contiguous(model.to(device, memory_format=torch.contiguous_format))
    model = model.to(device, memory_format=torch.channels_last)
    if torch.device(device).type == "cpu":
        for m in model.modules():
            if is_at_risk(m):
                make_contiguous(m)
    return model


def all_contiguous(model):
    "Once: the module, which brings its images into NCHW order before anything else"
    if not brings_into_order(model):
        model.register_forward_pre_hook(contiguous_input)
    return model


def brings_into_order(module): return contiguous_input in module._forward_pre_hooks.values()


def layout_of(model):
    "The layout that `lay_out` gave a module, or one that is wrapped in it"
    whole = (m for m in model.modules() if not isinstance(m, nn.Conv2d))  # one at risk has that hook in any layout
    return CONTIGUOUS if any(map(brings_into_order, whole)) else CHANNELS_LAST


def is_at_risk(m):
    return isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.stride != (1, 1) and m.in_channels // m.groups < 8


def make_contiguous(conv):
    "Once: weights are copied, as one pixel counts as both orders for torch, and each input is brought into that order"
    conv.weight.data = conv.weight.data.clone(memory_format=torch.contiguous_format)
    if not brings_into_order(conv):
        conv.register_forward_pre_hook(contiguous_input)


def contiguous_input(module, inputs): return tuple(x.contiguous() for x in inputs)

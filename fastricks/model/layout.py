"""A network's weights as training and use lay them out: channels-last, where torch can compute with that."""
import torch
from torch import nn


def lay_out(model, device):
    """The module on a torch device, its weights channels-last.

    A 1×1 convolution of few channels that leaves pixels out, as RepVGG, MobileOne and FastViT begin with, stays
    contiguous on a CPU: oneDNN writes past the end of its gradient in the other order, which ends the process.
    """
    model = model.to(device, memory_format=torch.channels_last)
    if torch.device(device).type == "cpu":
        for m in model.modules():
            if is_at_risk(m):
                make_contiguous(m)
    return model


def is_at_risk(m):
    return isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.stride != (1, 1) and m.in_channels // m.groups < 8


def make_contiguous(conv):
    "Once: weights are copied, as one pixel counts as both orders for torch, and each input is brought into that order"
    conv.weight.data = conv.weight.data.clone(memory_format=torch.contiguous_format)
    if contiguous_input not in conv._forward_pre_hooks.values():
        conv.register_forward_pre_hook(contiguous_input)


def contiguous_input(module, inputs): return tuple(x.contiguous() for x in inputs)

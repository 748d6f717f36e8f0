"""fastai's tensors as plain ones, and channels-last ones as contiguous ones."""
import torch
from fastai.torch_core import TensorBase


def plain(t): return t.as_subclass(torch.Tensor) if isinstance(t, TensorBase) else t


def dense(t):
    "A contiguous view of a channels-last tensor's memory, its axes in another order; other tensors as they are"
    last = t.ndim == 4 and not t.is_contiguous() and t.is_contiguous(memory_format=torch.channels_last)
    return t.permute(0, 2, 3, 1) if last else t

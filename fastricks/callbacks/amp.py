"""Mixed precision on CUDA (fastai's own) and on CPUs."""
import torch
from fastai.callback.fp16 import MixedPrecision


class CPUMixedPrecision(MixedPrecision):
    "fastai's MixedPrecision with the CPU's bf16 autocast in place of CUDA's"
    def __init__(self): super().__init__("bf16")

    def before_fit(self):
        self.autocast, self.scales = torch.autocast("cpu", dtype=torch.bfloat16), []
        self.learn.scaler = torch.amp.GradScaler("cpu", enabled=False)


def precision(dtype, device):
    "The callbacks of a decided dtype"
    if dtype in ("fp32", "auto"): return []
    return [CPUMixedPrecision()] if device == "cpu" else [MixedPrecision(dtype)]

"""Mixed precision on CUDA (fastai's own) and on CPUs, and the choice between dtypes."""
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


def leave_autocast(device):
    "Undo what an exception in the middle of a batch leaves behind: autocast on, and its cache of cast weights alive"
    torch.autocast_increment_nesting()
    while torch.autocast_decrement_nesting() > 0: pass
    torch.clear_autocast_cache()
    torch.set_autocast_enabled(device, False)

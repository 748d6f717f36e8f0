"""Mixed precision on CUDA (fastai's own) and on CPUs."""
import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision

from ..core.calls import checked_call
from ..core.errors import UserError, nearest
from ..core.machine import pick_device


class CPUMixedPrecision(MixedPrecision):
    "fastai's MixedPrecision with the CPU's bf16 autocast in place of CUDA's"
    def __init__(self): super().__init__("bf16")

    def before_fit(self):
        self.autocast, self.scales = torch.autocast("cpu", dtype=torch.bfloat16), []
        self.learn.scaler = torch.amp.GradScaler("cpu", enabled=False)


def precision(dtype, device):
    "The callbacks of a decided dtype"
    if dtype in ("fp32", "auto"):
        return []
    return [CPUMixedPrecision()] if device == "cpu" else [MixedPrecision(dtype)]


@checked_call
def amp(device: str = "auto", dtype: str = "bf16") -> list[Callback]:
    """Mixed precision as callbacks: fastai's own on CUDA (bf16, or fp16 with loss scaling), the CPU's bf16 autocast on
    a CPU
    """
    if dtype not in ("bf16", "fp16"):
        raise UserError(f"amp: dtype={dtype!r} is not one of bf16, fp16{nearest(dtype, ['bf16', 'fp16'])}")
    device = pick_device(str(device)).partition(":")[0]
    if device == "cpu" and dtype == "fp16":
        raise UserError("amp: fp16 needs CUDA: give dtype='bf16'")
    return precision(dtype, device)

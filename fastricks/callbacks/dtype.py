"""Which precision mixed precision takes on this device: a table of rules, then a timed probe of the network."""
import torch

from ..core.errors import UserError
from ..model import probe

CACHE = "amp"  # the folder of the user's cache that has the probe's answers
# below it a stride-2 convolution sees 1×1 inputs, of whose weight gradient oneDNN leaves a part unwritten in bf16
CPU_SIZE = 32


def not_on_cuda(recipe): return not recipe.device.startswith("cuda")
def cuda_without_bf16(recipe): return recipe.device.startswith("cuda") and not torch.cuda.is_bf16_supported()
def on_mps(recipe): return recipe.device == "mps"
def least_side(recipe): return min([recipe.size, *(t.least_side(recipe) for t in recipe.make_tricks())])
def small_on_cpu(recipe): return recipe.device == "cpu" and least_side(recipe) < CPU_SIZE
def cpu_without_bf16(recipe): return recipe.device == "cpu" and not probe.cpu_has_bf16()


IMPOSSIBLE = (  # (the dtype that is asked for, where it can't be had, the error)
    ("fp16", not_on_cuda, "amp:dtype=fp16 needs a CUDA device, and this run is on {device}: use bf16"),
    ("bf16", cuda_without_bf16, "amp:dtype=bf16: this GPU has no bf16; use fp16"),
    ("bf16", on_mps, "amp does not support --device mps: leave it out"),
    ("bf16", small_on_cpu, f"amp on a CPU needs images of {CPU_SIZE} pixels or more, and these begin with {{side}}: "
                           "bf16 gradients of 1×1 maps are not reliable; give a larger --size, or leave amp out"),
)
NOT_APPLIED = (  # (where `auto` takes fp32 without a probe, why)
    (small_on_cpu, f"bf16 on a CPU needs images of {CPU_SIZE} pixels or more"),
    (on_mps, "amp does not support mps"),
    (cpu_without_bf16, f"this CPU has neither {probe.AMX} nor {probe.AVX512_BF16}, and computes no faster in bf16"),
)


def choose_dtype(asked, recipe, classes):
    "(dtype, why): what was asked for, or a UserError where it can't be had; for `auto` what the rules and a probe say"
    for dtype, applies, error in IMPOSSIBLE:
        if asked == dtype and applies(recipe):
            raise UserError(error.format(device=recipe.device, side=least_side(recipe)))
    if asked != "auto":
        return asked, "as asked"
    for applies, why in NOT_APPLIED:
        if applies(recipe):
            return "fp32", why
    dtype = "fp16" if cuda_without_bf16(recipe) else "bf16"
    gain = probe.remembered_gain(CACHE, recipe, classes, dtype)
    chosen = dtype if gain >= probe.GAIN else "fp32"
    unit = f" by this CPU's {probe.bf16_unit()}" if recipe.device == "cpu" else ""
    return chosen, f"a step in {dtype}{unit} is {gain:.2f} times as fast as in fp32"


def dtype_of(recipe, classes):
    "The dtype that a recipe's network computes in: fp32 without amp"
    keys = recipe.tricks.get("amp")
    return choose_dtype(keys["dtype"], recipe, classes)[0] if keys else "fp32"

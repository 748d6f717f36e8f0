from dataclasses import dataclass, replace

from fastricks.core import ranks
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Amp(Trick):
    "Mixed precision: the network computes in 16 bits, weights and loss stay in 32."
    dtype: str = key("auto", "bf16, or fp16 with loss scaling (CUDA only); auto takes what is faster here by a short "
                             "probe and records it; "
                             "fp32 is what it records where nothing helps", choices=("auto", "bf16", "fp16", "fp32"))

    source = "arXiv 1812.01187 §3.2; Micikevicius et al., arXiv 1710.03740; fastai's MixedPrecision"
    formula = "forward and backward in 16 bits, update of fp32 master weights"
    cost = "saves time where the device has 16-bit arithmetic; the final test is in fp32"

    def settle(self, recipe, source, room):
        from fastricks.callbacks.dtype import choose_dtype
        dtype, why = ranks.by_first(lambda: choose_dtype(self.dtype, recipe, len(source.classes)))
        room.say(f"amp: {dtype} ({why})" if dtype != "fp32" else f"amp: not applied ({why})")
        return replace(self, dtype=dtype), {"applied": dtype != "fp32", "why": why}

    def explain(self, plan):
        if self.dtype == "fp32":
            return "not applied: nothing is faster than fp32 here"
        return "decided when training starts" if self.dtype == "auto" else f"the network computes in {self.dtype}"

    def on_precision(self, cbs, plan):
        from fastricks.callbacks.amp import precision
        return [*cbs, *precision(self.dtype, plan.device)]

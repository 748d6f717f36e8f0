"""A running mean of the weights, which takes their place where they are looked at: validated, kept, tested, saved."""
import torch
from fastai.callback.core import Callback

from ..trick.range import Range
from .only_training import is_training


class Ema(Callback):
    """w̄ ← d·w̄ + (1−d)·w after each step, d = 2^(−1/half_life), of parameters and BatchNorm's averages: Izmailov et
    al., arXiv 1803.05407.

    `half_life` and `start` are in optimizer steps; w̄ begins as the weights are after `start` of them. From the end of
    an epoch's training to the next one's begin, and after the fit, the network holds w̄, and the callback w. A step
    that a Guard leaves out leaves w̄ as it was.
    """
    order = 7  # after_train: before History stops its clock; before_train: before Guard (15) reads BatchNorm's averages

    def __init__(self, half_life, start=0):
        Range(above=0).require("Ema: half_life=", half_life)
        Range(least=0).require("Ema: start=", start)
        self.d, self.start, self.other = 2 ** (-1 / half_life), start, None

    def before_fit(self):
        self.run = is_training(self.learn)
        if not self.run:
            return
        self.other, self.swapped, self.steps, self.restored = None, False, 0, False
        self.own = self.tensors()
        if self.start < 1:
            self.begin()

    def tensors(self):
        "Parameters and floating-point buffers that are saved, themselves"
        model = self.learn.model
        saved = model.state_dict().keys()
        return [*model.parameters(),
                *(b for n, b in model.named_buffers() if n in saved and b.is_floating_point())]

    def begin(self): self.other = [t.detach().clone() for t in self.own]

    @torch.no_grad()
    def after_step(self):
        self.steps += 1
        if self.other is not None:
            self.average()
        elif self.steps >= self.start:
            self.begin()

    def average(self):
        "w̄ += (1−d)·(w − w̄): in one pass over the weights, or in three where the share is on the device"
        share = self.share()
        if not torch.is_tensor(share):
            torch._foreach_lerp_(self.other, self.own, share)
            return
        move = torch._foreach_sub(self.own, self.other)
        torch._foreach_mul_(move, share)
        torch._foreach_add_(self.other, move)

    def share(self):
        "1−d, or 0 on the device where a Guard has told the optimizer there to leave the step out"
        guard = vars(self.learn).get("guard")
        return (1 - self.d) * (1 - guard.found) if guard is not None and guard.late else 1 - self.d

    def before_train(self):
        if self.swapped:
            self.swap()

    def after_train(self):
        if self.other is not None and not self.swapped:
            self.swap()

    @torch.no_grad()
    def swap(self):
        "In place, one tensor at a time: no more memory than the largest takes"
        for own, other in zip(self.own, self.other, strict=True):
            old = own.clone()
            own.copy_(other)
            other.copy_(old)
        self.swapped = not self.swapped

    def kept(self):
        if self.other is None:
            return {"steps": self.steps}
        return {"steps": self.steps, "swapped": self.swapped, "other": self.other}

    def put_back(self, state):
        """Once a fit: a checkpoint of a validation is put back before and after `before_train` has given the network
        its own weights
        """
        if self.restored:
            return
        self.restored, self.steps = True, state["steps"]
        self.swapped = state.get("swapped", False)
        self.other = [o.to(t.device, copy=True)
                      for o, t in zip(state["other"], self.own, strict=True)] if "other" in state else None

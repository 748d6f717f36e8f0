"""Steps with a non-finite loss or gradient are left out; many in a row end the training."""
from dataclasses import asdict, dataclass

import torch
from fastai.callback.core import Callback, CancelStepException
from fastai.callback.fp16 import MixedPrecision

from ..core import ranks
from ..core.errors import UserError, plural
from ..core.tensors import dense, plain
from .only_training import is_training
from .screen import note, tell_screen


@dataclass
class GuardedStep:
    "Where a step was: what its message says"
    epoch: int
    step: int      # of the whole training, from 1
    lr: float
    first: int     # its first and last batch in the epoch
    last: int


class Guard(Callback):
    """Leaves out each step whose loss or gradient is not finite, or so large that its square is not: weights, optimizer
    state and BatchNorm's averages stay as they were before it. `most` of them in a row raise UserError.

    Nothing waits for it: torch's fused optimizers are told on the device (`found_inf`), and Python looks every `every`
    steps and where an epoch ends. For other optimizers it asks before each step. `skipped` counts them; `rescaled` the
    steps that fp16's loss scaling left out in search of its scale, which are no errors.
    """
    order, run_valid = MixedPrecision.order + 5, False  # before_step: after accumulation's and loss scaling's

    def __init__(self, most=10, every=50, lazy=None):
        self.most, self.every, self.lazy = most, every, lazy
        self.skipped = self.streak = self.rescaled = self.n_steps = self.before = 0
        self.last_bad = None

    def kept(self):
        self.look()
        return {"counts": [self.skipped, self.streak, self.rescaled, self.n_steps, self.before],
                "last_bad": self.last_bad and asdict(self.last_bad)}

    def put_back(self, state):
        self.skipped, self.streak, self.rescaled, self.n_steps, self.before = state["counts"]
        self.last_bad = state["last_bad"] and GuardedStep(**state["last_bad"])

    def before_fit(self):
        self.run = is_training(self.learn)
        if not self.run:
            return
        self.torch_opt, device = getattr(self.opt, "opt", None), next(self.learn.model.parameters()).device
        fused = getattr(self.torch_opt, "_step_supports_amp_scaling", False)
        self.late = fused and device.type in ("cpu", "cuda") if self.lazy is None else self.lazy
        self.flags, self.found = torch.zeros(self.every, device=device), torch.zeros((), device=device)
        self.pending, self.own = [], False

    def before_train(self):
        "BatchNorm's averages before the first step, to go back to; one tensor, as they are many and small"
        own = self.learn.model.state_dict()
        self.averages = [b for n, b in self.learn.model.named_buffers() if n in own and b.is_floating_point()]
        self.good, self.first = self.gathered(), None
        parts = self.good.split([b.numel() for b in self.averages])
        self.pieces = [o.view(b.shape) for o, b in zip(parts, self.averages, strict=True)]
        self.taint = torch.zeros((), device=self.found.device)
        self.before = self.skipped

    def gathered(self):
        return torch.cat([b.flatten() for b in self.averages]) if self.averages else self.found.new_zeros(0)

    def before_backward(self):
        if self.first is None:
            self.first = self.learn.iter
        # nan from a non-finite loss on, for the whole step
        self.taint = self.taint + plain(self.learn.loss).detach().float() * 0

    def before_step(self):
        grads = [p.grad for g in self.opt.param_lists for p in g if p.grad is not None]
        size = squares(grads) if grads else self.taint
        self.judge(~(size + self.taint).isfinite())
        # a first step makes the optimizer's state: not from this gradient
        if not self.late or not self.torch_opt.state:
            self.ask()

    def ask(self):
        if not self.found.item():
            return
        self.own = True
        raise CancelStepException

    def judge(self, bad):
        "Note a step, on the device, and put back what its forward pass left in the averages if it was a bad one"
        now = self.gathered()
        bad = ranks.any_of(bad | ~now.isfinite().all())  # of several processes all leave a step out, or none
        if self.late or bad:
            torch.where(bad, self.good, now, out=self.good)
            if self.averages:
                torch._foreach_copy_(self.averages, self.pieces)
        else:
            self.good.copy_(now)
        self.found.copy_(bad)
        if self.late:
            self.torch_opt.found_inf, self.torch_opt.grad_scale = self.found, None
        self.flags[len(self.pending)] = self.found
        self.pending.append(self.here())
        self.first, self.taint = None, torch.zeros_like(self.taint)
        if not self.late or len(self.pending) == self.every:
            self.look()

    def here(self):
        n = self.learn.iter - self.first + 1
        self.n_steps += 1
        return GuardedStep(self.learn.epoch + 1, self.n_steps, self.opt.hypers[-1]["lr"], self.learn.iter - n + 1,
                           self.learn.iter)

    def after_cancel_step(self):
        "Loss scaling left the step out: an error only where the loss itself is not finite, or the scale is spent"
        if self.own or self.first is None:
            self.own = False
            return
        scaler = vars(self.learn).get("scaler")
        bad = ~self.taint.isfinite() | (scaler is not None and scaler.get_scale() < 1)
        self.rescaled += not bad.item()
        self.judge(bad)

    def look(self):
        "What became of the steps since the last look: the one wait for the device"
        flags, pending, self.pending = self.flags[:len(self.pending)].tolist(), self.pending, []
        for bad, where in zip(flags, pending, strict=True):
            self.streak = self.streak + 1 if bad else 0
            if not bad:
                continue
            self.skipped, self.last_bad = self.skipped + 1, where
            note(self.learn, f"{words_of(where)} left out, as loss or gradient was not finite: "
                             f"{', '.join(self.members(where))}")
            if self.streak == self.most:
                self.let_go()
                raise UserError(self.message(where))

    def members(self, where):
        "Names of the images of a step's batches, where the loader can tell"
        dl = self.learn.dls.train
        if not hasattr(dl, "batch_places"):
            return []
        return [str(getattr(dl.items[i], "name", dl.items[i])) for b in dl.batch_places()[where.first:where.last + 1]
                for i in b]

    def message(self, where):
        names = self.members(where)
        some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return (f"{self.most} steps in a row had a loss or gradient that is not finite, the last one {words_of(where)}"
                f"{f', with the images {some}' if names else ''}; none of them changed the weights: try a lower --lr, "
                "or look at those images")

    def after_train(self):
        if not self.run:
            return
        self.look()
        if n := self.skipped - self.before:
            last = words_of(self.last_bad)
            tell_screen(self.learn, f"{plural(n, 'step')} left out in this epoch, as loss or gradient was not finite; "
                                    f"the last was {last}")

    def after_fit(self):
        if not self.run:
            return
        self.let_go()
        if self.n_steps and self.skipped == self.n_steps:
            raise UserError(f"every step had a loss or gradient that is not finite, the last one "
                        f"{words_of(self.last_bad)}: nothing was trained; try a lower --lr")

    def let_go(self):
        "The optimizer steps as before again"
        if self.late:
            for k in ("found_inf", "grad_scale"):
                vars(self.torch_opt).pop(k, None)


def squares(grads):
    """A sum that is finite if each gradient's squares are: dot products run three times as fast as norms on a CPU, but
    one by one elsewhere
    """
    if grads[0].device.type != "cpu":
        return torch.stack(torch._foreach_norm(grads)).sum().float()
    flat = [dense(g.float()).flatten() for g in grads]
    return torch.stack([torch.dot(f, f) for f in flat]).sum()


def words_of(s): return f"step {s.step:,} (epoch {s.epoch}, learning rate {s.lr:.3g})"

"""Sharpness-aware minimization on any fastai Learner: some steps go by the gradient at the worst point nearby."""
import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.training import GradientAccumulation

from ..core.calls import require_count
from ..core.errors import UserError
from ..trick.range import Range
from .accumulate import Accumulate
from .only_training import is_training

OF_A_PASS = "pred", "loss", "loss_grad", "loss_parts"  # what a forward pass and its loss leave in a Learner
SMALLEST = 1e-12  # norm of a gradient that counts as a direction


class Sam(Callback):
    """On every `every`-th step the gradient is that at w + rho · g/‖g‖, g the gradient at w: Foret et al., arXiv
    2010.01412, eq. 2 and 3.

    Both passes see the same tensors (mixed by mixup, answered once by a teacher) with the same draws of dropout. Loss
    and predictions that are recorded, and BatchNorm's averages, are the first pass's. Any scale of the loss gives the
    same point, so loss scaling needs no undoing, and of several processes all go to the same one. The norm is over all
    parameters that have a gradient.
    """
    # before_batch: after all that draws; before a Guard (15) looks at the gradient
    order, run_valid = MixedPrecision.order + 2, False

    def __init__(self, rho=.05, every=10):
        Range(above=0).require("Sam: rho=", rho)
        require_count("Sam: every=", every)
        self.rho, self.every, self.second = rho, every, False

    def before_fit(self):
        self.run = is_training(self.learn)
        if any(isinstance(cb, Accumulate | GradientAccumulation) for cb in self.learn.cbs):
            raise UserError("Sam: the batches of an accumulated step are gone when its second gradient is due: leave "
                            "one of the two out")

    @property
    def due(self): return (self.learn.train_iter + 1) % self.every == 0

    def before_batch(self):
        if self.due:
            self.draws = generators(self.x.device)

    def after_backward(self):
        if self.due and not self.second:
            self.step_from_there()

    def step_from_there(self):
        "The gradients at w become those at w + rho · g/‖g‖; all else is as after the first pass"
        params = [p for group in self.opt.param_lists for p in group if p.grad is not None]
        tensors = [*params, *self.learn.model.buffers()]
        old = [t.detach().clone() for t in tensors]
        first = {k: v for k, v in vars(self.learn).items() if k in OF_A_PASS}
        climb(params, self.rho)
        self.second = True
        try:
            self.backward_again(first["loss"])
        finally:
            self.second = False
            with torch.no_grad():
                for t, before in zip(tensors, old, strict=True):
                    t.copy_(before)
        vars(self.learn).update(first)

    def backward_again(self, loss):
        """fastai's own forward and backward pass, with all its events, on the batch as it is; steps are judged by the
        first pass's `loss`
        """
        learn = self.learn
        put_back_generators(self.draws, self.x.device)
        begin_again(learn)
        learn.pred = learn.model(*learn.xb)
        learn("after_pred")
        learn.loss_grad = learn.loss_func(learn.pred, *learn.yb)
        learn.loss = learn.loss_grad.clone()
        learn("after_loss")
        learn.loss = loss
        learn("before_backward")
        learn._backward()


def begin_again(learn):
    "What callbacks do before each forward pass, and not only before each batch"
    for cb in learn.cbs.sorted("order"):
        if isinstance(cb, MixedPrecision):
            cb.before_batch()
        elif hasattr(type(cb), "begin_again"):
            cb.begin_again()


@torch.no_grad()
def climb(params, rho):
    "w + rho · g/‖g‖ in place of w, the gradients used up"
    grads = [p.grad for p in params]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    torch._foreach_mul_(grads, rho / norm.clamp(min=SMALLEST))
    torch._foreach_add_(params, grads)
    for p in params:
        p.grad = None


def is_second(learn):
    "Whether this is a step's second pass over its batch"
    cb = vars(learn).get("sam")
    return cb is not None and cb.second


def generators(device):
    "The state of torch's generators, that of the host and that of a device that is another"
    return torch.get_rng_state(), None if device.type == "cpu" else torch.get_device_module(device).get_rng_state()


def put_back_generators(state, device):
    host, other = state
    torch.set_rng_state(host)
    if other is not None:
        torch.get_device_module(device).set_rng_state(other)

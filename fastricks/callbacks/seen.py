"""What the network sees: a training batch, copied as it goes in."""
from dataclasses import dataclass

import torch
from fastai.callback.core import Callback, CancelBatchException, CancelFitException
from fastai.callback.mixup import MixHandler
from torch import nn

from ..core.tensors import plain

NEAR = .15  # of a λ to ½


@dataclass(frozen=True)
class Batch:
    "Images as they went into the network, and their labels; under mixup their partners' labels and λ of each image"
    x: torch.Tensor
    y: torch.Tensor
    y1: torch.Tensor = None
    lam: torch.Tensor = None
    size: int = 0             # images in the whole batch, of which `x` may hold the first
    epoch: int = 0            # 0 is the first
    step: int = 0             # of the epoch; 0 is the first

    @property
    def mixed_by(self):
        "How far λ, the mean over the images, is from ½, where most is mixed; 0 where nothing is mixed"
        return 0. if self.lam is None else (self.lam.float() - .5).abs().mean().item()

    def rows(self, order):
        "The Batch of some of its images, by their places [n]"
        picked = (None if t is None else t[order] for t in (self.x, self.y, self.y1, self.lam))
        return Batch(*picked, size=self.size, epoch=self.epoch, step=self.step)


class Seen(Callback):
    """Copies the first training batch of an epoch (0 is the first) after all that callbacks did to it: `batch`.

    `n`: keep only so many images. `target` is what the training loss asks for, read off its gradient. `then(seen)` is
    called when the epoch's training is over and its time is taken.
    """
    order, run_valid = 80, False  # after_train: History (55) has stopped its clock

    def __init__(self, epoch=0, n=None, then=None): self.of_epoch, self.n, self.then, self.batch = epoch, n, then, None

    def kept(self):
        "The batch, as long as it waits to be drawn"
        if self.batch is None or self.then is None:
            return {}
        return {"batch": vars(self.batch), "target": self.target}

    def put_back(self, state):
        if state:
            self.batch, self.target = Batch(**state["batch"]), state["target"]

    def after_pred(self):
        if self.batch is not None or self.learn.epoch != self.of_epoch or self.learn.iter:
            return
        self.take(self.copied())

    def take(self, batch):
        self.batch = batch
        self.target = implied_target(lambda z: self.learn.loss_func(z, *self.learn.yb), self.learn.pred)

    def after_train(self):
        if self.batch is None or self.then is None:
            return
        then, self.then = self.then, None  # once: further training by hand draws over nothing
        then(self)

    def copied(self):
        n, (y1, lam) = self.n, self.mixing()
        return Batch(*(None if t is None else plain(t)[:n].detach().clone() for t in (self.x, self.y, y1, lam)),
                     size=len(self.y),
                     epoch=self.learn.epoch, step=self.learn.iter)

    def mixing(self):
        "(partners' labels, λ of each image) of whichever callback mixes"
        cb = next((cb for cb in self.learn.cbs if isinstance(cb, MixHandler)), None)
        return (cb.yb1[0], cb.lam.expand(len(self.y))) if cb else (None, None)

class Blank(nn.Module):
    "A network that answers 0 to everything: all of a training but its cost"
    def __init__(self, K):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(K))

    def forward(self, x): return self.zero.expand(len(x), -1)


class Look(Seen):
    """Seen that ends the training before its first step.

    Of the first `most` batches from the epoch on it takes the one whose λ is nearest ½, and looks no further than one
    that is within NEAR of it; without mixing, and with `most` 1, that is the first.
    """
    def __init__(self, epoch=0, most=1):
        super().__init__(epoch)
        self.most, self.looked = most, 0

    def after_pred(self):
        batch = self.copied()
        self.looked += 1
        if self.batch is None or batch.mixed_by < self.batch.mixed_by:
            self.take(batch)

    def before_backward(self):  # later than after_loss, where mixed precision leaves autocast
        if self.batch.mixed_by <= NEAR or self.looked == self.most:
            raise CancelFitException
        raise CancelBatchException


def implied_target(loss, z):
    """The target q [n, K] of a mean cross-entropy `loss(z)`, on the CPU: ∂L/∂z = (softmax(z) − q)/n, so q = softmax(z)
    − n ∂L/∂z.

    None for a loss that has no such target: its q changes with z. `z`: logits, whose shape and device matter.
    """
    uneven = torch.linspace(-1, 1, z.shape[1], device=z.device).repeat(len(z), 1)
    q, other = target_at(loss, torch.zeros_like(z)), target_at(loss, uneven)
    return q.cpu() if torch.allclose(q, other, atol=1e-4) else None


def target_at(loss, z):
    z.requires_grad_()
    return (z.softmax(1) - len(z) * torch.autograd.grad(loss(z), z)[0]).detach()

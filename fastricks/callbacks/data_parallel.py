"""One of several processes that train one network together."""
from inspect import signature

import torch
from fastai.callback.core import Callback
from fastai.learner import Metric
from fastai.metrics import accuracy
from fastai.torch_core import find_bs
from torch.nn.parallel import DistributedDataParallel

from ..core import ranks
from ..core.rand import STEP, draw, seed_all
from ..core.tensors import plain
from .only_training import is_training
from .sizes import batch_sizes

# the name, for this version of torch, of the switch by which process 0 would give its buffers to all in each forward
# pass
OWN_BUFFERS = next(k for k in ("forward_sync_buffers", "broadcast_buffers")
                   if k in signature(DistributedDataParallel).parameters)


class DataParallel(Callback):
    """Trains the Learner's network together with the other processes of `fastricks.ranks`, each on its share of every
    batch.

    torch's DistributedDataParallel is put around the forward pass alone: outside it `learn.model` is the plain network,
    whose weights have the same names for every number of processes. Gradients are the mean over all images of the step,
    however unequal the shares, and exchanged once a step under accumulation. `learn.loss` becomes the mean of all
    processes, so that each decides alike. What is random in the network is each process's own; λ of mixup, drawn
    before, is one for all. BatchNorm's averages are those of process 0.

    fastai's own DistributedTrainer does not fit: its loader repeats images until all processes have as many, its
    metrics are means of means, and its wrapped network gives other names to the weights of a checkpoint.
    """
    # after_loss: after distillation (5) and accumulation (6), before mixed precision scales (10)
    order, run_valid = 8, False

    def after_create(self): self.learn.recorder.loss = Exact("loss", lambda learn: learn.loss.mean())

    def before_fit(self):
        self.run = is_training(self.learn)
        if not self.run:
            return
        device = next(self.learn.model.parameters()).device
        self.plain = self.learn.model
        devices = [device] if device.type == "cuda" else None
        self.engine = DistributedDataParallel(self.plain, devices, **{OWN_BUFFERS: False})

    def before_train(self): self.sizes = batch_sizes(self.learn)

    def before_batch(self):
        i, r = self.learn.iter, ranks.here
        self.own = min(len(self.y), len(range(r.rank, self.sizes[i], r.world)))
        if r.rank:
            seed_all(draw(STEP, self.learn.seeds.seed, self.learn.epoch, i, r.rank), self.x.device)
        self.engine.require_backward_grad_sync = self.steps_now(i)  # what `no_sync` sets, for forward and backward pass
        self.begin_again()

    def begin_again(self): self.learn.model = self.engine

    def steps_now(self, i):
        n = vars(self.learn)["accumulate"].n if "accumulate" in vars(self.learn) else 1
        return (i + 1) % n == 0 or i + 1 == self.learn.n_iter

    def after_pred(self): self.learn.model = self.plain

    def after_loss(self):
        "The loss of all, and the weight of this process's: the engine takes the mean over processes, not over images"
        parts = vars(self.learn).get("loss_parts") or {}
        loss = plain(self.learn.loss).detach()
        here = torch.stack([torch.ones_like(loss), loss, *parts.values()]).float() * self.own
        self.total, *means = ranks.add(here if self.own else torch.zeros_like(here))
        self.learn.loss, *means = (m / self.total for m in means)
        if parts:
            self.learn.loss_parts = dict(zip(parts, means, strict=True))
        # accumulation has weighed by images already
        share = 1. if "accumulate" in vars(self.learn) else self.own / self.total
        self.learn.loss_grad = self.learn.loss_grad * (share * ranks.here.world)

    @torch.no_grad()
    def after_train(self):
        if not self.run:
            return
        for b in self.plain.buffers():
            torch.distributed.broadcast(b, 0)

    def after_epoch(self):
        if self.run:
            share_losses(self.learn.dls)

    def after_fit(self): self.engine = None

    def leave(self):
        "An exception in the forward pass leaves the engine in the model's place"
        if "plain" in vars(self):
            self.learn.model = self.plain


def share_losses(dls):
    "An image that one process cannot read any more is left out by all"
    losses = getattr(dls, "losses", None)
    for found in ranks.from_each(losses.found if losses else {}):
        losses.add(found.items())


class Exact(Metric):
    "The mean over all images of all processes, each counted once: sums are added up, not means"
    def __init__(self, name, f): self._name, self.f = name, f
    def reset(self): self.sum, self.n = 0., 0

    def accumulate(self, learn):
        n = find_bs(learn.yb)
        self.sum, self.n = self.sum + plain(self.f(learn)).detach() * n, self.n + n

    @property
    def value(self):
        total, n = ranks.add(torch.tensor([float(self.sum), self.n], dtype=torch.float64)).tolist()
        return total / n if n else None

    @property
    def name(self): return self._name


def exact_accuracy(): return Exact("accuracy", lambda learn: accuracy(learn.pred, *learn.yb))

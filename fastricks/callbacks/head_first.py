"""The head fitted on the frozen network's features before the first step; and a training that is no more than that."""
import time
import warnings
from functools import partial

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException
from torch import nn

from ..core import ranks
from ..core.tensors import plain
from ..trick.range import Range
from .only_training import is_training
from .screen import tell_screen

LBFGS_STEPS = 1000  # of lbfgs at most


class HeadFirst(Callback):
    """Fits the network's linear head by logistic regression on its own features of the training images, seen once as
    evaluation sees them.

    L2 with scikit-learn's `C` (> 0), lbfgs to 1e-4, on features standardised by the training images; the
    standardisation is folded into the head. A training that goes on from a checkpoint has its head already. Kumar et
    al., arXiv 2202.10054.
    """
    order, run_valid = 1, False  # before_fit: before a mean of weights begins (7)

    def __init__(self, C=1.):
        Range(above=0).require("HeadFirst: C=", C)
        self.C = C

    def before_fit(self):
        self.seconds = 0.
        self.run = not hasattr(self.learn, "gather_preds")
        if not self.run or getattr(vars(self.learn).get("checkpoint"), "state", None):
            return
        start = time.perf_counter()
        head = self.learn.model.get_classifier()
        weight, bias = fitted_head(*self.features(), head.out_features, self.C,
                                   lambda line: tell_screen(self.learn, f"head_first: {line}"))
        set_head(head, weight, bias)
        self.seconds = time.perf_counter() - start

    @torch.no_grad()
    def features(self):
        "(float32 [n, d], labels [n]) of the training images, in this process whole"
        dl = self.learn.dls.test_dl(list(self.learn.dls.train.items), with_labels=True)
        dl.rank, dl.world = 0, 1
        model, x, y = self.learn.model.eval(), [], []
        for xb, yb in dl:
            x.append(model.forward_head(model.forward_features(plain(xb)), pre_logits=True).float().cpu())
            y.append(plain(yb).cpu())
        return torch.cat(x).numpy(), torch.cat(y).numpy()


class HeadTime(Callback):
    "What fitting the head took counts as training, of the first epoch"
    order, run_valid = 56, False  # before_train: History (55) has started its clock

    def before_train(self):
        if "history" in vars(self.learn):
            self.learn.history.start -= self.learn.head_first.seconds
        self.learn.head_first.seconds = 0.


class NothingElse(Callback):
    "No step is taken: one evaluation, and the end"
    order, begun = 210, False  # after all others, Checkpoint (200) among them

    def before_fit(self):
        self.run = is_training(self.learn)
        if not self.run:
            return
        state = getattr(vars(self.learn).get("checkpoint"), "state", None)
        if state and state["epoch"]:
            raise CancelFitException  # gone on with after its one epoch
        self.begun = True
        # cancelling the training would leave the epoch's record without numbers
        self.learn.all_batches = partial(no_batches, self.learn)

    def after_epoch(self):
        if not self.begun:
            return  # learn.validate() ends an epoch too
        self.begun = False
        raise CancelFitException


def no_batches(learn): del learn.all_batches


def fitted_head(x, y, K, C, say):
    """(weight [K, d], bias [K]) of the multinomial logistic regression, with scikit-learn's `C`, on features x [n, d]
    and labels y [n] of all K classes
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    x = x.astype(np.float64)
    mean, std = x.mean(0), x.std(0)
    std[std == 0] = 1
    # of two classes sklearn fits the difference: this is the same
    model = LogisticRegression(C=C if K > 2 else 2 * C, tol=1e-4, max_iter=LBFGS_STEPS)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit((x - mean) / std, y)
    if told:
        say(f"the fit of the head had not converged after {LBFGS_STEPS} steps; the training starts from where it was")
    weight, bias = model.coef_, model.intercept_
    if K == 2:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / std
    return weight, bias - weight @ mean


@torch.no_grad()
def set_head(head, weight, bias):
    "The first process's numbers, in all of them"
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(bias))
    if not ranks.alone():
        for p in (head.weight, head.bias):
            torch.distributed.broadcast(p.data, 0)


def has_linear_head(model):
    "Whether a timm model ends in a linear head on features that it gives"
    head = model.get_classifier() if hasattr(model, "get_classifier") else None
    return isinstance(head, nn.Linear) and head.bias is not None and hasattr(model, "forward_head")

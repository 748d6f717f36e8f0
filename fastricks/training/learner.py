"""Parts -> Learner -> fit: where the tricks meet fastai."""
from dataclasses import dataclass
from functools import partial

import fastai.vision.learner  # noqa: F401  teaches fastai to show images: results, top losses
import torch
from fastai.callback.progress import ProgressCallback
from fastai.callback.schedule import ParamScheduler
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import OptimWrapper
from fastcore.basics import noop
from timm.layers import convert_sync_batchnorm

from ..callbacks.class_scores import class_scores
from ..callbacks.cleanup import leave_all
from ..callbacks.compile import Compile
from ..callbacks.data_parallel import DataParallel, exact_accuracy
from ..callbacks.guard import Guard
from ..callbacks.keep_best import KeepBest
from ..callbacks.quick import Quick
from ..callbacks.seeds import Seeds
from ..callbacks.train_loss import TrainLoss
from ..core import ranks
from ..model import optimizers
from ..model.layout import lay_out
from ..model.network import build_network, start_file
from ..model.optimizers import all_params
from ..recipe.plan import chain, make_schedule, optimizer_settings, own_kwargs
from ..recipe.schedule import Schedule
from ..trick.base import HOOKS, Opt

# torch's own optimizers, with their own betas, eps and kind of decay, in one kernel for all weights
OPTIMIZERS = {"adam": partial(optimizers.Adam, fused=True), "adamw": partial(optimizers.AdamW, fused=True),
              "sgd": partial(torch.optim.SGD, momentum=.9, nesterov=True, fused=True)}


@dataclass
class Parts:
    "All that a Learner is made from, every trick applied"
    model: object
    loss: object          # of training
    opt: Opt
    groups: list
    schedule: Schedule
    cbs: list
    choosers: list        # callbacks that pick weights or stop by the validation split
    lines: list           # what the loading of weights and teacher said


def make_parts(recipe, plan, load=True):
    """Model, loss, optimizer, groups, schedule and callbacks with the tricks applied; `load=False` leaves pre-trained
    weights out
    """
    opt = optimizer_settings(recipe, plan)
    schedule = make_schedule(recipe, plan, opt)
    model, lines = make_model(recipe, plan, load)
    groups = make_groups(plan, model, opt)
    cbs = make_callbacks(plan)
    return Parts(model, make_loss(plan), opt, groups, schedule, cbs, choosers(recipe),
                 [*lines, *(line for c in cbs for line in vars(c).get("lines", ()))])


def make_model(recipe, plan, load=True):
    "(network with the tricks applied, lines about its weights); `load=False` leaves pre-trained weights out"
    kwargs = chain(plan.tricks, "arch", own_kwargs(recipe), plan)
    model, lines = build_network(recipe.arch, plan.classes, recipe.seed, start_file(recipe) if load else None, kwargs,
                                 recipe.image_size)
    return chain(plan.tricks, "model", model, plan), lines


def make_groups(plan, model, opt): return chain(plan.tricks, "groups", all_params(model, opt.wd), model, plan)


def make_callbacks(plan):
    return [c for hook in HOOKS if hook.startswith("on_") for c in chain(plan.tricks, hook, [], plan)]


def make_loss(plan): return chain(plan.tricks, "loss", CrossEntropyLossFlat(), plan)


def make_learner(dls, parts, recipe, cbs=()):
    "An ordinary fastai Learner: loss_func and metrics are the plain ones of validation, nothing is frozen"
    model = lay_out(parts.model, dls.device, recipe.layout)
    if recipe.sync_bn and not ranks.alone():
        model = convert_sync_batchnorm(model)
    several = [] if ranks.alone() else [DataParallel()]
    learn = Learner(dls, model, loss_func=CrossEntropyLossFlat(), lr=parts.opt.lr,
                    metrics=[exact_accuracy() if several else accuracy, *class_scores()],
                    wd=[g.wd for g in parts.groups], splitter=lambda m: [g.params for g in parts.groups],
                    opt_func=partial(OptimWrapper, opt=OPTIMIZERS[recipe.opt]),
                    cbs=[Quick(), Seeds(recipe.seed), TrainLoss(parts.loss), *parts.cbs, *several, *cbs, Guard(),
                         *([Compile()] if recipe.compile is True else [])])
    learn.logger = noop  # the rows are Screen's
    return learn.remove_cbs(ProgressCallback)


def choosers(recipe):
    best = [KeepBest(recipe.chosen_by)] if recipe.keeps_best else []
    return best + ([EarlyStoppingCallback(recipe.chosen_by, patience=recipe.patience)] if recipe.patience else [])


def step_scheduler(schedule, batches, n=1, rates=()): return ParamScheduler(positions(schedule, batches, n, rates))


def positions(schedule, batches, n=1, rates=()):
    """What fastai's ParamScheduler takes: hyperparameter -> its value at a share of the fit. Batch i of an epoch
    belongs to its step i // n.

    `rates`: a factor of the learning rate for each parameter group, where they are not all 1.
    """
    def step_at(pct):
        epoch, i = divmod(round(pct * schedule.epochs * batches), batches)
        return epoch * schedule.per_epoch + i // n

    def lr(pct): return schedule(step_at(pct))

    scheds = {"lr": (lambda pct: [r * lr(pct) for r in rates]) if {*rates} - {1.} else lr}
    if schedule.mom:
        scheds["mom"] = lambda pct: schedule.mom(step_at(pct), schedule)
    return scheds


def fit(learn, parts):
    "Train for the schedule's epochs; the scheduler sets the learning rate of each step"
    rates = [g.rate for g in parts.groups]
    cbs = [step_scheduler(parts.schedule, len(learn.dls.train), parts.opt.batches, rates), *parts.choosers]
    try:
        learn.fit(parts.schedule.epochs, cbs=cbs)
    except BaseException:
        leave_all(learn)
        raise
    return learn

"""The tricks as parts of anybody's own Learner, where they are no callback by themselves: schedules, losses, parameter
groups, networks.
"""
from typing import Any

import numpy as np
from fastai.callback.schedule import ParamScheduler
from torch import nn

from ..core.calls import checked_call, require_count
from ..core.errors import UserError, one_of
from ..model.network import build_network, check_arch, zero_last_gammas
from ..model.optimizers import is_weight
from ..recipe.given import recipe_from, texts_of
from ..recipe.plan import chain, make_schedule
from ..recipe.registry import registry
from ..recipe.schedule import Schedule
from ..recipe.select import select
from ..training.learner import positions
from ..trick.base import Opt, Plan, Trick

SCHEDULE = ["schedule"]


class TrickSchedule(ParamScheduler):
    """Moves the learning rate of a Learner as schedule tricks have it, step by step, over the epochs of its fit.

    The highest rate is what `fit` was given (or the Learner's `lr`), of each parameter group its own; a callback with
    `batches_a_step`, which makes one step of several batches, makes fewer steps. `schedule` is the Schedule of the last
    fit.
    """
    def __init__(self, texts: list[str]) -> None:
        super().__init__({})
        self.texts = texts
        self.schedule: Schedule | None = None

    def before_fit(self) -> None:
        rates = np.array([h["lr"] for h in self.opt.hypers])
        n = max(getattr(cb, "batches_a_step", 1) for cb in self.learn.cbs)
        batches, top = len(self.learn.dls.train), rates.max()
        self.schedule = schedule_for(self.texts, float(top), self.learn.n_epoch, batches, n)
        self.scheds = positions(self.schedule, batches, n)
        rate = self.scheds["lr"]
        self.scheds["lr"] = lambda pct: rate(pct) * (rates / top)
        super().before_fit()


def schedule_for(texts: list[str], lr: float, epochs: int, batches: int, n: int) -> Schedule:
    "The Schedule of tricks with a highest rate `lr`, for `epochs` of `batches` batches of which `n` make a step"
    recipe = recipe_from(None, texts, None, {"lr": lr, "epochs": epochs})
    return make_schedule(recipe, Plan(recipe, recipe.make_tricks(), batches=batches), Opt(recipe.opt, lr, 0., n))


@checked_call
def scheduler(tricks: Any = "cosine") -> TrickSchedule:
    """A callback that moves the learning rate as warmup, cosine, step or one_cycle have it: `learn.fit(5, 3e-3,
    cbs=ft.scheduler("warmup+cosine"))`.

    `tricks`: a text or a list of texts, of schedule tricks alone. Raises UserError for others.
    """
    texts = texts_of(tricks)
    named = select({}, texts)
    known = [name for name, cls in registry().items() if cls.changes() == SCHEDULE]
    if odd := [name for name in named if name not in known]:
        raise UserError(f"scheduler: {one_of(odd)} does not change the learning rate: give {one_of(known)}")
    if not named:
        raise UserError(f"scheduler needs a trick: one of {one_of(known)}")
    return TrickSchedule(texts)


@checked_call
def label_smoothing(classes: int, eps: float = .1, form: str = "paper") -> nn.Module:
    """A smoothed training loss, for `TrainLoss`: a share `eps` of the target mass is spread over the other classes.

    `classes`: K, the number of classes; `form`: paper (true class 1−ε, others ε/(K−1): arXiv 1812.01187 eq. 4) or
    uniform (1−ε+ε/K and ε/K: torch, fastai, Keras). Raises UserError for values out of range.
    """
    require_count("label_smoothing: classes=", classes, 2)
    trick = registry()["label_smoothing"](**{"eps": eps, "form": form})  # its own class knows these keys
    return trick.loss(nn.CrossEntropyLoss(), Plan(recipe_from(), (), classes))


@checked_call
def zero_gamma(model: nn.Module) -> nn.Module:
    """The model with γ = 0 in the last BatchNorm of each residual branch, so that each block starts as the identity:
    arXiv 1812.01187 §3.1.

    For a fresh network, before its Learner is made. Raises UserError for one that has no such branch.
    """
    require_module("zero_gamma", model)
    if not zero_last_gammas(model):
        raise UserError(f"zero_gamma: this {type(model).__name__} has no residual branch that ends in a BatchNorm")
    return model


@checked_call
def param_groups(model: nn.Module, wd: float = .01) -> list[dict[str, Any]]:
    """No bias decay, for torch's optimizers: one group of the weights of convolutions and linear modules with weight
    decay `wd`, one of all else without. arXiv 1812.01187 §3.1. For a fastai Learner: `decay_splitter`.
    """
    require_module("param_groups", model)
    weights, others = split_decay(model)
    return [{"params": weights, "weight_decay": wd}, {"params": others, "weight_decay": 0.}]


@checked_call
def decay_splitter(model: nn.Module) -> list[list[nn.Parameter]]:
    """No bias decay, for a Learner: `Learner(…, splitter=ft.decay_splitter, wd=[.01, 0.])` with one of torch's
    optimizers.

    Two groups: the weights of convolutions and linear modules, and all else. (fastai's own optimizers leave biases and
    norms out already.)
    """
    require_module("decay_splitter", model)
    return list(split_decay(model))


def split_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    decays, ps = is_weight(model), [p for p in model.parameters() if p.requires_grad]
    return [p for p in ps if decays(p)], [p for p in ps if not decays(p)]


@checked_call
def create_model(arch: str, classes: int, tricks: Any = (), seed: int = 0, size: int | None = None) -> nn.Module:
    """A timm network with new weights that are a function of `seed`, and no hidden trick: timm's ResNets start with
    zero γ, this does not.

    `tricks`: zero_gamma and resnet_d, as `-t` has them; `size`: pixels of the images, for networks that are made for
    one size, as vision transformers are (default: timm's own). Raises UserError for what timm has not.
    """
    require_count("create_model: classes=", classes)
    check_arch(arch)
    recipe = recipe_from(None, tricks, None, {"arch": arch, "pretrained": False, "seed": seed})
    chosen = only_of_model(recipe.make_tricks())
    plan = Plan(recipe, chosen, classes)
    model, _ = build_network(arch, classes, seed, None, chain(chosen, "arch", {}, plan), size)
    return chain(chosen, "model", model, plan)


def only_of_model(tricks: tuple[Trick, ...]) -> tuple[Trick, ...]:
    "The tricks that change the network; others, but for a recipe's own schedule, are an error"
    odd = [t.name for t in tricks if t.changes() not in (["model"], SCHEDULE)]
    if odd:
        raise UserError(f"create_model: {one_of(odd)} does not change the network")
    return tuple(t for t in tricks if t.changes() == ["model"])


def require_module(name: str, model: object) -> None:
    if not isinstance(model, nn.Module):
        raise UserError(f"{name} takes a network (a torch module), not {model!r}")

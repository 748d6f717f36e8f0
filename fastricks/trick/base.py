"""The one abstraction: a Trick and its hooks."""
from collections.abc import Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from ..core.errors import UserError
from .range import Range
from .types import GroupLike, Loss, RecipeLike, ScheduleLike, SourceLike, ViewsLike

if TYPE_CHECKING:  # no torch at run time: a list of tricks is instant
    from fastai.callback.core import Callback
    from torch import Tensor, nn

T = TypeVar("T")

HOOKS = {  # hook: what a trick that overrides it changes. Each takes one part of a Learner and returns it changed
    "arch": "model",            # (kwargs of timm.create_model, plan) -> kwargs
    "model": "model",           # (model, plan) -> model
    "optimizer": "optimizer",   # (Opt, plan) -> Opt: learning rate, weight decay, batches a step
    "groups": "optimizer",      # ([Group], model, plan) -> [Group]: which parameters decay
    "schedule": "schedule",     # (Schedule, plan) -> Schedule
    "views": "views",           # (Views, plan) -> Views: what is done to each training image
    "loss": "loss",             # (training loss, plan) -> training loss
    "on_loss": "loss",          # ([Callback], plan) -> [Callback], as do all that begin with on_
    "on_batch": "batch",
    "on_step": "optimizer",
    "on_precision": "precision",
    "on_weights": "weights",    # which weights are looked at, kept and saved
}


@dataclass(frozen=True)
class Opt:
    "Optimizer settings: `lr` and `wd` as torch's optimizers take them, `batches` a step"
    name: str
    lr: float
    wd: float
    batches: int = 1


@dataclass(frozen=True)
class Plan:
    "What a hook may need to know: the recipe, its tricks, and what the data told"
    recipe: RecipeLike
    tricks: tuple["Trick", ...]
    classes: int = 0          # K
    n_train: int = 0          # training images
    batches: int = 0          # batches an epoch
    device: str = "cpu"
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # trick -> what its `settle` found
    counts: tuple[int, ...] = ()  # training images of each class

    def trick(self, name: str) -> "Trick | None": return next((t for t in self.tricks if t.name == name), None)

    @property
    def steps_an_epoch(self) -> int: return -(-self.batches // prod(t.batches_a_step for t in self.tricks))

    @property
    def steps(self) -> int: return self.recipe.epochs * self.steps_an_epoch

    def steps_in(self, x: float) -> float:
        "Steps in `x`: a fraction of the run if < 1, else epochs; not rounded"
        return x * (self.steps if x < 1 else self.steps_an_epoch)


@dataclass(frozen=True)
class Wanted:
    """A trained network that a trick needs: a run's folder, a file of weights, or an architecture, which is trained
    first
    """
    key: str                # the trick's key that names it, as `my_trick:network`
    value: str              # of that key
    role: str = "network"   # what messages call it
    back: str = "this run"  # what messages call the run that needs it
    weights: str = ""       # where an architecture's training starts
    seed: int = 0           # of an architecture's training
    tricks: str = "none"    # of an architecture's training
    brief: str | None = None  # the tricks of one that is too short for those; None: there are no others

    @property
    def field(self) -> str: return self.key.partition(":")[2]

    @property
    def kind(self) -> str:
        "`run`, `file` or `arch`; what looks like a path but is none is an error"
        path = Path(self.value)
        if path.is_dir():
            return "run"
        if path.suffix == ".safetensors" or path.is_file():
            return "file"
        if "/" in self.value or "\\" in self.value:
            raise UserError(
                f"{self.key}={self.value} is not there: give a finished run's folder, a FILE.safetensors or an "
                "architecture")
        return "arch"


class RoomLike(Protocol):
    """What training offers a trick while it settles (`training.room.Room`).

    `say` a line to the user; where `dry`, nothing may be trained; the `fingerprint` of the data; a `network` as (value
    of its key, facts), which is trained now if it is not there yet.
    """
    @property
    def dry(self) -> bool: ...
    def say(self, line: str, /) -> object: ...
    def fingerprint(self, source: SourceLike) -> str: ...
    def network(self, wanted: Wanted, recipe: RecipeLike, source: SourceLike) -> tuple[str, dict[str, Any]]: ...


def key(default: T, help: str, above: float | None = None, least: float | None = None, below: float | None = None,
        most: float | None = None, choices: tuple[str, ...] | None = None) -> T:
    """A hyperparameter of a trick: default, meaning, and the open (`above`, `below`) or closed (`least`, `most`) range.

    It is a dataclass's field, and to a type checker its default, as `dataclasses.field` is.
    """
    return field(default=default, metadata=dict(help=help, range=Range(above, least, below, most, choices)))


class Trick:
    """Base of all tricks. A subclass is a frozen dataclass whose fields are its hyperparameters.

    It overrides one or two of `HOOKS`. What `fastricks tricks` says it changes follows from which.
    """
    source: ClassVar[str] = ""                     # paper, section, equation
    formula: ClassVar[str] = ""                    # as the paper writes it
    cost: ClassVar[str] = "nothing"                # time or memory
    slot: ClassVar[str] = ""                       # tricks of one slot exclude each other; "schedule" is always filled
    conflicts: ClassVar[Mapping[str, str]] = {}    # name of another trick: why not together
    after: ClassVar[tuple[str, ...]] = ()          # tricks whose hooks come before this one's
    new_start: ClassVar[bool] = False              # it changes the weights that a training starts from
    # a schedule whose rates do not depend on the run's length before its end
    ends_apart: ClassVar[bool] = False
    # it is meant for classes of unequal sizes: the report on data names it
    evens: ClassVar[bool] = False
    # of keys that came later: the value that recipes have which were recorded without them
    before: ClassVar[Mapping[str, Any]] = {}
    origin: ClassVar[dict[str, str] | None] = None  # of a trick from outside: its file or entry point, and its hash

    name: str  # of its file or entry point, given by the registry
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # every subclass that is run is a dataclass

    @classmethod
    def hooks(cls) -> list[str]: return [h for h in HOOKS if getattr(cls, h) is not getattr(Trick, h)]

    @classmethod
    def changes(cls) -> list[str]: return list(dict.fromkeys(HOOKS[h] for h in cls.hooks()))

    def keys(self) -> dict[str, Any]: return asdict(self)

    def numeric_keys(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        "The keys that enter a run's identity; one that came later does where its value is not what runs had before"
        return {k: v for k, v in self.keys().items() if k not in self.before or v != self.before[k]}

    def __post_init__(self) -> None:
        for f in fields(self):
            limits = f.metadata.get("range", Range())  # a plain field of somebody's own trick has none
            limits.require(f"{self.name}:{f.name}=", getattr(self, f.name), show)

    def check(self, recipe: RecipeLike, tricks: "tuple[Trick, ...]") -> None:
        "Raise UserError where this recipe makes the trick impossible or the identity"

    def check_plan(self, plan: Plan) -> None:
        """Raise UserError where this run's plan, as its length or its classes, makes the trick impossible or the
        identity: all that its `loss` and `on_…` refuse, without torch; they ask it first
        """

    @classmethod
    def less_memory(cls, recipe: RecipeLike) -> str:
        "How this trick helps a recipe that did not fit into memory, a clause; empty where it can't"
        return ""

    @property
    def batches_a_step(self) -> int: return 1

    def rehearsal(self) -> Self:
        "This trick for steps that do not count, as those that look for a learning rate"
        return self

    def needs(self) -> Wanted | None:
        "The trained network that this run needs before it begins: a Wanted, or None"
        return None

    def settle(self, recipe: RecipeLike, source: SourceLike, room: RoomLike) -> tuple[Self, dict[str, Any]]:
        """Decide, before training, what machine and data decide: (trick, facts). `room` is what training offers, see
        RoomLike
        """
        wanted = self.needs()
        if not wanted:
            return self, {}
        value, facts = room.network(wanted, recipe, source)
        return replace(self, **{wanted.field: value}), facts

    def of_length(self) -> list[str]:
        "The keys, as `ema:half_life`, by which what this trick does early in a run depends on how many epochs that has"
        return []

    def least_side(self, recipe: RecipeLike) -> int:
        "Pixels of the smallest images that training has with it"
        return recipe.size

    # warnings: known bad company
    def advice(self, recipe: RecipeLike, tricks: "tuple[Trick, ...]") -> list[str]: return []
    def caution(self) -> list[str]: return []                          # what every comparison with it must say, lines
    def explain(self, plan: Plan) -> str: return self.summary          # what it changes in this run, a line

    def targets(self, targets: "dict[str, Tensor]", images: "Tensor", plan: Plan) -> "dict[str, Tensor]":
        """What the training asks the network for, title -> [n, K]: the labels' `target`, and what else this trick asks
        of `images` [n, 3, h, w]
        """
        return targets

    def arch(self, kwargs: dict[str, Any], plan: Plan) -> dict[str, Any]: return kwargs
    def model(self, model: "nn.Module", plan: Plan) -> "nn.Module": return model
    def optimizer(self, opt: Opt, plan: Plan) -> Opt: return opt
    def groups(self, groups: list[GroupLike], model: "nn.Module", plan: Plan) -> list[GroupLike]: return groups
    def schedule(self, sched: ScheduleLike, plan: Plan) -> ScheduleLike: return sched
    def views(self, views: ViewsLike, plan: Plan) -> ViewsLike: return views
    def loss(self, loss_func: Loss, plan: Plan) -> Loss: return loss_func
    def on_loss(self, cbs: "list[Callback]", plan: Plan) -> "list[Callback]": return cbs
    def on_batch(self, cbs: "list[Callback]", plan: Plan) -> "list[Callback]": return cbs
    def on_step(self, cbs: "list[Callback]", plan: Plan) -> "list[Callback]": return cbs
    def on_precision(self, cbs: "list[Callback]", plan: Plan) -> "list[Callback]": return cbs
    def on_weights(self, cbs: "list[Callback]", plan: Plan) -> "list[Callback]": return cbs

    @property
    def summary(self) -> str: return (type(self).__doc__ or "").strip().split("\n")[0]

    def __str__(self) -> str:
        "The selection that makes this trick: only the keys that are not the defaults"
        given = [f"{f.name}={quoted(show(getattr(self, f.name)))}" for f in fields(self)
                 if getattr(self, f.name) != f.default]
        return self.name + (":" + ",".join(given) if given else "")


def show(v: object) -> str:
    "A key's value as the selection language writes it"
    if isinstance(v, tuple):
        return "/".join(show(o) for o in v)
    if isinstance(v, bool):
        return str(v).lower()
    return f"{v:g}" if isinstance(v, float) else str(v)


def require_uneven(name: str, plan: Plan) -> None:
    "Raise UserError where a trick that makes up for unequal classes has nothing to do, or nothing to go by"
    if not all(plan.counts):
        raise UserError(f"{name} goes by the number of training images of each class, and one class has none")
    if len({*plan.counts}) < 2:
        raise UserError(f"{name} changes nothing: each class has {plan.counts[0]:,} training images; leave it out")
def quoted(text: str) -> str:
    "A value in quotes, where it has signs of the selection language"
    if not any(sign in text for sign in "+,'\""):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"


def effective_batch(recipe: RecipeLike, tricks: Iterable[Trick]) -> int:
    "Images a step: batch × processes × batches accumulated"
    return recipe.whole_batch * prod(t.batches_a_step for t in tricks)

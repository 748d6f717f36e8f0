"""The one abstraction: a Trick, its hooks, the registry, the selection language."""
from dataclasses import asdict, dataclass, field, fields, replace
from math import prod
from pathlib import Path

from ..core.errors import UserError
from .range import Range

HOOKS = {  # hook: what a trick that overrides it changes. Each takes one part of a Learner and returns it changed
    "arch": "model",            # (kwargs of timm.create_model, plan) -> kwargs
    "model": "model",           # (model, plan) -> model
    "optimizer": "optimizer",   # (Opt, plan) -> Opt: learning rate, weight decay, batches a step
    "groups": "optimizer",      # ([Group], model, plan) -> [Group]: which parameters decay
    "schedule": "schedule",     # (Schedule, plan) -> Schedule
    "loss": "loss",             # (training loss, plan) -> training loss
    "on_loss": "loss",          # ([Callback], plan) -> [Callback], as do the next three
    "on_batch": "batch",
    "on_step": "optimizer",
    "on_precision": "precision",
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
    recipe: object
    tricks: tuple
    classes: int = 0          # K
    n_train: int = 0          # training images
    batches: int = 0          # batches an epoch
    device: str = "cpu"
    facts: dict = field(default_factory=dict)  # trick -> what its `settle` found

    def trick(self, name): return next((t for t in self.tricks if t.name == name), None)


@dataclass(frozen=True)
class Wanted:
    "A trained network that a trick needs: a run's folder, a file of weights, or an architecture, which is trained first"
    key: str                # the trick's key that names it, as `my_trick:network`
    value: str              # of that key
    role: str = "network"   # what messages call it
    back: str = "this run"  # what messages call the run that needs it
    weights: str = ""       # where an architecture's training starts
    seed: int = 0           # of an architecture's training
    tricks: str = "none"    # of an architecture's training

    @property
    def field(self): return self.key.partition(":")[2]

    @property
    def kind(self):
        "`run`, `file` or `arch`; what looks like a path but is none is an error"
        path = Path(self.value)
        if path.is_dir(): return "run"
        if path.suffix == ".safetensors": return "file"
        if "/" in self.value or "\\" in self.value: raise UserError(
            f"{self.key}={self.value} is not there: give a finished run's folder, a FILE.safetensors or an architecture")
        return "arch"


def key(default, help, above=None, least=None, below=None, most=None, choices=None):
    "A hyperparameter of a trick: default, meaning, and the open (`above`, `below`) or closed (`least`, `most`) range"
    return field(default=default, metadata=dict(help=help, range=Range(above, least, below, most, choices)))


class Trick:
    """Base of all tricks. A subclass is a frozen dataclass whose fields are its hyperparameters.

    It overrides one or two of `HOOKS`. What `fastricks tricks` says it changes follows from which.
    """
    source = ""       # paper, section, equation
    formula = ""      # as the paper writes it
    cost = "nothing"  # time or memory
    slot = ""         # tricks of one slot exclude each other; "schedule" is always filled
    conflicts = {}    # name of another trick: why not together
    after = ()        # tricks whose hooks come before this one's
    origin = None     # of a trick from outside: its file or entry point, and its hash

    @classmethod
    def hooks(cls): return [h for h in HOOKS if getattr(cls, h) is not getattr(Trick, h)]

    @classmethod
    def changes(cls): return list(dict.fromkeys(HOOKS[h] for h in cls.hooks()))

    def keys(self): return asdict(self)

    def __post_init__(self):
        for f in fields(self):
            limits = f.metadata.get("range", Range())  # a plain field of somebody's own trick has none
            limits.require(f"{self.name}:{f.name}=", getattr(self, f.name), show)

    def check(self, recipe, tricks):
        "Raise UserError where this recipe makes the trick impossible or the identity"

    @classmethod
    def less_memory(cls, recipe):
        "How this trick helps a recipe that did not fit into memory, a clause; empty where it can't"
        return ""

    @property
    def batches_a_step(self): return 1

    def rehearsal(self):
        "This trick for steps that do not count, as those that look for a learning rate"
        return self

    def needs(self):
        "The trained network that this run needs before it begins: a Wanted, or None"

    def settle(self, recipe, source, room):
        """Decide, before training, what machine and data decide: (trick, facts).

        `room` is what training offers: `room.say(line)`, `room.dry` (nothing may be trained), `room.fingerprint(source)` and
        `room.network(wanted, recipe, source)`, which gives (value, facts) of a network that is trained now if it is not there yet.
        """
        wanted = self.needs()
        if not wanted: return self, {}
        value, facts = room.network(wanted, recipe, source)
        return replace(self, **{wanted.field: value}), facts

    def advice(self, recipe, tricks): return []             # warnings: known bad company
    def caution(self): return []                            # what every comparison with it must say, lines
    def explain(self, plan): return self.summary            # what it changes in this run, a line

    def targets(self, targets, images, plan):
        "What the training asks the network for, title -> [n, K]: the labels' `target`, and what else this trick asks of `images` [n, 3, h, w]"
        return targets

    def arch(self, kwargs, plan): return kwargs
    def model(self, model, plan): return model
    def optimizer(self, opt, plan): return opt
    def groups(self, groups, model, plan): return groups
    def schedule(self, sched, plan): return sched
    def loss(self, loss_func, plan): return loss_func
    def on_loss(self, cbs, plan): return cbs
    def on_batch(self, cbs, plan): return cbs
    def on_step(self, cbs, plan): return cbs
    def on_precision(self, cbs, plan): return cbs

    @property
    def summary(self): return (type(self).__doc__ or "").strip().split("\n")[0]

    def __str__(self):
        "The selection that makes this trick: only the keys that are not the defaults"
        given = [f"{f.name}={show(getattr(self, f.name))}" for f in fields(self) if getattr(self, f.name) != f.default]
        return self.name + (":" + ",".join(given) if given else "")


def show(v):
    "A key's value as the selection language writes it"
    if isinstance(v, tuple): return "/".join(show(o) for o in v)
    if isinstance(v, bool): return str(v).lower()
    return f"{v:g}" if isinstance(v, float) else str(v)


def effective_batch(recipe, tricks):
    "Images a step: batch × processes × batches accumulated"
    return recipe.whole_batch * prod(t.batches_a_step for t in tricks)

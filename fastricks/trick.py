"""The one abstraction: a Trick, its hooks, the registry, the selection language."""
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from .errors import UserError, nearest, one_of

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
class Group:
    "A parameter group and its weight decay"
    name: str
    params: list
    wd: float


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


def key(default, help, above=None, least=None, below=None, most=None, choices=None):
    "A hyperparameter of a trick: default, meaning, and the open (`above`, `below`) or closed (`least`, `most`) range"
    return field(default=default, metadata=dict(
        help=help, above=above, least=least, below=below, most=most, choices=choices))


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

    @classmethod
    def key_fields(cls): return fields(cls)

    @classmethod
    def hooks(cls): return [h for h in HOOKS if getattr(cls, h) is not getattr(Trick, h)]

    @classmethod
    def changes(cls): return list(dict.fromkeys(HOOKS[h] for h in cls.hooks()))

    def keys(self): return asdict(self)

    def __post_init__(self):
        for f in fields(self): check_range(self.name, f, getattr(self, f.name))

    def check(self, recipe, tricks): "Raise UserError where this recipe makes the trick impossible or the identity"
    def settle(self, recipe, source, say, dry=False):
        "Decide, before training, what machine and data decide: (trick, facts); `dry` trains and says nothing"
        return self, {}

    def advice(self, recipe, tricks): return []             # warnings: known bad company
    def explain(self, plan): return self.summary            # what it changes in this run, a line

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


def range_text(f):
    "`above 0 and below 1` from a key's range"
    m = f.metadata
    if m["choices"]: return one_of(m["choices"])
    words = {"above": "above", "least": "at least", "below": "below", "most": "at most"}
    return " and ".join(f"{words[w]} {m[w]:g}" for w in words if m[w] is not None)


def check_range(trick, f, v):
    m = f.metadata
    if m["choices"] and v not in m["choices"]:
        raise UserError(f"{trick}:{f.name}={show(v)} is not one of {one_of(m['choices'])}{nearest(v, m['choices'])}")
    for x in v if isinstance(v, tuple) else (v,):
        bad = (not isinstance(x, str) and x is not None and not (
            (m["above"] is None or x > m["above"]) and (m["least"] is None or x >= m["least"])
            and (m["below"] is None or x < m["below"]) and (m["most"] is None or x <= m["most"])))
        if bad: raise UserError(f"{trick}:{f.name}={show(x)} is out of range: it must be {range_text(f)}")


# -- the registry: a file in tricks/ is a trick

@cache
def registry():
    "name -> Trick class; importing them all costs no torch"
    from . import tricks
    found = {}
    for m in iter_modules(tricks.__path__):
        mod = import_module(f"{tricks.__name__}.{m.name}")
        cls = next(o for o in vars(mod).values()
                   if isinstance(o, type) and issubclass(o, Trick) and o.__module__ == mod.__name__)
        cls.name = m.name
        found[m.name] = cls
    return found


def trick_class(name):
    if name in registry(): return registry()[name]
    near = nearest(name.replace("-", "_"), registry()) or f"; there are {one_of(registry())}"
    raise UserError(f"no trick is called {name!r}{near}")


def schedules(): return [n for n, c in registry().items() if c.slot == "schedule"]


# -- the selection language: a+b:key=value,key=value

def parse_value(trick, f, text):
    "Text of a key as the type of its field"
    default = f.default
    try:
        if isinstance(default, tuple): return tuple(float(o) for o in text.split("/"))
        if isinstance(default, bool): return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int): return int(text)
        if isinstance(default, float): return finite(float(text))
    except (ValueError, KeyError):
        want = ("numbers joined by /" if isinstance(default, tuple) else "true or false" if isinstance(default, bool)
                else "a whole number" if isinstance(default, int) else "a number")
        raise UserError(f"{trick}:{f.name}={text} is not {want}") from None
    return text


def finite(x):
    if x != x or x in (float("inf"), float("-inf")): raise ValueError
    return x


def parse_keys(cls, text):
    "`eps=0.2,form=paper` -> {'eps': .2, 'form': 'paper'}"
    known, got = {f.name: f for f in fields(cls)}, {}
    for pair in filter(None, text.split(",")):
        k, eq, v = pair.partition("=")
        if k not in known:
            raise UserError(f"{cls.name} has no key {k!r}{nearest(k, known) or '; its keys: ' + (one_of(known) or 'none')}")
        if not eq or not v: raise UserError(f"{cls.name}:{k} needs a value, as in {cls.name}:{k}={show(known[k].default)}")
        if k in got: raise UserError(f"{cls.name}:{k} is given twice")
        got[k] = parse_value(cls.name, known[k], v)
    return got


def parse_selection(texts):
    "The -t options -> [(op, name, keys)] with op one of '+', '-', 'none'"
    ops = []
    for part in (p.strip() for t in texts for p in t.removeprefix("=").split("+")):
        if not part: raise UserError("an empty trick in -t: names are joined by single +, as in -t warmup+cosine")
        if part == "none": ops.append(("none", "", {})); continue
        if part.startswith("-"): ops.append(("-", trick_class(part[1:]).name, {})); continue
        name, _, keys = part.partition(":")
        cls = trick_class(name)
        if any(op == "+" and n == name for op, n, _ in ops): raise UserError(f"the trick {name} is named twice")
        ops.append(("+", name, parse_keys(cls, keys)))
    named = [n for op, n, _ in ops if op == "+" and n in schedules()]
    if len(named) > 1: raise UserError(f"{' and '.join(named)} are both main schedules: a run has just one")
    return ops


def select(tricks, texts):
    """Apply -t options to a recipe's `tricks` (name -> keys) and return the new mapping.

    A named trick joins, or changes the keys that it names; a named main schedule takes the place of another.
    """
    tricks = {n: dict(k) for n, k in tricks.items()}
    for op, name, keys in parse_selection(texts):
        if op == "none": tricks = {}
        elif op == "-":
            if name not in tricks: raise UserError(f"-{name}: this recipe has no {name} to take away")
            del tricks[name]
        else:
            if name in schedules(): tricks = {n: k for n, k in tricks.items() if n == name or n not in schedules()}
            tricks[name] = {**tricks.get(name, {}), **keys}
    return tricks


def make(tricks):
    "name -> keys  =>  Tricks in the order of their hooks (`after`, then by name)"
    return in_order([build(n, k) for n, k in tricks.items()])


def build(name, keys):
    cls = trick_class(name)
    known = {f.name: f for f in fields(cls)}
    if not isinstance(keys, dict): raise UserError(f"the keys of {name} are {keys!r}, not names with values")
    for k, v in keys.items():
        if k not in known: raise UserError(f"{name} has no key {k!r}{nearest(k, known)}")
        if not is_like(v, known[k].default): raise UserError(f"{name}:{k} is {v!r}: give something like {show(known[k].default)}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in keys.items()})


def is_like(v, default):
    "Whether a value, perhaps from JSON, is of a key's type"
    if isinstance(default, tuple): return isinstance(v, list | tuple) and bool(v) and all(is_like(o, .5) for o in v)
    if isinstance(default, float): return isinstance(v, int | float) and not isinstance(v, bool)
    return type(v) is type(default)


def in_order(tricks):
    left, done = sorted(tricks, key=lambda t: t.name), []
    names = {t.name for t in left}
    while left:
        t = next(t for t in left if not (set(t.after) & names - {d.name for d in done}))
        left.remove(t); done.append(t)
    return tuple(done)


def check_all(recipe, tricks):
    "Every conflict among the tricks and with the recipe, at once and without data"
    for t in tricks:
        for other in tricks:
            if other.name in t.conflicts:
                raise UserError(f"{t.name} and {other.name} do not go together: {t.conflicts[other.name]}")
        t.check(recipe, tricks)


def effective_batch(recipe, tricks):
    "Images a step: batch × processes × batches accumulated"
    return recipe.whole_batch * next((t.n for t in tricks if t.name == "accumulate"), 1)

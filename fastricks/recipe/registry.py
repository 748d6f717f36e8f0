"""All tricks: a file in `tricks/` is a trick."""
from dataclasses import fields
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..core.errors import UserError, nearest, one_of
from ..trick.base import Trick, show


@cache
def registry():
    "name -> Trick class; importing them all costs no torch"
    from .. import tricks
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

"""All tricks: a file in `tricks/` is a trick, an entry point of another package is one, and so is a file of the user's
own.
"""
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from .. import tricks
from ..core.errors import UserError, nearest, one_of
from ..trick.base import Trick, show
from ..trick.types import RecipeLike
from . import own


@cache
def registry() -> dict[str, type[Trick]]:
    "name -> Trick class, of this package and of others that are installed; importing our own costs no torch"
    found = {m.name: class_of(m.name) for m in iter_modules(tricks.__path__)}
    return {**own.installed(), **found}


def class_of(module: str) -> type[Trick]:
    "The Trick that a module of `tricks/` is"
    mod = import_module(f"{tricks.__name__}.{module}")
    cls = own.class_in(mod, f"tricks/{module}.py")
    cls.name = module
    return cls


def trick_class(name: str) -> type[Trick]:
    "The Trick of a name, or of a file of the user's own"
    if name.endswith(".py"):
        return own.load_file(name, registry())
    if name in registry():
        return registry()[name]
    if name in own.loaded:
        return own.loaded[name]
    if broken := own.why_missing(name):
        raise UserError(broken)
    known = [*registry(), *own.loaded]
    near = nearest(name.replace("-", "_"), known) or f"; there are {one_of(known)}"
    raise UserError(f"no trick is called {name!r}{near}")


def adopt(files: Mapping[str, Mapping[str, Any]]) -> None:
    "Make the tricks known that a recipe from a file brings: see `own`"
    own.adopt_files(files, registry())


def with_later_keys(tricks: Mapping[str, Any]) -> dict[str, Any]:
    "name -> keys as recorded, with those that came later: see `Trick.before`"
    return {n: {**registry()[n].before, **keys} if n in registry() and isinstance(keys, dict) else keys
            for n, keys in tricks.items()}


def schedules() -> list[str]: return [n for n, c in {**registry(), **own.loaded}.items() if c.slot == "schedule"]


def origins(names: Iterable[str]) -> dict[str, dict[str, str]]:
    "name -> where it is from, of the tricks from outside among `names`"
    return {n: origin for n in names if n not in own.strangers and (origin := trick_class(n).origin)}


def build_tricks(chosen: Mapping[str, Mapping[str, Any]]) -> tuple[Trick, ...]:
    "name -> keys  =>  Tricks in the order of their hooks (`after`, then by name)"
    return tricks_in_order([build_trick(n, k) for n, k in chosen.items()])


def build_trick(name: str, keys: Mapping[str, Any]) -> Trick:
    if not isinstance(keys, dict):
        raise UserError(f"the keys of {name} are {keys!r}, not names with values")
    if name in own.strangers and name not in own.loaded:
        return own.Stranger(name, keys)
    cls = trick_class(name)
    known = {f.name: f for f in fields(cls)}
    for k, v in keys.items():
        if k not in known:
            raise UserError(f"{name} has no key {k!r}{nearest(k, known)}")
        if not is_like(v, known[k].default):
            raise UserError(f"{name}:{k} is {v!r}: give something like {show(known[k].default)}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in keys.items()})


def is_like(v: object, default: object) -> bool:
    "Whether a value, perhaps from JSON, is of a key's type"
    if isinstance(default, tuple):
        return isinstance(v, list | tuple) and bool(v) and all(is_like(o, .5) for o in v)
    if isinstance(default, float):
        return isinstance(v, int | float) and not isinstance(v, bool)
    return type(v) is type(default)


def tricks_in_order(chosen: Iterable[Trick]) -> tuple[Trick, ...]:
    left: list[Trick] = sorted(chosen, key=lambda t: t.name)
    done: list[Trick] = []
    names = {t.name for t in left}
    while left:
        t = next(t for t in left if not (set(t.after) & names - {d.name for d in done}))
        left.remove(t)
        done.append(t)
    return tuple(done)


def check_all(recipe: RecipeLike, chosen: tuple[Trick, ...]) -> None:
    "Every conflict among the tricks and with the recipe, at once and without data"
    for t in chosen:
        for other in chosen:
            if other.name in t.conflicts:
                raise UserError(f"{t.name} and {other.name} do not go together: {t.conflicts[other.name]}")
        t.check(recipe, chosen)

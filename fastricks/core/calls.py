"""Calls from Python that do not fit: one sentence, as the command line has it, in place of a TypeError. Light."""
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

from .errors import UserError, nearest, one_of, shorten

P = ParamSpec("P")
R = TypeVar("R")
Parameters = Iterable[inspect.Parameter]
NAMELESS = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
KINDS: dict[type, tuple[type, str]] = {  # annotation -> what is taken for it, and its name
    bool: (bool, "True or False"), int: (Integral, "a whole number"), float: (Real, "a number"), str: (str, "a text"),
    PathLike: (PathLike, "a path")}


def checked_call(fn: Callable[P, R]) -> Callable[P, R]:
    """`fn`, which raises UserError where it is called with arguments that it does not have, or with values that its
    annotations rule out
    """
    signature = inspect.signature(fn)

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        require_call(fn.__name__, signature, args, kwargs)
        require_kinds(fn.__name__, signature.parameters.values(), signature.bind(*args, **kwargs).arguments)
        return fn(*args, **kwargs)
    return call


def require_call(name: str, signature: inspect.Signature, args: tuple, kwargs: Mapping[str, Any]) -> None:
    "Raise UserError unless a function of this name and signature can be called so"
    known = list(signature.parameters.values())
    nameless = [p.name for p in known if p.kind in NAMELESS]
    kinds = {p.kind for p in known}
    if len(args) > len(nameless) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        taken, odd = one_of(nameless) or "nothing", repr(args[len(nameless)])
        raise UserError(f"{name} takes {taken} without a name, and {odd} comes after: "
                        f"say what it is, as in {name}(…, {example_name(known)}={odd})")
    names = [p.name for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    for key in kwargs:
        if key in nameless[:len(args)]:
            raise UserError(f"{name}: {key} is given twice")
        if key not in names and inspect.Parameter.VAR_KEYWORD not in kinds:
            meant = nearest(key, names) or f"; it has {one_of(names)}"
            raise UserError(f"{name} has no argument {key!r}{meant}")
    needed = [p.name for p in known if p.default is p.empty and p.name in names[len(args):]]
    missing = [o for o in needed if o not in kwargs]
    if missing:
        example = ", ".join(f"{o}=…" for o in missing)
        raise UserError(f"{name} needs {one_of(missing)}: {name}({example})")


def example_name(known: list[inspect.Parameter]) -> str:
    "The name of an argument that must be named"
    named = [p.name for p in known if p.kind is p.KEYWORD_ONLY]
    return next((o for o in ("epochs", "seeds") if o in named), named[0] if named else "name")


def require_kinds(name: str, parameters: Parameters, given: Mapping[str, Any]) -> None:
    """Raise UserError for a value of another kind than its annotation; one that says more than numbers, words, paths
    and None rules nothing out
    """
    for p in parameters:
        if p.name not in given:
            continue
        kinds = [get_origin(o) or o for o in get_args(p.annotation) or (p.annotation,)]
        if not all(o is type(None) or o in KINDS for o in kinds):
            continue
        if not any(is_of(given[p.name], o) for o in kinds):
            wanted = " or ".join(KINDS[o][1] for o in kinds if o in KINDS)
            raise UserError(f"{name}: {p.name}={shorten(repr(given[p.name]))} is not {wanted}")


def is_of(value: object, kind: type) -> bool:
    "True and False are numbers to Python, and not here"
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, KINDS[kind][0] if kind in KINDS else kind)


def require_count(name: str, value: object, least: int = 1) -> None:
    "Raise UserError unless `value` is a whole number of at least `least`; `name` is how the message begins"
    if not is_of(value, int) or value < least:  # type: ignore[operator]
        raise UserError(f"{name}{shorten(repr(value))} is not a whole number of at least {least}")

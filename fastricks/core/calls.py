"""Calls from Python that do not fit: one sentence, as the command line has it, in place of a TypeError. Light."""
import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from .errors import UserError, nearest, one_of

P = ParamSpec("P")
R = TypeVar("R")
NAMELESS = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD


def checked(fn: Callable[P, R]) -> Callable[P, R]:
    "`fn`, which raises UserError where it is called with arguments that it does not have"
    signature = inspect.signature(fn)

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        require_fit(fn.__name__, signature, args, kwargs)
        return fn(*args, **kwargs)
    return call


def require_fit(name: str, signature: inspect.Signature, args: tuple, kwargs: Mapping[str, Any]) -> None:
    "Raise UserError unless a function of this name and signature can be called so"
    known = list(signature.parameters.values())
    nameless = [p.name for p in known if p.kind in NAMELESS]
    if len(args) > len(nameless) and not any(p.kind is p.VAR_POSITIONAL for p in known):
        raise UserError(f"{name} takes {one_of(nameless) or 'nothing'} without a name, and {args[len(nameless)]!r} comes after: say what it is, "
                        f"as in {name}(…, {example(known)}={args[len(nameless)]!r})")
    names = [p.name for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    for key in kwargs:
        if key in nameless[:len(args)]: raise UserError(f"{name}: {key} is given twice")
        if key not in names and not any(p.kind is p.VAR_KEYWORD for p in known):
            raise UserError(f"{name} has no argument {key!r}{nearest(key, names) or f'; it has {one_of(names)}'}")
    missing = [p.name for p in known if p.default is p.empty and p.name in names[len(args):] and p.name not in kwargs]
    if missing: raise UserError(f"{name} needs {one_of(missing)}: {name}({', '.join(f'{o}=…' for o in missing)})")


def example(known: list[inspect.Parameter]) -> str:
    "The name of an argument that must be named"
    named = [p.name for p in known if p.kind is p.KEYWORD_ONLY]
    return next((o for o in ("epochs", "seeds") if o in named), named[0] if named else "name")

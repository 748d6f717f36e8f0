"""Options and tricks as Python gives them, in the form in which the command line has them. Light."""
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field
from functools import wraps
from numbers import Integral, Real
from os import PathLike, fspath
from types import UnionType
from typing import Any, get_args, get_type_hints

from ..core.calls import P, R, require_call, require_kinds
from ..core.errors import UserError, nearest, shorten
from ..model.options import parse_options
from ..trick.base import Trick
from .recipe import Recipe, flag_of, options, resolve

FIELD_KINDS = {int: ("a valid integer", Integral), float: ("a valid float", Real), bool: ("a valid boolean", bool),
               str: ("a text", str)}


def recipe_from(data: object = None, tricks: object = (), recipe: object = None,
                options: Mapping[str, Any] | None = None) -> Recipe:
    """The Recipe of a call from Python, as `resolve` makes it of a command line.

    `data`: what --data takes, or in its place a Recipe; `tricks`: a text as -t takes it, or several; `recipe`: a
    Recipe, a named one, a run or its folder; `options`: field -> value. Raises UserError for names and values that are
    none.
    """
    if isinstance(data, Recipe) and recipe is None:
        data, recipe = None, data
    given = given_of({**({} if data is None else {"data": data}), **(options or {})})
    return resolve(given, texts_of(tricks), recipe if recipe is None or isinstance(recipe, Recipe)
                   else text_of("recipe", recipe))


def given_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    "field -> value of options as Python gives them; None is what is not given"
    hints, known = get_type_hints(Recipe), {f.name: f for f in options()}
    for k in asked:
        if k not in known:
            raise UserError(f"no such option: {k!r}{nearest(k, known) or '; `fastricks train --help` lists them'}")
    return {k: reads(v) if (reads := known[k].metadata["reads"])
            else value_of(k, v, hints[k], known[k].metadata["word"])
            for k, v in asked.items() if v is not None}


def value_of(name: str, v: object, hint: Any, word: str | None = None) -> Any:
    """An option's value as its field has it: numpy's numbers as Python's, paths as texts; `word` may stand in place of
    a number
    """
    kind = kind_of(hint)
    if word and isinstance(v, str):
        return v if kind is bool else word_or_number(name, v, word)
    if kind is str:
        return text_of(name, v)
    if kind is dict:
        return parse_options(v)
    words, numbers = FIELD_KINDS[kind]
    if not isinstance(v, numbers) or (kind is not bool and isinstance(v, bool)):
        raise UserError(f"invalid value for '{flag_of(name)}': {shorten(repr(v))} is not {words}")
    return kind(v)


def kind_of(hint: Any) -> type:
    "int of `int | None`"
    if not isinstance(hint, UnionType):
        return hint
    return next(o for o in get_args(hint) if o is not type(None))


def word_or_number(name: str, v: str, word: str) -> str | float:
    try:
        return v if v == word else float(v)
    except ValueError:
        raise UserError(f"{flag_of(name)} {v} is neither a number nor {word!r}{nearest(v, [word])}") from None


def text_of(name: str, v: object) -> str:
    "A text, a path, or what has one, as a run its folder"
    if isinstance(v, str | PathLike):
        return str(fspath(v))
    raise UserError(f"invalid value for '{flag_of(name)}': {shorten(repr(v))} is neither a text nor a path")


def texts_of(tricks: object) -> list[str]:
    "The -t texts of what Python gives: one text or Trick, or several; None for none"
    if tricks is None:
        return []
    if isinstance(tricks, str | Trick):
        return [str(tricks)]
    if isinstance(tricks, Mapping) or not isinstance(tricks, Iterable):
        raise UserError(not_tricks(tricks))
    found = list(tricks)
    for o in found:
        if not isinstance(o, str | Trick):
            raise UserError(not_tricks(o))
    return [str(o) for o in found]


def not_tricks(o: object) -> str:
    return f"tricks are a text or a list of texts, as in 'warmup+cosine+mixup:alpha=.4', not {shorten(repr(o))}"


def with_recipe_options(fn: Callable[P, R]) -> Callable[P, R]:
    """Give a function `(…, **options)` the fields of Recipe as arguments with names, for Tab and help.

    What does not fit its signature raises UserError, as `core.calls.checked_call` has it.
    """
    return with_fields(fn, options())


def with_fields(fn: Callable[P, R], more: Iterable[Field]) -> Callable[P, R]:
    "Give a function `(…, **options)` these fields of dataclasses as arguments with names"
    own = inspect.signature(fn)
    mine = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [(f, as_argument(f)) for f in more if f.name not in own.parameters]
    shown = own.replace(parameters=[*mine, *(p for _, p in added)])
    own_kinds = [*mine, *(p for f, p in added if not is_recipes(f))]  # the recipe's are `given_of`'s

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        require_call(fn.__name__, shown, args, kwargs)
        require_kinds(fn.__name__, own_kinds, shown.bind(*args, **kwargs).arguments)
        return fn(*args, **kwargs)
    call.__signature__ = shown  # type: ignore[attr-defined]
    return call


def as_argument(f: Field) -> inspect.Parameter:
    "A field as an argument; one of Recipe that is not given is None, as it may come from a named recipe"
    default = None if is_recipes(f) else f.default
    return inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=f.type)


def is_recipes(f: Field) -> bool: return "numeric" in f.metadata

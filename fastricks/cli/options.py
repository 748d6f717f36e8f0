"""Arguments that several verbs have: the fields of Recipe, -t, --recipe, a trained run. Light."""
import inspect
from dataclasses import MISSING
from functools import wraps
from typing import Annotated, get_type_hints

import typer

from ..core.errors import UserError, nearest
from ..model.options import parse_options
from ..recipe import own
from ..recipe.recipe import Recipe, flag_of, options, takes_word
from .help import group_of

TrickTexts = Annotated[list[str] | None, typer.Option(
    "--tricks", "-t", metavar="TRICKS", help="tricks to add, as warmup+cosine+mixup:alpha=.4; -t=-NAME takes one "
                                             "away, -t none all",
    show_default=False)]
RecipeName = Annotated[str | None, typer.Option(
    metavar="NAME", help="a named recipe (see `fastricks recipes`), or a run folder to repeat", show_default=False)]
Trained = Annotated[str, typer.Argument(metavar="RUN",
                                        help="a finished run's folder, its model.safetensors, or hf://user/name")]
License = Annotated[str | None, typer.Option(
    "--license", metavar="ID", help="the weights' licence, as the hub names it: mit, cc-by-4.0 … [default: unknown]",
    show_default=False)]
Dataset = Annotated[str | None, typer.Option(
    metavar="USER/NAME", help="where the photos are on the hub", show_default=False)]
AsGoodIn = Annotated[float, typer.Option(
    metavar="SHARE", help="a row as good as the baseline must take less than this share of its time to be called so")]
PlainT = Annotated[bool, typer.Option("--plain-t", help="no variance is steadied by the images' luck")]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


def is_pairs(f): return f.default is MISSING


def default_text(f):
    if is_pairs(f):
        return ""
    return str(f.default) if f.default is not None and f.default is not True else ("yes" if f.default is True else "")


def recipe_param(f, kind):
    "A field of the Recipe as an option: its name, type, default and help come from the field"
    m, kind = f.metadata, list[str] | None if is_pairs(f) else kind
    if takes_word(f):
        kind = bool | None  # GroupedCommand takes the word
    names = [m["flag"] or flag_of(f.name)]
    choices = m["range"] and m["range"].choices
    metavar = m["metavar"] or ("|".join(choices) if choices else None)
    text, default = m["help"], default_text(f)
    if default and "default" not in text:
        text += f" [default: {default}]"
    parser = m["reads"]
    if m["word"] and not parser and not takes_word(f):
        parser = number_or(m["word"], names[0])
    option = typer.Option(*names, help=text, metavar=metavar, show_default=False, rich_help_panel=group_of(f.name),
                          parser=parser)
    return inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def number_or(word, flag):
    "What reads an option that is a number, or that word"
    def parse(text):
        try:
            return word if text == word else float(text)
        except ValueError:
            raise UserError(f"{flag} {text} is neither a number nor {word!r}{nearest(text, [word])}") from None
    return parse


Trust = Annotated[bool, typer.Option("--trust", help="run the trick's own file that a recipe from elsewhere names")]
TRUST = inspect.Parameter("trust", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Trust)


def trust_files(yes):
    "Before a recipe is read: may the files of tricks be run that it names?"
    if yes:
        own.trust = True


def with_options(fn):
    """Give a command the fields of its last argument's class, a dataclass, as options; the command gets them as one
    object.

    A field is annotated as typer wants it; where it has no default, the option is required.
    """
    *others, last = inspect.signature(fn).parameters.values()
    kind = last.annotation

    @wraps(fn)
    def command(*args, **kw):
        own = {p.name: kw.pop(p.name) for p in others if p.name in kw}
        return fn(*args, *own.values(), kind(**kw))
    command.__signature__ = inspect.Signature([*others, *inspect.signature(kind).parameters.values()])
    return command


def with_recipe(fn, names=None):
    "Give a command `(given, selection, recipe, …)` the options of all Recipe fields, or of those with these names"
    hints = get_type_hints(Recipe)
    taken = [f for f in options() if names is None or f.name in names]
    params = [recipe_param(f, hints[f.name] | None) for f in taken]
    own = [p for n, p in inspect.signature(fn).parameters.items() if n != "given"]

    def command(**kw):
        given = {f.name: v for f in taken if (v := kw.pop(f.name)) is not None and v != []}
        given |= {f.name: parse_options(given[f.name]) for f in taken if is_pairs(f) and f.name in given}
        trust_files(kw.pop("trust"))
        return fn(given, **kw)
    command.__name__, command.__doc__ = fn.__name__, fn.__doc__
    named = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    command.__signature__ = inspect.Signature([*params, TRUST, *named])
    command.__annotations__ = {p.name: p.annotation for p in command.__signature__.parameters.values()}
    return command

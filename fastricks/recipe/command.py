"""A recipe as a command line."""
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field
from typing import Any, Protocol

from ..core.errors import UserError
from ..model.options import option_texts
from ..trick.base import Trick
from .recipe import DATA_DECIDES, LATER, Recipe, flag_of, options, resolve


class WithRecipe(Protocol):
    "What has a recipe, as the rows of a grid"
    @property
    def recipe(self) -> Recipe: ...


def option_words(given: Mapping[str, object]) -> list[str]:
    "Fields of a recipe as words of a command line; a field without a value says nothing"
    words = []
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, dict):
            words += [w for pair in option_texts(value) for w in (flag_of(name), pair)]
        elif isinstance(value, bool):
            words.append(flag_of(name) if value else "--no-" + flag_of(name)[2:])
        else:
            words += [flag_of(name), str(value)]
    return words


def command_line(given: Mapping[str, object], recipe: str | None = None, selection: Iterable[str] = ()) -> str:
    "`fastricks train …`, to be pasted into a shell"
    words = ["fastricks", "train", *(["--recipe", recipe] if recipe else []), *option_words(given)]
    for text in selection:
        words += ["-t", text]
    return shlex.join(words)


def grid_words(rows: Sequence[WithRecipe], given: Mapping[str, object]) -> list[str]:
    "The command of a grid's every run, but for its tricks and seed"
    named = rows[0].recipe.recipe
    return ["fastricks", "train", *(["--recipe", named] if named else []), *option_words(given)]


def command(recipe: Recipe) -> str | None:
    "The `fastricks train …` of a recipe, or None where options can't say it"
    name = recipe.recipe or None
    try:
        base = resolve({"data": recipe.data}, [], name)
    except UserError:
        return None
    given = {f.name: v for f in numeric_options() if (v := getattr(recipe, f.name)) != getattr(base, f.name)
             and not unsaid(f.name, v)}
    if recipe.shape != base.shape:
        given["size"] = recipe.shape or recipe.size
    if given.get("weights"):
        given.pop("pretrained", None)  # goes without saying
    selection = selection_of(recipe, base)
    if not makes(recipe, given, selection, name):
        return None
    words = ["--data", recipe.data]
    if name:
        words += ["--recipe", name]
    words += option_words(given)
    for text in selection:
        words += ["-t", text]
    return f"fastricks train {shlex.join(words)}"


def selection_of(recipe: Recipe, base: Recipe) -> list[str]:
    "The -t texts that turn the tricks of `base` into the recipe's"
    own = [trick_text(t) for t in recipe.make_tricks() if t.name in recipe.tricks]
    return [*(["none"] if base.tricks else []), *(["+".join(own)] if own else [])]


def trick_text(trick: Trick) -> str:
    "A trick as -t takes it: one of the user's own by its file"
    file = (trick.origin or {}).get("file")
    return file + str(trick).removeprefix(trick.name) if file else str(trick)


def numeric_options() -> list[Field[Any]]: return [f for f in options() if f.metadata["numeric"] and f.name != "data"]


def makes(recipe: Recipe, given: Mapping[str, Any], selection: Iterable[str], name: str | None) -> bool:
    "Do these options give this recipe?"
    try:
        r = resolve({"data": recipe.data, **given}, selection, name)
    except UserError:
        return False
    # JSON has lists for tuples
    same = lambda k: unsaid(k, getattr(recipe, k)) or json.dumps(getattr(r, k)) == json.dumps(getattr(recipe, k))
    return all(map(same, ("tricks", "schedule", "shape", *(f.name for f in numeric_options()))))


def unsaid(name: str, value: object) -> bool:
    "Is it a field that the data decides, with the value that it has for most data?"
    return name in DATA_DECIDES and value in (None, LATER[name])


def data_options(recipe: Recipe) -> str:
    "The options that say which data it is, as text"
    own = resolve({"data": recipe.data})
    fields = "classes", "per_class", "rest", "valid", "drop_duplicates", "group_by", "class_order", "size"
    given = {k: v for k in fields if (v := getattr(recipe, k)) != getattr(own, k) and not unsaid(k, v)}
    if recipe.shape:
        given["size"] = recipe.shape
    if recipe.data != Recipe.data:
        given = {"data": recipe.data, **given}
    return shlex.join(option_words(given))

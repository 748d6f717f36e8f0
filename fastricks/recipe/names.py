"""Names that follow from a recipe: of runs, of tricks, W&B's config."""
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from ..core.errors import UserError
from ..trick.base import Trick
from .command import numeric_options, unsaid
from .recipe import Recipe, resolve
from .registry import build_tricks, registry, schedules

LONGEST = 80  # letters of a name without its seed: with that and a number it has fewer than 100
SHORT_FIELDS = {"batch_size": "bs", "opt": ""}  # what a name calls a field, where that is not the field's own name
SHORT_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,16}")  # a text that may stand in a name

NamedValue = tuple[str, Any]  # the name of a field or of a trick's key, and its value


def trick_words(recipe: Recipe) -> list[str]:
    "The tricks that are on, or `baseline`; the recipe's own schedule goes without saying"
    return list(recipe.tricks) or ["baseline"]


def tricks_text(recipe: Recipe) -> str:
    "The tricks that are on, as they are selected"
    return "+".join(str(t) for t in recipe.make_tricks() if t.name in recipe.tricks) or trick_words(recipe)[0]


def base_name(recipe: Recipe, source_name: str, plain: str = "baseline") -> str:
    """Readable name of a recipe without its seed: data-arch-tricks-differences, safe in a shell and in a path, at most
    `LONGEST` letters.

    It has what differs from the defaults of the data and of the named recipe, as
    `digits-resnet18-mixup_alpha0.4-lr0.01`: recipes that differ have names that differ. What no short word can say, as
    a path, and what is too long, is in a hash at the end. `plain`: the word where no trick is on.
    """
    usual = usual_recipe(recipe)
    said, hidden = differing_words(recipe, usual)
    words = [source_name, arch_word(recipe.arch, usual.arch), recipe.recipe, *([] if recipe.tricks else [plain]), *said]
    name = joined_words(words)
    if len(name) > LONGEST:
        hidden.append(("name", name))
    return with_hash(name, hidden)


def short_name(recipe: Recipe, source_name: str) -> str:
    "A recipe's name without its differences: what all recipes of these tricks share"
    return joined_words([source_name, recipe.arch.split(".")[0], recipe.recipe, *trick_words(recipe)])


def joined_words(words: Iterable[str]) -> str:
    "One name of several words, safe in a shell and in a path"
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in "-".join(filter(None, words))).lstrip(".-")


def usual_recipe(recipe: Recipe) -> Recipe:
    "What this recipe would be if nothing but its data and its named recipe had been given"
    try:
        return resolve({"data": recipe.data}, [], recipe.recipe or None)
    except UserError:
        return resolve({"data": recipe.data})


def arch_word(arch: str, usual: str) -> str:
    "The network; the tag of its weights only where it was given and is not the usual one"
    stem = usual.split(".")[0]
    if arch == usual:
        return stem
    return f"{stem}.default_tag" if arch == stem else arch


# -- what differs from the usual recipe

def differing_words(recipe: Recipe, usual: Recipe) -> tuple[list[str], list[NamedValue]]:
    "(words of a name, what no short word can say)"
    words: list[str] = []
    hidden: list[NamedValue] = []
    for t in recipe.make_tricks():
        if t.name not in recipe.tricks:
            continue
        said, rest = values_said(own_keys(t, usual.tricks.get(t.name)))
        words.append("_".join([t.name, *said]))
        hidden += [(f"{t.name}:{k}", v) for k, v in rest]
    said, rest = values_said(field_values(recipe, usual))
    return [*words, *said], [*hidden, *rest, *own_schedule(recipe, usual)]


def own_keys(trick: Trick, usual: Mapping[str, Any] | None) -> Iterator[NamedValue]:
    "The keys of a trick that are neither its defaults nor the named recipe's"
    of_class = {name: f.default for name, f in trick.__dataclass_fields__.items()}
    known = of_class if usual is None else usual
    for k, v in trick.keys().items():
        if v != known.get(k):
            yield k, v


def own_schedule(recipe: Recipe, usual: Recipe) -> list[NamedValue]:
    "The main schedule of a recipe without one among its tricks, where it is not the usual one"
    if any(n in schedules() for n in recipe.tricks):
        return []
    own, other = (tuple(str(t) for t in build_tricks(r.schedule)) for r in (recipe, usual))  # JSON has lists for tuples
    return [("schedule", own)] if own != other else []


def field_values(recipe: Recipe, usual: Recipe) -> Iterator[NamedValue]:
    "The fields of a recipe that change its weights and are not as usual, by name"
    size, processes = recipe.shape or recipe.size, recipe.processes or 1
    given = {**{f.name: getattr(recipe, f.name) for f in numeric_options()}, "size": size, "processes": processes}
    as_usual = {**asdict(usual), "size": usual.shape or usual.size, "resize": usual_resize(recipe, size),
                "processes": 1}
    # a machine is no part of a name
    unnamed = {"arch", "seed", "device", "threads", *(["pretrained"] if recipe.weights else [])}
    for k, v in given.items():
        if k not in unnamed and v != as_usual[k] and not unsaid(k, v):
            yield k, v


def usual_resize(recipe: Recipe, size: int | str) -> int | None:
    "The --resize that follows from the --size"
    try:
        return resolve({"data": recipe.data, "size": size}, [], recipe.recipe or None).resize
    except UserError:
        return round(recipe.size * 8 / 7)


# -- words

def values_said(values: Iterable[NamedValue]) -> tuple[list[str], list[NamedValue]]:
    "(a word for each value that has one, the other values)"
    words = [(name, v, value_word(SHORT_FIELDS.get(name, name), v)) for name, v in values]
    return [word for _, _, word in words if word], [(name, v) for name, v, word in words if not word]


def value_word(name: str, v: Any) -> str | None:
    "`lr0.01`, `no_flip`, `sgd`, `fit_pad`; None where it would be long, or would not say all"
    if v is None or v is False:
        return f"no_{name}"
    if v is True:
        return name
    if is_numeric(v):
        return name + number_text(v)
    if isinstance(v, tuple | list) and len(v) < 5 and all(map(is_numeric, v)):
        return name + "_".join(map(number_text, v))
    if not isinstance(v, str) or not SHORT_WORD.fullmatch(v):
        return None
    return f"{name}_{v}" if name and not v[0].isdigit() else name + v


def is_numeric(v: Any) -> bool: return isinstance(v, int | float)


def number_text(x: float) -> str:
    "As short as it can be without being another number"
    return f"{x:g}" if float(f"{x:g}") == x else repr(x)


def with_hash(name: str, hidden: list[NamedValue]) -> str:
    "A name, cut where it must be, and six hex digits of what is not in it"
    if not hidden:
        return name
    digits = sha256(json.dumps(hidden, sort_keys=True, default=str).encode()).hexdigest()[:6]
    kept = name if len(name) <= LONGEST - 7 else name[:LONGEST - 7].rpartition("-")[0] or name[:LONGEST - 7]
    return f"{kept}-{digits}"


def tricks_config(recipe: Recipe) -> dict[str, Any]:
    "The recipe as W&B's config: nested, `tricks.NAME.on` for every trick, `tricks.NAME.key` for those in effect"
    hidden = {"schedule", "tricks", "out", "name", "wandb", "log", "checkpoint_every", "trick_files"}
    main = next(n for n in recipe.active if n in schedules())
    tricks = {n: {"on": n in recipe.active, **recipe.active.get(n, {})} for n in [*registry(), *recipe.trick_files]}
    return {**{k: v for k, v in asdict(recipe).items() if k not in hidden}, "schedule": main, "tricks": tricks}

"""Names that follow from a recipe: of runs, of tricks, W&B's config."""
from dataclasses import asdict
from typing import Any

from .recipe import Recipe
from .registry import registry, schedules


def trick_words(recipe: Recipe) -> list[str]:
    "The tricks that are on, or `baseline`; the recipe's own schedule goes without saying"
    return list(recipe.tricks) or ["baseline"]


def tricks_text(recipe: Recipe) -> str:
    "The tricks that are on, as they are selected"
    return "+".join(str(t) for t in recipe.make_tricks() if t.name in recipe.tricks) or trick_words(recipe)[0]


def base_name(recipe: Recipe, source_name: str) -> str:
    "Readable name of a recipe without its seed: data-arch-tricks, safe in a shell and in a path"
    arch, tricks = recipe.arch.split(".")[0], "-".join(trick_words(recipe))
    name = "-".join(filter(None, [source_name, arch, recipe.recipe if recipe.recipe != "" else "", tricks]))
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:100].lstrip(".-")


def tricks_config(recipe: Recipe) -> dict[str, Any]:
    "The recipe as W&B's config: nested, `tricks.NAME.on` for every trick, `tricks.NAME.key` for those in effect"
    hidden = {"schedule", "tricks", "out", "name", "wandb", "log", "checkpoint_every", "trick_files"}
    main = next(n for n in recipe.active if n in schedules())
    tricks = {n: {"on": n in recipe.active, **recipe.active.get(n, {})} for n in [*registry(), *recipe.trick_files]}
    return {**{k: v for k, v in asdict(recipe).items() if k not in hidden}, "schedule": main, "tricks": tricks}

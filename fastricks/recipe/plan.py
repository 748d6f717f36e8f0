"""What follows from a recipe and a few numbers of its data: plan, optimizer settings, schedule. No torch."""
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..trick.base import Opt, Plan, T, Trick
from ..trick.types import SourceLike
from .recipe import FIND, Recipe
from .schedule import Schedule

STEPS = 100  # an epoch's, where there is no data to count


def chain(tricks: Iterable[Trick], hook: str, part: T, *args: object) -> T:
    "Give a part through one hook of every trick"
    for t in tricks:
        part = getattr(t, hook)(part, *args)
    return part


def arch_kwargs(recipe: Recipe, classes: int = 0) -> dict[str, Any]:
    """The keyword arguments that timm's network is made with: channels, the recipe's own options, and what its tricks
    change
    """
    tricks = recipe.make_tricks()
    return chain(tricks, "arch", own_kwargs(recipe), Plan(recipe, tricks, classes))


def own_kwargs(recipe: Recipe) -> dict[str, Any]:
    "Of the recipe's fields alone"
    return {**recipe.arch_option, **({} if recipe.channels == 3 else {"in_chans": recipe.channels})}


def make_plan(recipe: Recipe, source: SourceLike, batches: int, device: str = "cpu",
              facts: dict[str, dict[str, Any]] | None = None) -> Plan:
    train = source.of("train")
    of_class = Counter(o.label for o in train)
    counts = tuple(of_class[c] for c in source.classes)
    return Plan(recipe, recipe.make_tricks(), len(source.classes), len(train), batches, device, facts or {}, counts)


def optimizer_settings(recipe: Recipe, plan: Plan) -> Opt:
    "Optimizer settings; a learning rate that is still to be found counts as 1"
    return chain(plan.tricks, "optimizer", Opt(recipe.opt, 1. if recipe.lr == FIND else recipe.lr, recipe.wd), plan)


def make_schedule(recipe: Recipe, plan: Plan, opt: Opt) -> Schedule:
    "The learning rate of every step: recipe, warm-up and main schedule together"
    steps = -(-plan.batches // opt.batches)
    return chain(plan.tricks, "schedule", Schedule(opt.lr, recipe.epochs, steps), plan).check()


def schedule_of(recipe: Recipe, steps: int | None = None, images: int | None = None) -> Schedule:
    "A recipe's Schedule, of `steps` optimizer steps an epoch or as many as `images` make"
    n = images or recipe.batch_size * (steps or STEPS)
    plan = Plan(recipe, recipe.make_tricks(), n_train=n, batches=batches_an_epoch(n, recipe.batch_size))
    opt = optimizer_settings(recipe, plan)
    if not images:
        plan = replace(plan, batches=(steps or STEPS) * opt.batches)
    return make_schedule(recipe, plan, opt)


def batches_an_epoch(n: int, bs: int) -> int:
    "Training batches of `n` images: a last one of a single image joins the one before"
    return max(-(-n // bs) - (n % bs == 1), 1)

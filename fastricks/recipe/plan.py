"""What follows from a recipe and a few numbers of its data: plan, optimizer settings, schedule. No torch."""
from collections.abc import Iterable
from typing import Any, TypeVar

from ..trick.base import Opt, Plan, Trick
from ..trick.types import SourceLike
from .recipe import FIND, Recipe
from .schedule import Schedule

T = TypeVar("T")


def chain(tricks: Iterable[Trick], hook: str, part: T, *args: object) -> T:
    "Give a part through one hook of every trick"
    for t in tricks: part = getattr(t, hook)(part, *args)
    return part


def arch_kwargs(recipe: Recipe, classes: int = 0) -> dict[str, Any]:
    "The keyword arguments that timm's network is made with: the recipe's own, and what its tricks change"
    tricks = recipe.make_tricks()
    return chain(tricks, "arch", dict(recipe.arch_option), Plan(recipe, tricks, classes))


def make_plan(recipe: Recipe, source: SourceLike, batches: int, device: str = "cpu",
              facts: dict[str, dict[str, Any]] | None = None) -> Plan:
    return Plan(recipe, recipe.make_tricks(), len(source.classes), len(source.of("train")), batches, device, facts or {})


def settings(recipe: Recipe, plan: Plan) -> Opt:
    "Optimizer settings; a learning rate that is still to be found counts as 1"
    return chain(plan.tricks, "optimizer", Opt(recipe.opt, 1. if recipe.lr == FIND else recipe.lr, recipe.wd), plan)


def make_schedule(recipe: Recipe, plan: Plan, opt: Opt) -> Schedule:
    "The learning rate of every step: recipe, warm-up and main schedule together"
    steps = -(-plan.batches // opt.batches)
    return chain(plan.tricks, "schedule", Schedule(opt.lr, recipe.epochs, steps), plan).check()


def batches_an_epoch(n: int, bs: int) -> int:
    "Training batches of `n` images: a last one of a single image joins the one before"
    return max(-(-n // bs) - (n % bs == 1), 1)

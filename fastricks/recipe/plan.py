"""What follows from a recipe and a few numbers of its data: plan, optimizer settings, schedule. No torch."""
from ..trick.base import Opt, Plan
from .recipe import FIND
from .schedule import Schedule


def chain(tricks, hook, part, *args):
    "Give a part through one hook of every trick"
    for t in tricks: part = getattr(t, hook)(part, *args)
    return part


def arch_kwargs(recipe, classes=0):
    "What the tricks change about timm's network: the keyword arguments that it is made with"
    tricks = recipe.make_tricks()
    return chain(tricks, "arch", {}, Plan(recipe, tricks, classes))


def make_plan(recipe, source, batches, device="cpu", facts=None):
    return Plan(recipe, recipe.make_tricks(), len(source.classes), len(source.of("train")), batches, device, facts or {})


def settings(recipe, plan):
    "Optimizer settings; a learning rate that is still to be found counts as 1"
    return chain(plan.tricks, "optimizer", Opt(recipe.opt, 1. if recipe.lr == FIND else recipe.lr, recipe.wd), plan)


def make_schedule(recipe, plan, opt):
    "The learning rate of every step: recipe, warm-up and main schedule together"
    steps = -(-plan.batches // opt.batches)
    return chain(plan.tricks, "schedule", Schedule(opt.lr, recipe.epochs, steps), plan).check()


def batches_an_epoch(n, bs):
    "Training batches of `n` images: a last one of a single image joins the one before"
    return max(-(-n // bs) - (n % bs == 1), 1)

"""Build loaders and network: what can be wrong is found here, before there is a run folder."""
from pathlib import Path

import torch

from ..data.loader.loaders import make_dls
from ..data.pixels.views import Views
from ..model.network import stats
from ..model.weights import read_meta
from ..recipe.plan import batches_an_epoch, chain, make_plan, make_schedule, optimizer_settings
from .learner import make_groups, make_model, make_parts
from .outline import network_tricks


def prepare(job, load=True):
    "(Parts, DataLoaders) of a Job: weights (but for `load=False`), schedule, model, loaders"
    choose_kernels_by_rule()
    recipe, source, plan = job.recipe, job.source, plan_of(job)
    dls = make_dls(source, recipe, *stats(recipe), recipe.device, chain(plan.tricks, "views", Views(), plan))
    parts = make_parts(recipe, plan, load)
    parts.lines.extend(lines_of_head(recipe.weights, source.classes) if load and recipe.weights else [])
    return parts, dls


def choose_kernels_by_rule():
    """cuDNN picks each convolution's algorithm by its rules, among those that repeat to the last bit; fastai, imported
    by now, lets it time them all: seconds for every new shape, and another choice on another day.
    """
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True


def lines_of_head(file, classes):
    """A line where the head of a run's weights, which has as many rows as there are classes, knows other ones, or in
    another order
    """
    theirs = read_meta(file).get("classes") or []
    if len(theirs) != len(classes) or theirs == [*classes]:
        return
    odd = next((a, b) for a, b in zip(theirs, classes, strict=True) if a != b)
    yield (f"mind: the head of {Path(file).name} was trained on {odd[0]!r} where this data has {odd[1]!r}: "
           "its classes are others, or in another order")


def plan_of(job):
    batches = batches_an_epoch(len(job.source.of("train")), job.recipe.whole_batch)
    return make_plan(job.recipe, job.source, batches, job.recipe.device, job.facts)


def require_fit(job):
    """Raise UserError where a Job's tricks do not fit its length or its network: what `prepare` would find, without
    weights, loaders or a teacher
    """
    plan = plan_of(job)
    opt = optimizer_settings(job.recipe, plan)
    make_schedule(job.recipe, plan, opt)
    tricks = network_tricks(plan)
    # what needs another network may have to wait until that is trained
    if not tricks or any(t.needs() for t in tricks):
        return
    model, _ = make_model(job.recipe, plan, load=False)
    make_groups(plan, model, opt)

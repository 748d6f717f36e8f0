"""The first batch of a training, as pictures: what the network sees and what the loss asks for. Nothing is trained."""
from dataclasses import replace
from typing import TYPE_CHECKING

from ..callbacks.seen import Blank, Look
from ..core.errors import UserError, plural
from ..core.rand import seeded
from ..core.words import Say, silent
from ..data.checked import open_data
from ..recipe.recipe import Recipe
from ..report.batch import View, draw_seen, draw_view_targets
from ..training.job import Job
from ..training.learner import make_learner
from ..training.prepare import prepare
from ..training.settle import settle, settle_machine
from ..training.targets import needed_facts, targets_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def look_at_batch(recipe: Recipe, epoch: int = 1, say: Say = silent) -> tuple[Job, Look]:
    "(Job, Look) of an epoch's first batch: a blank network gets it, and is stopped before it would learn anything"
    if not 1 <= epoch <= recipe.epochs:
        raise UserError(f"epoch {epoch} is none of this training's {plural(recipe.epochs, 'epoch')}")
    # just one batch is loaded
    job = settle(replace(recipe, workers=0, compile=False), source=open_data(settle_machine(recipe), say=say))
    with seeded(0):
        return job, stopped(job, epoch - 1)


def stopped(job: Job, epoch: int) -> Look:
    "The Look of an epoch's first batch"
    parts, dls = prepare(job, load=False)
    learn = make_learner(dls, replace(parts, model=Blank(len(job.source.classes))), job.recipe, [seen := Look(epoch)])
    learn.fit(job.recipe.epochs, start_epoch=epoch)
    return seen


def batch_figure(recipe: Recipe, n: int = 8, epoch: int = 1, say: Say = silent) -> "Figure":
    "The first `n` images of an epoch's first training batch as the network sees them, as a matplotlib Figure"
    job, seen = look_at_batch(recipe, epoch, say)
    return draw_seen(seen.batch, job.recipe, job.source, n)


def targets_figure(recipe: Recipe, n: int = 4, epoch: int = 1, say: Say = silent) -> "Figure":
    """The training targets of the first `n` images of an epoch's first batch, as a matplotlib Figure.

    With a teacher also its soft labels for these very images; a teacher that is not there yet is a UserError.
    """
    job, seen = look_at_batch(recipe, epoch, say)
    if seen.target is not None:
        job = replace(job, facts=needed_facts(job, say))
    return draw_view_targets(View(job.recipe, job.source, seen.batch, targets_of(job, seen, n)), n)

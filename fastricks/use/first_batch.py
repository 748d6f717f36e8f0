"""The first batch of a training, as pictures: what the network sees and what the loss asks for. Nothing is trained."""
from dataclasses import replace
from typing import TYPE_CHECKING

from ..callbacks.seen import Batch, Blank, Look
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
    from torch import Tensor


LOOKED_AT = 16  # batches of an epoch, among which the one to show is chosen


def look(recipe: Recipe, epoch: int = 1, say: Say = silent, most: int = 1) -> tuple[Job, Look]:
    """(Job, Look) of an epoch's first batch: a blank network gets it, and is stopped before it would learn anything.

    `most`: take that of the first so many batches in which most is mixed.
    """
    if not 1 <= epoch <= recipe.epochs:
        raise UserError(f"epoch {epoch} is none of this training's {plural(recipe.epochs, 'epoch')}")
    # just one batch is loaded
    job = settle(replace(recipe, workers=0, compile=False), source=open_data(settle_machine(recipe), say=say))
    with seeded(0):
        return job, stopped(job, epoch - 1, most)


def stopped(job: Job, epoch: int, most: int) -> Look:
    "The Look of an epoch's first batch, or of one of its first"
    parts, dls = prepare(job, load=False)
    learn = make_learner(dls, replace(parts, model=Blank(len(job.source.classes))), job.recipe,
                         [seen := Look(epoch, most)])
    learn.fit(job.recipe.epochs, start_epoch=epoch)
    return seen


def show_batch(recipe: Recipe, n: int = 8, epoch: int = 1, say: Say = silent) -> "Figure":
    """`n` images of a training batch as the network sees them, as a matplotlib Figure.

    The batch is the epoch's first, or where images are mixed that of its first 16 whose λ is nearest ½; the images are
    those of it that show most of what is done to them.
    """
    job, seen = look(recipe, epoch, say, LOOKED_AT)
    return draw_seen(seen.batch.rows(telling(seen.batch)[:n]), job.recipe, job.source, n)


def telling(batch: Batch) -> "Tensor":
    """Places [n] of a batch's images, those first whose λ is nearest ½, then those with most pixels at exactly the
    mean, as erased ones have
    """
    erased = (batch.x == 0).all(1).flatten(1).sum(1)
    order = erased.argsort(descending=True, stable=True)
    if batch.lam is None:
        return order
    return order[(batch.lam[order].float() - .5).abs().argsort(stable=True)]


def show_targets(recipe: Recipe, n: int = 4, epoch: int = 1, say: Say = silent) -> "Figure":
    """The training targets of the same images of a batch that `show_batch` has, as a matplotlib Figure.

    With a teacher also its soft labels for these very images; a teacher that is not there yet is a UserError.
    """
    job, seen = look(recipe, epoch, say, LOOKED_AT)
    order = telling(seen.batch)
    seen.batch = seen.batch.rows(order)
    if seen.target is not None:
        seen.target = seen.target[order.cpu()]
        job = replace(job, facts=needed_facts(job, say))
    return draw_view_targets(View(job.recipe, job.source, seen.batch, targets_of(job, seen, n)), n)

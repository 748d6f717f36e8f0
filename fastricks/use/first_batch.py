"""The first batch of a training, as pictures: what the network sees and what the loss asks for. Nothing is trained."""
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from fastai.callback.mixup import MixHandler
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.losses import CrossEntropyLossFlat

from ..callbacks.checkpoint import resume
from ..callbacks.seen import Batch, Blank, Look
from ..core.errors import UserError, plural
from ..core.rand import seeded
from ..core.words import Say, silent
from ..data.checked import open_data
from ..recipe.recipe import Recipe
from ..recipe.size import sides_of
from ..report.batch import View, draw_seen, draw_view_targets
from ..training.job import Job
from ..training.learner import Parts, make_learner
from ..training.prepare import prepare
from ..training.settle import settle, settle_machine
from ..training.targets import needed_facts, targets_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LOOKED_AT = 250  # batches among which the one to show is chosen, where images are mixed


def look_at_batch(recipe: Recipe, epoch: int = 1, say: Say = silent) -> tuple[Job, Look]:
    "(Job, Look) of an epoch's first batch: a blank network gets it, and is stopped before it would learn anything"
    return look_at(recipe, say, epoch, epoch, 1)


def look_for_mixed(recipe: Recipe, epoch: int | None, say: Say) -> tuple[Job, Look]:
    "The same of the batch whose λ is nearest ½ where images are mixed, in one epoch or, for None, from the first on"
    return look_at(recipe, say, epoch or 1, epoch or recipe.epochs, LOOKED_AT)


def look_at(recipe: Recipe, say: Say, epoch: int, last: int, most: int) -> tuple[Job, Look]:
    "The same of one of the first `most` batches from one epoch to another"
    if not 1 <= epoch <= recipe.epochs:
        raise UserError(f"epoch {epoch} is none of this training's {plural(recipe.epochs, 'epoch')}")
    # just one batch is loaded
    job = settle(replace(recipe, workers=0, compile=False), source=open_data(settle_machine(recipe), say=say))
    with seeded(0):
        return job, stopped(job, epoch - 1, last, most)


def stopped(job: Job, first: int, last: int, most: int) -> Look:
    "The Look of one of the first `most` batches of epochs (0 is the first) from `first` up to `last`"
    parts, dls = prepare(job, load=False)
    mixers = [cb for cb in parts.cbs if isinstance(cb, MixHandler)]
    if most == 1 or not mixers:
        return looked(job, parts, dls, Look(first))
    mixing = replace(parts, cbs=mixers, loss=CrossEntropyLossFlat())
    place = most_mixed(job, mixing, dls, Look(first, min(most, len(dls.train) * (last - first))))
    return looked(job, prepare(job, load=False)[0], dls, Look(place.epoch), place.step)


def most_mixed(job: Job, parts: Parts, dls: DataLoaders, seen: Look) -> Batch:
    """The batch that a Look takes, of black images.

    λ is a function of (seed, epoch, step), so black images do for all but the batch that is shown.
    """
    width, height = sides_of(job.recipe.size, job.recipe.shape)
    bs, n = dls.train.bs, len(dls.train)
    images = (bs, job.recipe.channels, height, width)
    black = [DataLoader(range(k), bs=None, num_workers=0, device=dls.device,
                        create_item=lambda _: (torch.zeros(images), torch.zeros(bs, dtype=torch.long))) for k in (n, 1)]
    return looked(job, parts, DataLoaders(*black, device=dls.device), seen).batch


def looked(job: Job, parts: Parts, dls: DataLoaders, seen: Look, step: int = 0) -> Look:
    "A Look that has seen what it looks for, from a batch of its epoch on"
    learn = make_learner(dls, replace(parts, model=Blank(len(job.source.classes))), job.recipe, [seen])
    resume(learn, {"epoch": seen.of_epoch, "batch": step})
    learn.fit(job.recipe.epochs)
    return seen


def batch_figure(recipe: Recipe, n: int = 8, epoch: int | None = None, say: Say = silent) -> "Figure":
    """`n` images of a training batch as the network sees them, as a matplotlib Figure.

    The batch is the first, or where images are mixed that of the first 250 whose λ is nearest ½; `epoch` (1 or more)
    keeps to one epoch. The images are those of the batch that show most of what is done to them.
    """
    job, seen = look_for_mixed(recipe, epoch, say)
    return draw_seen(seen.batch.rows(telling(seen.batch)[:n]), job.recipe, job.source, n)


def telling(batch: Batch) -> torch.Tensor:
    """Places [n] of a batch's images, those first whose λ is nearest ½, then those with most pixels at exactly the
    mean, as erased ones have
    """
    erased = (batch.x == 0).all(1).flatten(1).sum(1)
    order = erased.argsort(descending=True, stable=True)
    if batch.lam is None:
        return order
    return order[(batch.lam[order].float() - .5).abs().argsort(stable=True)]


def targets_figure(recipe: Recipe, n: int = 4, epoch: int | None = None, say: Say = silent) -> "Figure":
    """The training targets of the same images of a batch that `show_batch` has, as a matplotlib Figure.

    With a teacher also its soft labels for these very images; a teacher that is not there yet is a UserError.
    """
    job, seen = look_for_mixed(recipe, epoch, say)
    order = telling(seen.batch)
    seen.batch = seen.batch.rows(order)
    if seen.target is not None:
        seen.target = seen.target[order.cpu()]
        job = replace(job, facts=needed_facts(job, say))
    return draw_view_targets(View(job.recipe, job.source, seen.batch, targets_of(job, seen, n)), n)

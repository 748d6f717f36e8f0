"""The Learner of a recipe, without a run folder."""
from dataclasses import replace

from ..callbacks.history import History
from .learner import make_learner
from .prepare import prepare
from .room import Room
from .settle import settle
from .training import train


def learner_of(recipe, cbs=(), say=print):
    """(Learner, Parts) that `train` would fit for a recipe, with History: for notebooks, as it leaves no run folder.

    `fit(learn, parts)` trains it. `say` gets the notes of data and tricks.
    """
    job = settle(replace(recipe, processes=1), Room(say, train=train))
    parts, dls = prepare(job)
    return make_learner(dls, parts, job.recipe, [History(), *cbs]), parts

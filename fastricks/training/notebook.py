"""The Learner of a recipe, without a run folder."""
from dataclasses import replace

from .learner import make_learner


def learner_of(recipe, cbs=(), say=print):
    """(Learner, Parts) that `train` would fit for a recipe, with History: for notebooks, as it leaves no run folder.

    `fit(learn, parts)` trains it. `say` gets the notes of data and tricks.
    """
    from ..callbacks.history import History
    from ..data.checked import open_data
    from ..model.network import check_arch
    from .prepare import prepare
    from .room import Room
    from .settle import find_lr, settle_machine, settle_tricks
    from .training import train
    recipe = settle_machine(replace(recipe, processes=1))
    check_arch(recipe.arch)
    source = open_data(recipe, say=say)
    recipe, facts = settle_tricks(recipe, source, Room(say, train=train))
    recipe, _ = find_lr(recipe, source, facts, say)
    parts, dls = prepare(recipe, source, facts)
    return make_learner(dls, parts, recipe, [History(), *cbs]), parts

"""Build loaders and network: what can be wrong is found here, before there is a run folder."""
from ..data.loader.loaders import make_dls
from ..model.network import stats
from ..recipe.plan import make_plan
from .learner import make_parts


def prepare(job, load=True):
    "(Parts, DataLoaders) of a Job: weights (but for `load=False`), schedule, model, loaders"
    recipe, source = job.recipe, job.source
    dls = make_dls(source, recipe, *stats(recipe), recipe.device)
    plan = make_plan(recipe, source, len(dls.train), recipe.device, job.facts)
    return make_parts(recipe, plan, load), dls

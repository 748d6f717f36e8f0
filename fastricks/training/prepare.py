"""Build loaders and network: what can be wrong is found here, before there is a run folder."""
from ..data.loader.loaders import make_dls
from ..data.pixels.views import Views
from ..model.network import stats
from ..recipe.plan import batches_an_epoch, chain, make_plan
from .learner import make_parts


def prepare(job, load=True):
    "(Parts, DataLoaders) of a Job: weights (but for `load=False`), schedule, model, loaders"
    recipe, source = job.recipe, job.source
    batches = batches_an_epoch(len(source.of("train")), recipe.whole_batch)
    plan = make_plan(recipe, source, batches, recipe.device, job.facts)
    dls = make_dls(source, recipe, *stats(recipe), recipe.device, chain(plan.tricks, "views", Views(), plan))
    return make_parts(recipe, plan, load), dls

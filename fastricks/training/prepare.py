"""Build loaders and network: what can be wrong is found here, before there is a run folder."""
from ..data.loader.loaders import make_dls
from ..data.pixels.views import Views
from ..model.network import stats
from ..model.optimizers import all_params
from ..recipe.plan import batches_an_epoch, chain, make_plan, make_schedule, settings
from .learner import make_model, make_parts

OF_NETWORK = {"arch", "model", "groups"}  # hooks that a network may not fit


def prepare(job, load=True):
    "(Parts, DataLoaders) of a Job: weights (but for `load=False`), schedule, model, loaders"
    recipe, source, plan = job.recipe, job.source, plan_of(job)
    dls = make_dls(source, recipe, *stats(recipe), recipe.device, chain(plan.tricks, "views", Views(), plan))
    return make_parts(recipe, plan, load), dls


def plan_of(job):
    batches = batches_an_epoch(len(job.source.of("train")), job.recipe.whole_batch)
    return make_plan(job.recipe, job.source, batches, job.recipe.device, job.facts)


def require_fit(job):
    "Raise UserError where a Job's tricks do not fit its length or its network: what `prepare` would find, without weights, loaders or a teacher"
    plan = plan_of(job)
    opt = settings(job.recipe, plan)
    make_schedule(job.recipe, plan, opt)
    of_network = [t for t in plan.tricks if OF_NETWORK & {*t.hooks()}]
    if not of_network or any(t.needs() for t in of_network): return  # what needs another network may have to wait until that is trained
    model, _ = make_model(job.recipe, plan, load=False)
    chain(plan.tricks, "groups", all_params(model, opt.wd), model, plan)

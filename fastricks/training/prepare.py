"""Build loaders and network: what can be wrong is found here, before there is a run folder."""
from ..core.rand import NUMERICS
from ..recipe.identity import identity


def ids(recipe, source, facts):
    "What recipe.json has beside the recipe: its identity, the data's, and what the tricks settled"
    from ..data.source import fingerprint
    from ..model.weights import file_hash
    data = fingerprint(source)
    h = recipe.weights and file_hash(recipe.weights)
    return {"identity": identity(recipe, data, h, facts), "numerics": NUMERICS, "weights_sha256": h, "facts": facts,
            "data": {"fingerprint": data, "name": source.name, **{s: len(source.of(s)) for s in ("train", "valid", "test")}}}


def prepare(recipe, source, facts=None, load=True):
    "Everything that can be wrong is found here, before there is a run folder: weights (but for `load=False`), schedule, model, loaders"
    from ..data.loader.loaders import make_dls
    from ..model.network import stats
    from ..recipe.plan import make_plan
    from .learner import make_parts
    dls = make_dls(source, recipe, *stats(recipe), recipe.device)
    return make_parts(recipe, make_plan(recipe, source, len(dls.train), recipe.device, facts), load), dls

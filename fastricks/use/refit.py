"""A trained model as a fastai Learner again."""
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import UserError, one_of, plural
from ..core.words import Say
from ..data.source import Source
from ..recipe.recipe import Recipe, settle_fields
from .saved import Saved

if TYPE_CHECKING:
    import torch
    from fastai.learner import Learner


class PredictorLike(Protocol):
    "What a Learner is made of (`predictor.Predictor`, which imports this file)"
    @property
    def saved(self) -> Saved: ...
    @property
    def run(self) -> Path: ...
    @property
    def recipe(self) -> Recipe | None: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def model(self) -> "torch.nn.Module": ...
    @property
    def meta(self) -> dict[str, Any]: ...
    @property
    def device(self) -> "torch.device": ...


def learner_of_predictor(p: PredictorLike, data: str | Path | None = None, say: Say = print) -> "Learner":
    "The Learner of a Predictor: `Predictor.learner` says what of"
    from fastai.callback.progress import ProgressCallback
    from fastai.losses import CrossEntropyLossFlat
    from fastcore.imports import IN_NOTEBOOK

    from ..callbacks.history import History
    from ..data.loader.loaders import make_dls
    from ..model.optimizers import all_params
    from ..training.learner import Parts, make_learner
    from ..trick.base import Opt
    recipe = recipe_of_predictor(p, data)
    dls = make_dls(source_of_predictor(p, recipe, data, say), recipe, p.meta["mean"], p.meta["std"], p.device)
    model = deepcopy(p.model)
    parts = Parts(model, CrossEntropyLossFlat(), Opt(recipe.opt, recipe.lr, recipe.wd), all_params(model, recipe.wd),
                  None, [], [], [])  # type: ignore[arg-type]  # make_learner needs no schedule
    learn = make_learner(dls, parts, recipe, [History()])
    learn.logger = print
    return learn.add_cb(ProgressCallback()) if IN_NOTEBOOK else learn


def recipe_of_predictor(p: PredictorLike, data: str | Path | None) -> Recipe:
    """The run's recipe, or for a model file alone the least that makes its DataLoaders; pixels as the model's facts
    have them
    """
    if not (p.recipe or data):
        raise UserError(f"{p.saved.file} has no recipe.json of its run beside it: say with data= which images to open")
    r = p.recipe or settle_fields(Recipe(arch=p.meta["arch"], pretrained=False))
    return replace(r, compile=False, data=str(data or r.data), channels=len(p.meta["mean"]),
                   **{k: p.meta[k] for k in ("size", "resize", "pipeline", "fit", "shape", "icc", "white", "xmp")})


def source_of_predictor(p: PredictorLike, recipe: Recipe, data: str | Path | None, say: Say) -> Source:
    "The Source of the run's data, which must be as it was, or of other `data`"
    from ..data.checked import open_data
    from ..data.source import describe, fingerprint
    try:
        source = open_data(recipe, say=say)
    except UserError as e:
        raise UserError(f"{e}; where the data of {p.run} has moved, give data=" if not data else str(e)) from None
    was = p.saved.data.get("fingerprint")
    if not data and was and fingerprint(source) != was:
        now = f"{describe(source)}, not {split_counts(p.saved.data)}"
        raise UserError(f"the data of {p.run} has changed since the training ({now}): "
                        "give data= to use it nevertheless")
    return with_classes(source, p.classes)


def split_counts(data: dict[str, Any]) -> str:
    return one_of(f"{data[s]:,} {s}" for s in ("train", "valid", "test") if data.get(s))


def with_classes(source: Source, classes: list[str]) -> Source:
    "`source` with the model's classes, of which it may lack some"
    if odd := [o for o in source.classes if o not in classes]:
        raise UserError(f"{source.name} has {plural(len(odd), 'class', 'classes')} that the model does not know: "
                        f"{one_of(odd[:3])}{', …' if len(odd) > 3 else ''}")
    return replace(source, classes=tuple(classes))

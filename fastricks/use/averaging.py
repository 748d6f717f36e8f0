"""The average of several networks' weights, chosen greedily by the validation split: Wortsman et al., arXiv 2203.05482,
recipe 1.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import plural
from ..core.words import Say
from ..report.runs import FinishedRun
from .ingredients import Ingredients
from .saved import MODEL

if TYPE_CHECKING:
    import torch
    from fastai.learner import Learner

State = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Tried:
    "A run that was tried in a soup"
    run: FinishedRun
    row: str           # the label of its row
    alone: float       # its top-1 on the validation split, as it recorded it
    kept: bool         # was the average with it no worse?
    top1: float        # of that average, on the validation split

    @property
    def record(self) -> dict[str, Any]:
        return {
            "run": self.run.name,
            "identity": self.run.identity,
            "row": self.row,
            "seed": self.run.seed,
            "alone": self.alone,
            "kept": self.kept,
            "top1": self.top1,
        }


def best_first(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    "In the order of their validation accuracy; of equals that with the lower validation loss is first"
    return sorted(runs, key=lambda r: (-r.numbers("valid")["correct"], r.numbers("valid")["loss"], r.name))


@dataclass(frozen=True)
class Average:
    "Networks' weights together, and what their mean is worth on the validation split"
    total: State     # sums in float64; what is no weight, as a count of batches, is the first's
    n: int           # of networks
    mean: State      # of the weights, with BatchNorm's averages
    correct: int
    top1: float


def chosen(learn: "Learner", asked: Ingredients, say: Say) -> tuple[Tried, ...]:
    "The runs in the order in which they were tried; the Learner has the average of those that were kept"
    best, tried = None, list[Tried]()
    width = max(len(asked.label(run)) for run in asked.runs)
    say(f"{asked.what}: {plural(len(asked.runs), 'run')} in the order of their validation accuracy")
    for run in best_first(asked.runs):
        new = average_with(best, run, learn)
        kept = best is None or new.correct >= best.correct
        tried.append(Tried(run, asked.label(run), run.numbers("valid")["top1"], kept, new.top1))
        say(line_of_tried(tried[-1], best is None, width))
        if kept:
            best = new
    if best:
        learn.model.load_state_dict(best.mean)
    return tuple(tried)


def average_with(old: Average | None, run: FinishedRun, learn: "Learner") -> Average:
    "The Average of what there is and another run"
    from safetensors.torch import load_file

    from ..training.evaluate import metrics
    from ..training.finish import validation_logits
    state, n = load_file(run.folder / MODEL), old.n + 1 if old else 1
    total = sum_of_states(old.total, state) if old else in_float64(state)
    put_in(learn, total, n)
    numbers = metrics(*validation_logits(learn))
    return Average(total, n, {k: v.clone() for k, v in learn.model.state_dict().items()}, numbers["correct"],
                   numbers["top1"])


def line_of_tried(t: Tried, first: bool, width: int) -> str:
    "`  84.21%  mixup    with it 84.40%, kept`"
    if first:
        return f"  {t.alone:7.2%}  {t.row}"
    return f"  {t.alone:7.2%}  {t.row:{width}}  with it {t.top1:.2%}, {'kept' if t.kept else 'left out'}"


def in_float64(state: State) -> State: return {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
def sum_of_states(total: State, state: State) -> State:
    return {k: v + state[k].double() if v.is_floating_point() else v for k, v in total.items()}


def put_in(learn: "Learner", total: State, n: int) -> None:
    "The mean of n networks into the Learner's; a single one as it is, others with BatchNorm's averages made again"
    learn.model.load_state_dict({k: v / n if v.is_floating_point() else v for k, v in total.items()})
    if n > 1:
        remake_averages(learn.model, learn.dls.train)


def remake_averages(model: "torch.nn.Module", dl: Any) -> None:
    """BatchNorm's averages of the first epoch's training images, cropped and mirrored as there, each batch as much as
    another.

    Nothing else of the network is in training mode: no dropout. Without BatchNorm nothing is done.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    from ..core.tensors import plain
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    model.eval()
    old = [m.momentum for m in norms]
    for m in norms:
        m.train().reset_running_stats()
        m.momentum = None  # the mean over all batches
    dl.epoch = 0
    with torch.no_grad():
        for x, *_ in dl:
            model(plain(x))
    for m, momentum in zip(norms, old, strict=True):
        m.momentum = momentum
    model.eval()

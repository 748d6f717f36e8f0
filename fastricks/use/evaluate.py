"""A trained run looked at: its model's answers to images, its own data's or others, measured."""
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UserError, plural, visible
from ..core.progress import Progress
from ..core.words import Say, silent
from ..data.scan import some_reasons
from ..data.source import Item, Source
from ..data.sources.others import Chosen, choose_images
from ..model.weights import read_meta
from ..report.pages import quality
from ..report.runs import SPLIT_WORD, FinishedRun, Images, images_of_rows, read_run
from .saved import Saved, find_saved

if TYPE_CHECKING:
    from torch import Tensor

    from .predictor import Predictor

TTA = "mean of the probabilities of the centre crop and of its mirror image"


@dataclass(frozen=True)
class Evaluation:
    "What a run's model makes of some images"
    run: FinishedRun
    data: str                     # name of the images' data
    split: str                    # theirs, or "" where there are none
    own: bool                     # is it the data that the run was trained on, unchanged?
    tta: bool
    # as metrics.json has them: top1, top5, correct, n, loss; without TTA temperature, loss_t, ece_t
    numbers: dict[str, Any]
    images: Images
    quality: quality.Quality
    notes: tuple[str, ...]
    items: tuple[Item, ...] = ()  # of the images
    heat: dict[str, Any] = field(default_factory=dict)  # name -> LayerCAM [h, w] of a mistake among the top losses

    @property
    def where(self) -> str:
        of_split = f"{SPLIT_WORD.get(self.split, self.split)} " if self.split else ""
        return f"the {of_split}images of {self.data}"

    def record(self) -> dict[str, Any]:
        "All numbers as plain data; None where there is none"
        return {**self.what(), **self.numbers, **quality_record(self.quality), **self.mistakes(), **self.remarks()}

    def what(self) -> dict[str, Any]:
        "Of which model and images the numbers are"
        return {
            "run": self.run.name,
            "identity": self.run.identity,
            "data": self.data,
            "own_data": self.own,
            "split": self.split or None,
            "tta": TTA if self.tta else None,
        }

    def mistakes(self) -> dict[str, Any]:
        pairs = quality.confused(self.quality, 20)
        return {"confused": [{"class": a, "predicted": b, "n": n} for a, b, n in pairs],
                "highest_losses": [str(self.images.names[i]) for i in quality.worst(self.images)],
                "confusion": self.quality.confusion.tolist()}

    def remarks(self) -> dict[str, Any]: return {"intervals_are": self.quality.how(), "notes": list(self.notes)}


def quality_record(q: quality.Quality) -> dict[str, Any]:
    return {
        "intervals": {"top1": clean_ends(q.top1), "top5": clean_ends(q.top5), "loss": clean_ends(q.loss)},
        "macro_f1": value_facts(q.f1),
        "ece": {**value_facts(q.ece), "bins": quality.BINS},
        "classes": [class_record(r) for r in q.rows],
        "classes_without_images": q.absent,
        "taken_for_those": q.astray,
        "reliability": [bin_record(b) for b in q.bins],
    }


def finite_or_none(x: float) -> float | None: return x if math.isfinite(x) else None
def clean_ends(v: quality.Value) -> list[float | None]: return [finite_or_none(v.low), finite_or_none(v.high)]


def value_facts(v: quality.Value) -> dict[str, float | None]:
    return {"value": finite_or_none(v.value), "low": finite_or_none(v.low), "high": finite_or_none(v.high)}


def class_record(r: quality.ClassRow) -> dict[str, Any]:
    return {
        "class": r.name,
        "n": r.n,
        "predicted": r.predicted,
        "correct": r.hits,
        "precision": value_facts(r.precision),
        "recall": value_facts(r.recall),
        "f1": value_facts(r.f1),
    }


def bin_record(b: quality.Bin) -> dict[str, Any]:
    confidence = finite_or_none(b.confidence)
    return {"low": b.low, "high": b.high, "n": b.n, "confidence": confidence, "accuracy": value_facts(b.accuracy)}


def evaluate(run: str | PathLike[str], data: str | None = None, split: str | None = None, tta: bool = False,
             say: Say = print) -> Evaluation:
    """The Evaluation of a finished run's folder: on its own test images (validation where there are none), or on other
    `data`.

    `data`: what --data takes; classes go by name and need not all be there. `split`: train, valid or test. `tta`: the
    mean of the probabilities of each centre crop and its mirror image; nothing in it is random. `say` gets notes.
    Without it the numbers of the run's own test images are those of its metrics.json. Raises UserError for what can't
    be opened.
    """
    saved = find_saved(run)
    trained = finished_run(saved)
    chosen = choose_images(trained, saved_classes(saved), data, split)
    from .predictor import open_predictor
    device = trained.recipe.device
    return evaluated(trained, chosen, open_predictor(saved, device if available(device) else "auto"), tta, say)


def finished_run(saved: Saved) -> FinishedRun:
    "The FinishedRun of a Saved, or a UserError"
    if not saved.recipe:
        raise UserError(f"{saved.file} has no recipe.json of its run beside it: give the folder of a run")
    try:
        return read_run(saved.run)
    except ValueError as e:
        raise UserError(f"{saved.run} can't be read: {e}") from None


def saved_classes(saved: Saved) -> list[str]:
    names = read_meta(saved.file).get("classes")
    if not names:
        raise UserError(f"{saved.file} does not say which classes it knows")
    return names


def available(device: str) -> bool:
    from ..core.machine import pick_device
    try:
        return bool(pick_device(device))
    except UserError:
        return False


def evaluated(run: FinishedRun, chosen: Chosen, p: "Predictor", tta: bool, say: Say) -> Evaluation:
    import torch

    from ..training.evaluate import metrics, prediction_rows, tempered
    bad: list[tuple[str, str]] = []
    notes = [*chosen.notes, *of_mirrors(run, tta)]
    for line in notes:
        say(visible(line))
    old = torch.get_num_threads()
    try:
        torch.set_num_threads(run.recipe.threads or old)  # others would round differently
        items, logits = logits_of(p, chosen.source.items, 2 * run.recipe.batch_size, tta,
                                  lambda item, why: bad.append((item.name, why)), say)
    finally:
        torch.set_num_threads(old)
    if not items:
        raise UserError(f"no image of {chosen.source.name} can be read: {some_reasons(bad)}")
    labels = torch.tensor([p.classes.index(o.label) for o in items])
    images = images_of_rows(prediction_rows(items, logits, labels, p.classes))
    numbers = {**metrics(logits, labels), **tempered(logits, labels, None if tta else p.meta.get("temperature"))}
    later = [*of_bad(bad), *of_other_numbers(run, chosen, numbers, tta)]
    for line in later:
        say(visible(line))
    heat = {} if tta else heat_of(p, run, chosen.source.name, items, images)
    return Evaluation(run, chosen.source.name, chosen.split, chosen.own, tta, numbers, images,
                      quality.measure(images, p.classes, numbers["loss"]), (*notes, *later), tuple(items), heat)


def heat_of(p: "Predictor", run: FinishedRun, data: str, items: Sequence[Item], images: Images) -> dict[str, Any]:
    "Heat maps of the mistakes among the top losses, name -> [h, w]; {} for a network that has none"
    from ..report.pages.images import mistakes_heat
    try:
        return dict(mistakes_heat(p.model, Source(data, tuple(items), tuple(p.classes)), run.recipe, images))
    except RuntimeError:  # a network whose feature maps can't be differentiated as they are
        return {}


def logits_of(p: "Predictor", items: Sequence[Item], bs: int, tta: bool = False,
              bad: Callable[[Item, str], object] = print, say: Say = silent) -> "tuple[list[Item], Tensor]":
    "(the Items that can be read, logits [n, K] float32); `bad(item, reason)` is told of the others"
    import torch

    from ..core.machine import cores
    from ..data.pixels.ahead import ahead
    from ..data.pixels.image import quiet
    there: list[Item] = []
    xs: list[torch.Tensor] = []
    found: list[torch.Tensor] = []
    ask = lambda x: both_ways(p, x) if tta else p.logits(x)
    with quiet(), Progress("evaluation", len(items), "images", say) as progress:
        for o, x in progress.over(ahead(p.attempt, items, min(8, cores()), 2 * bs)):
            if isinstance(x, str):
                bad(o, x)
                continue
            there.append(o)
            xs.append(x)
            if len(xs) == bs:
                found.append(ask(torch.cat(xs)))
                xs = []
    if xs:
        found.append(ask(torch.cat(xs)))
    return there, torch.cat(found) if found else torch.zeros(0, len(p.classes))


def both_ways(p: "Predictor", x: "Tensor") -> "Tensor":
    "log of the mean of the probabilities of images and of their mirror images [n, K]"
    import torch
    return torch.stack([p.logits(o).double().log_softmax(1)
                        for o in (x, x.flip(3))]).logsumexp(0).sub(math.log(2)).float()


def check_page(to: str | PathLike[str] | None, run: str | PathLike[str]) -> None:
    "Before any work: can the page be written, where nobody says otherwise into the run's folder?"
    folder = Path(to).parent if to else Path(run)
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise UserError(f"{folder} can't be written to: choose another place with --to FILE.html")
    if to is None:
        return
    if Path(to).suffix.lower() != ".html":
        raise UserError(f"--to {to}: the page is an .html file, the numbers lie beside it as .json")
    if Path(to).is_dir():
        raise UserError(f"--to {to} is a folder: name a file in it, as {Path(to) / 'evaluate.html'}")


# -- notes

def of_mirrors(run: FinishedRun, tta: bool) -> list[str]:
    if not tta or run.recipe.flip:
        return []
    return ["TTA: mirrored images are new to this model, as it was trained with --no-flip"]


def of_bad(bad: list[tuple[str, str]]) -> list[str]:
    return [f"{plural(len(bad), 'image')} can't be read and left out: {some_reasons(bad)}"] if bad else []


def of_other_numbers(run: FinishedRun, chosen: Chosen, numbers: dict[str, Any], tta: bool) -> list[str]:
    "Own images must give the run's own numbers; another machine may round differently"
    if tta or not chosen.own or chosen.split != run.metrics["split"]:
        return []
    odd = [f"{k} {run.metrics[k]!r}, here {v!r}" for k, v in numbers.items() if run.metrics.get(k, v) != v]
    if not odd:
        return []
    return ["not to the last digit what metrics.json has, as another device, number of threads or version rounds "
            f"differently: {', '.join(odd)}"]

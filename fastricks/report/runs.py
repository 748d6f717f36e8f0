"""Finished runs, read from their folders. Needs no torch."""
import csv
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.errors import UserError, nearest, one_of, plural, visible
from ..core.files import read_json, read_text
from ..core.scores import balanced_hits, ece, macro_f1
from ..recipe.recipe import Recipe, read_recipe
from ..runfolder.record import soup_of

SPLIT_WORD = {"test": "test", "valid": "validation"}


@dataclass(frozen=True)
class Metric:
    "A number of a run, in the units that reports have it in"
    name: str          # its key in metrics.json
    title: str
    unit: str          # of a value
    points: str        # of a difference
    scale: float       # of metrics.json's number
    sign: int          # +1: more is better
    margin: float      # the difference that matters, unless --margin says another
    digits: int
    of_images: bool = True  # is it a mean over images, each of which has a value?


METRICS = {m.name: m for m in (
    Metric("top1", "top-1 accuracy", "%", "points", 100., 1, .5, 2),
    Metric("top5", "top-5 accuracy", "%", "points", 100., 1, .5, 2),
    Metric("loss", "cross-entropy", "nats", "nats", 1., -1, .02, 4),
    Metric("loss_t", "cross-entropy at the fitted temperature", "nats", "nats", 1., -1, .02, 4),
    Metric("macro_f1", "macro F1", "%", "points", 100., 1, .5, 2, of_images=False),
    Metric("balanced_accuracy", "balanced accuracy", "%", "points", 100., 1, .5, 2),
    Metric("ece", "expected calibration error", "%", "points", 100., -1, .5, 2, of_images=False),
    Metric("ece_t", "expected calibration error at the fitted temperature", "%", "points", 100., -1, .5, 2,
           of_images=False))}
OF_PREDICTIONS = {"top1", "macro_f1", "balanced_accuracy"}  # what is known where only the predicted classes are
FROM_PREDICTIONS = "macro_f1", "balanced_accuracy", "ece"  # no number of metrics.json


def metric_of(name):
    if name not in METRICS:
        raise UserError(f"--metric {name} is not one of {one_of(METRICS)}{nearest(name, METRICS)}")
    return METRICS[name]


# -- a run

@dataclass(frozen=True)
class Images:
    "What a run says of each image, sorted by name; arrays [I]"
    names: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray   # class names
    p: np.ndarray | None = None       # probability of the predicted class
    rank: np.ndarray | None = None    # of the true class; 0 is a hit
    loss: np.ndarray | None = None    # cross-entropy in nats
    loss_t: np.ndarray | None = None  # the same at the fitted temperature
    # of stored runs: `names` are numbers, and all that is known of an image is what was predicted
    nameless: bool = False

    def knows(self, metric):
        "Has each image what the metric is made of?"
        if self.nameless:
            return metric in OF_PREDICTIONS
        return metric != "loss_t" or self.loss_t is not None

    def of(self, metric):
        "Values [I] whose mean is the metric"
        return metric.scale * PER_IMAGE[metric.name](self)

    def number(self, name):
        "A number of all images together: macro_f1, balanced_accuracy, ece"
        if name == "ece":
            return ece(self.p, self.rank == 0)
        if name == "balanced_accuracy":
            return float(balanced_hits(self.labels, self.rank == 0).mean())
        names, coded = np.unique([self.labels, self.predicted], return_inverse=True)
        return macro_f1(*coded.reshape(2, -1), len(names))


PER_IMAGE = {
    "top1": lambda o: o.rank == 0,
    "top5": lambda o: o.rank < 5,
    "loss": lambda o: o.loss,
    "loss_t": lambda o: o.loss_t,
    "balanced_accuracy": lambda o: balanced_hits(o.labels, o.rank == 0),
}


@dataclass(frozen=True)
class FinishedRun:
    "A finished run as its folder has it"
    folder: Path
    recipe: Recipe = field(repr=False)
    identity: str
    data: dict = field(repr=False)   # fingerprint, name, and how many images train, valid and test have
    facts: dict = field(repr=False)  # trick -> what it settled
    metrics: dict = field(repr=False)
    environment: dict = field(repr=False)
    date: str = field(repr=False)

    @property
    def name(self): return visible(self.folder.name)
    @property
    def seed(self): return self.recipe.seed
    @property
    def seconds(self): return max(self.metrics["train_seconds"], .01)  # it is rounded to hundredths

    @property
    def soup(self):
        "What a soup is made of, as `soup_of` says; None for a training"
        return soup_of(self.facts)

    @property
    def chosen_by_validation(self):
        "Were its weights chosen by the validation split, whose numbers are optimistically biased then?"
        return self.recipe.keeps_best or self.soup is not None

    @property
    def plain(self):
        "Is it a training without tricks?"
        return not self.recipe.tricks and self.soup is None

    @property
    def needed(self):
        "Identities of the other networks that this run needed, as a student its teacher"
        found = [f.get("identity") for f in self.facts.values() if isinstance(f, dict)]
        return [identity for identity in found if identity and isinstance(identity, str)]

    def numbers(self, split):
        "top1, top5, loss, n … on a split"
        if split == self.metrics["split"]:
            return self.metrics
        if split in self.metrics:
            return self.metrics[split]
        why = "with --valid 0" if split == "valid" else "on data without one"
        raise UserError(f"{self.name} has no numbers of a {SPLIT_WORD[split]} split: it was trained {why}")

    def value(self, metric, split):
        "In the metric's unit; UserError where the run has it not"
        if metric.name in FROM_PREDICTIONS:
            return metric.scale * self.predicted(split, metric).number(metric.name)
        numbers = self.numbers(split)
        if metric.name in numbers:
            return metric.scale * numbers[metric.name]
        raise UserError(f"{self.name} has no {metric.name} of its {SPLIT_WORD[split]} split: "
                        "it was trained without a validation split, or by a version before it")

    def predicted(self, split, metric):
        images = self.images(split)
        if images is None:
            raise UserError(f"{self.name} has no {metric.name}: it has no predictions that fit its metrics.json")
        if not images.knows(metric.name):
            raise UserError(f"{self.name} has no {metric.name}: of stored runs the predicted classes alone are known")
        return images

    def images(self, split): return self.own_images if split == self.metrics["split"] else self.valid_images

    @cached_property
    def own_images(self): return read_images(self.folder / "predictions.csv", self.metrics)
    @cached_property
    def valid_images(self): return read_images(self.folder / "predictions-valid.csv", self.metrics["valid"])
    @cached_property
    def history(self):
        "An epoch's row: column -> number, or None where there is none"
        rows = csv.DictReader(io.StringIO(read_text(self.folder / "history.csv"), newline=""))
        return [{k: float(v) if v else None for k, v in row.items()} for row in rows]


def read_images(file, numbers):
    "The Images of a predictions file; None where there is none that fits the run's numbers"
    try:
        got = images_of_rows(csv.DictReader(io.StringIO(read_text(file), newline="")))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None
    return got if len(got.rank) == numbers["n"] and (got.rank == 0).sum() == numbers["correct"] else None


def images_of_rows(rows):
    "The Images of a predictions file's rows"
    rows = sorted(rows, key=lambda r: r["image"])
    text = lambda k: np.array([r[k] for r in rows])
    number = lambda k, kind: text(k).astype(kind)
    tempered = number("loss_t", float) if rows and rows[0].get("loss_t") else None
    return Images(text("image"), text("label"), text("predicted"), number("p", float), number("rank", int),
                  number("loss", float), tempered)


def read_run(folder):
    "The FinishedRun of a folder; ValueError or UserError says why it is none that is finished"
    status = part(Path(folder), "status.json")
    if status.get("status") != "finished":
        raise ValueError(": ".join(filter(None, [status.get("status"), status.get("reason")])))
    return read_finished(folder, status.get("time", ""))


def read_finished(folder, date=""):
    "The FinishedRun of a folder whose numbers are written, finished or about to be"
    folder = Path(folder)
    meta = part(folder, "recipe.json")
    try:
        recipe = Recipe(**made_visible(read_recipe(folder / "recipe.json")))
        run = FinishedRun(folder, recipe, meta["identity"], meta["data"], meta.get("facts", {}),
                          part(folder, "metrics.json"), part(folder, "environment.json"), date)
        run.seconds, run.numbers(run.metrics["split"])["correct"], run.data["fingerprint"]
    except (KeyError, TypeError):
        raise ValueError("its files are not those of this version") from None
    return run


def part(folder, name):
    try:
        got = read_json(folder / name)
    except (OSError, ValueError):
        got = None
    if not isinstance(got, dict):
        raise ValueError(f"no {name} that can be read")
    return made_visible(got)


def made_visible(x):
    "A stranger's words can be printed: nothing in them moves a terminal's cursor"
    if isinstance(x, dict):
        return {visible(k): made_visible(v) for k, v in x.items()}
    if isinstance(x, list):
        return [*map(made_visible, x)]
    return visible(x) if isinstance(x, str) else x


def device(run):
    e = run.environment
    where = e.get("cpu", "cpu") if run.recipe.device == "cpu" else e.get("device", run.recipe.device)
    return f"{where}, {plural(run.recipe.threads or 1, 'thread')}"


@dataclass(frozen=True)
class DivergedRun:
    """A run that ended because its numbers were not finite any more: a result of its recipe, not an accident of the
    machine
    """
    folder: Path
    recipe: Recipe = field(repr=False)
    data: dict = field(repr=False)
    facts: dict = field(repr=False)

    @property
    def seed(self): return self.recipe.seed


def diverged_run(folder):
    "The DivergedRun of a folder; None where it is none"
    try:
        status, meta = part(folder, "status.json"), part(folder, "recipe.json")
        if status.get("status") != "failed" or "not finite" not in str(status.get("reason")):
            return None
        run = DivergedRun(folder, Recipe(**made_visible(read_recipe(folder / "recipe.json"))), meta["data"],
                          meta.get("facts", {}))
        return run if run.data["fingerprint"] else None
    except (ValueError, UserError, KeyError, TypeError):
        return None

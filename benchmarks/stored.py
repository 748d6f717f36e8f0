"""Runs as one small JSON file that can be committed: no images, no weights, no paths; and back."""
import base64
import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fastricks.core.files import write
from fastricks.recipe.recipe import Recipe
from fastricks.report.runs import FinishedRun, Images

PATHS = "data", "weights", "out"


@dataclass(frozen=True)
class Stored(FinishedRun):
    "A FinishedRun that is read from no folder"
    own_images: Images = None
    history: tuple = ()

    @property
    def valid_images(self): return None


def pack(numbers): return base64.b64encode(zlib.compress(np.asarray(numbers, np.uint16).tobytes(), 9)).decode()


def unpack(text): return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint16)


def without_folders(x):
    "A path's last part, wherever it stands: in a recipe, in a trick's keys, in what a trick settled"
    if isinstance(x, dict): return {k: without_folders(v) for k, v in x.items()}
    if isinstance(x, list | tuple): return [*map(without_folders, x)]
    return Path(x).name if isinstance(x, str) and "/" in x else x


def save(file, runs, about):
    "Runs of one data set as JSON, with what is to be said `about` them"
    images = next(r.own_images for r in runs)
    classes = sorted({*images.labels, *(c for r in runs for c in r.own_images.predicted)})
    number = {c: i for i, c in enumerate(classes)}
    for r in runs: assert np.array_equal(r.own_images.names, images.names), f"{r.name} was evaluated on other images"
    rows = [{"name": r.name, "recipe": without_folders(asdict(r.recipe)), "identity": r.identity, "data": r.data, "facts": without_folders(r.facts),
             "metrics": r.metrics, "environment": r.environment, "date": r.date, "history": r.history,
             "predicted": pack([number[c] for c in r.own_images.predicted])} for r in runs]
    write(file, json.dumps({**about, "classes": classes, "labels": pack([number[c] for c in images.labels]), "runs": rows}, indent=1) + "\n")


def load(file):
    "(Runs, what was said about them)"
    d = json.loads(Path(file).read_text())
    classes, labels = np.array(d.pop("classes")), unpack(d.pop("labels"))
    names = np.array([f"{i:06}" for i in range(len(labels))])

    def run(o):
        predicted = unpack(o.pop("predicted"))
        unknown = np.full(len(labels), np.nan)
        images = Images(names, classes[labels], classes[predicted], rank=(predicted != labels).astype(int), loss=unknown, p=unknown)
        return Stored(Path(o.pop("name")), Recipe(**o.pop("recipe")), own_images=images, history=tuple(o.pop("history")), **o)
    return [run(o) for o in d.pop("runs")], d

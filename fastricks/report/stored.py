"""Runs as one small JSON file that can be committed: no images, no weights, no paths; and back.

A run has its recipe, numbers, curves, environment and what it predicted for each image, in the order of the images'
names. The names themselves, losses and probabilities are not in it.
"""
import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UserError
from ..core.files import read_text, write
from ..recipe.recipe import Recipe
from .runs import FinishedRun, Images, made_visible

STORED_ENDING = ".json"
MOST_IMAGES = 10_000_000  # that a file may speak of: a small one that says more is not to fill the memory


@dataclass(frozen=True)
class StoredRun(FinishedRun):
    "A FinishedRun that is read from no folder; `folder` is a name that no other run of its file has"
    own_images: Images = None
    history: tuple = ()

    @property
    def valid_images(self): return None


def save_runs(file: str | Path, runs: Sequence[FinishedRun], about: Mapping[str, Any] | None = None) -> Path:
    write(Path(file), stored_text(runs, about))
    return Path(file)


def stored_text(runs: Sequence[FinishedRun], about: Mapping[str, Any] | None = None) -> str:
    """Runs of one data set as JSON, with what is to be said `about` them. Raises UserError where one has no
    predictions, or of other images
    """
    check_storable(runs)
    images = runs[0].own_images
    classes = sorted({*images.labels, *(c for r in runs for c in r.own_images.predicted)})
    number = {c: i for i, c in enumerate(classes)}
    pack = lambda names: pack_numbers([number[c] for c in names])
    record = lambda r: {
        "name": r.name,
        "recipe": without_folders(asdict(r.recipe)),
        "identity": r.identity,
        "data": r.data,
        "facts": without_folders(r.facts),
        "metrics": r.metrics,
        "environment": r.environment,
        "date": r.date,
        "history": r.history,
        "predicted": pack(r.own_images.predicted),
    }
    found = {**(about or {}), "classes": classes, "labels": pack(images.labels)}
    lines = ",\n".join(json.dumps(record(r)) for r in runs)  # a run a line: small, and a run more is a line more
    return json.dumps(found, indent=1).removesuffix("\n}") + f',\n "runs": [\n{lines}\n ]\n}}\n'


def check_storable(runs: Sequence[FinishedRun]) -> None:
    if not runs:
        raise UserError("there are no runs to store")
    first = runs[0].own_images
    for r in runs:
        got = r.own_images
        if got is None:
            raise UserError(f"{r.name} can't be stored: it has no predictions that fit its metrics.json")
        if same_images(r, runs[0]):
            continue
        raise UserError(f"{r.name} can't be stored in one file with {runs[0].name}: it was evaluated on other images "
                        f"({len(got.labels):,} and {len(first.labels):,})")


def same_images(a: FinishedRun, b: FinishedRun) -> bool:
    """Are two runs evaluated on the same images? Of one that is stored their number, labels and the data's fingerprint
    are known
    """
    x, y = a.own_images, b.own_images
    if not np.array_equal(x.labels, y.labels):
        return False
    return (a.data["fingerprint"] == b.data["fingerprint"] if x.nameless or y.nameless
            else np.array_equal(x.names, y.names))


def without_folders(x: Any) -> Any:
    "A path's last part, wherever it stands: in a recipe, in a trick's keys, in what a trick settled"
    if isinstance(x, dict):
        return {k: without_folders(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [*map(without_folders, x)]
    return Path(x).name if isinstance(x, str) and "/" in x else x


def pack_numbers(numbers: Any) -> str:
    return base64.b64encode(zlib.compress(np.asarray(numbers, np.uint16).tobytes(), 9)).decode()


def unpack_numbers(text: str) -> np.ndarray:
    "Numbers of `pack_numbers`; ValueError for anything else"
    stream = zlib.decompressobj()
    data = stream.decompress(base64.b64decode(text), 2 * MOST_IMAGES)
    if not stream.eof:
        raise ValueError("too long, or cut off")
    return np.frombuffer(data, np.uint16)


def stored_runs(file: str | Path) -> list[StoredRun]: return read_stored(file)[0]


def read_stored(file: str | Path) -> tuple[list[StoredRun], dict[str, Any]]:
    "(the runs of a file, what was said about them). Raises UserError where it is no such file"
    try:
        return parse_stored(json.loads(read_text(Path(file))), Path(file).stem)
    except OSError as e:
        raise UserError(f"{file} can't be read ({e.strerror or e})") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, zlib.error, binascii.Error, UserError) as e:
        raise UserError(f"{file} is no file of stored runs, as `compare --to NAME.json` writes one ({e})") from None


def parse_stored(d: dict[str, Any], name: str) -> tuple[list[StoredRun], dict[str, Any]]:
    d = made_visible(d)
    classes, labels = np.array(d.pop("classes")), unpack_numbers(d.pop("labels"))
    seen: dict[str, int] = {}
    runs = []
    for o in d.pop("runs"):
        folder = Path(name, numbered_name(o["name"], seen))
        runs.append(stored_run(o, folder, classes, labels))
    return runs, d


def numbered_name(name: str, seen: dict[str, int]) -> str:
    "A name that no other run of the file has"
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name} #{seen[name]}"


def stored_run(o: dict[str, Any], folder: Path, classes: np.ndarray, labels: np.ndarray) -> StoredRun:
    predicted = unpack_numbers(o["predicted"])
    if len(predicted) != len(labels):
        raise ValueError(f"{o['name']} has {len(predicted):,} predictions for {len(labels):,} images")
    names = np.array([f"{i:06}" for i in range(len(labels))])
    rank = (predicted != labels).astype(int)
    images = Images(names, classes[labels], classes[predicted], rank=rank, nameless=True)
    recipe, history = Recipe(**o["recipe"]), tuple(o["history"])
    facts = (o[k] for k in ("identity", "data", "facts", "metrics", "environment", "date"))
    run = StoredRun(folder, recipe, *facts, own_images=images, history=history)
    if run.metrics["correct"] != int((images.rank == 0).sum()):
        raise ValueError(f"{run.name}: its predictions do not fit its numbers")
    return run


def by_identity(files: Sequence[str | Path]) -> dict[str, StoredRun]:
    return {r.identity: r for file in files for r in stored_runs(file)}

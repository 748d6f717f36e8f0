"""The trainings of docs/results/ as arrays: what the statistics' known answers are of."""
import base64
import json
import zlib
from pathlib import Path

import numpy as np

from .paths import ROOT

KEPT = Path(ROOT) / "docs" / "results"


def unpack(text): return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint16)


def kept_rows(file, seeds, batch_size=None):
    """(row -> hits [seeds, I], row -> seconds [seeds]); the baseline's are `baseline`. A row's name: its tricks, and
    its batch where those differ
    """
    d = json.loads((KEPT / f"{file}.json").read_text())
    labels, found = unpack(d["labels"]), {}
    batches = {r["recipe"]["batch_size"] for r in d["runs"]}
    for r in d["runs"]:
        tricks = "+".join(sorted(r["recipe"]["tricks"]))
        name = {"": "baseline", "amp": "amp:bf16"}.get(tricks, tricks)
        if len(batches) > 1: name += f", b{r['recipe']['batch_size']}"
        seeds_of = found.setdefault(name, {})
        seeds_of[r["recipe"]["seed"]] = unpack(r["predicted"]) == labels, r["metrics"]["train_seconds"]
    if "baseline, b32" in found: found["baseline"] = found.pop("baseline, b32")
    return tuple({name: np.array([of[s][k] for s in seeds]) for name, of in found.items()} for k in (0, 1))

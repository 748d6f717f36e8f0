"""What makes two runs the same, and what differs where they are not."""
import json
from collections.abc import Mapping
from dataclasses import fields
from hashlib import sha256
from typing import Any

from ..core.numerics import NUMERICS
from ..trick.base import Trick
from .recipe import DATA_DECIDES, Recipe, recorded_fields
from .recipe import LATER as FIELDS

Facts = Mapping[str, Mapping[str, Any]]  # trick -> what its `settle` found
# fields that came later leave the identity of runs that do not need them as it was
LATER_IN_IDENTITY = {"processes": 1, "sync_bn": False, **FIELDS}


def numeric(recipe: Recipe, weights_hash: str | None = None, facts: Facts | None = None) -> dict[str, Any]:
    """The fields that change the weights, as one dict; data enters by its fingerprint, weights and teachers by what
    they are
    """
    by_fingerprint = {"data", "classes", "per_class", "rest", "valid", "drop_duplicates", "group_by", "class_order"}
    names = [f.name for f in fields(Recipe) if f.metadata["numeric"] and f.name not in by_fingerprint]
    d = {name: getattr(recipe, name) for name in names}
    tricks = {}
    for t in recipe.make_tricks():
        settled = (facts or {}).get(t.name, {})
        tricks[t.name] = {**t.numeric_keys(settled), **needed(t, settled), **of_file(recipe, t.name)}
    d |= {k: FIELDS[k] for k in DATA_DECIDES if k in d and d[k] is None}
    kind = recipe.device.partition(":")[0]  # which of a machine's GPUs it was is no difference
    if kind in ("cuda", "mps"):
        del d["threads"]  # of the CPU beside it, which rounds nothing
    return {**d, "device": kind, "tricks": tricks, "weights": weights_hash, "processes": recipe.processes or 1}


def needed(trick: Trick, facts: Mapping[str, Any]) -> dict[str, Any]:
    "The key of a trick that names another network, as what that network is: it may lie anywhere"
    wanted = trick.needs()
    return {wanted.field: facts["identity"]} if wanted and "identity" in facts else {}


def of_file(recipe: Recipe, name: str) -> dict[str, str]:
    "The hash of the file that a trick from outside is"
    return {"sha256": recipe.trick_files[name]["sha256"]} if name in recipe.trick_files else {}


def identity(recipe: Recipe, data_fingerprint: str, weights_hash: str | None = None, facts: Facts | None = None) -> str:
    """What makes two runs the same: one hash (16 hex digits) over the numeric fields, the data and NUMERICS.

    `weights_hash`: SHA-256 of the --weights file; `facts`: trick -> what it settled, where a teacher's identity is.
    Resume, ablate, teachers and compare all ask this function.
    """
    what = {**numeric(recipe, weights_hash, facts), "data": data_fingerprint, "numerics": NUMERICS}
    for k, v in LATER_IN_IDENTITY.items():
        if k in what and what[k] == v:
            del what[k]
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    "What differs between two recipe.json in what makes the same training, by name"
    a, b = flat_identity(then), flat_identity(now)
    differ = sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))
    if differ:
        return [f"{k} was {text(a.get(k))} and is {text(b.get(k))}" for k in differ]
    return ["its identity was " + then["identity"]] if then["identity"] != now["identity"] else []


def text(v: object) -> object: return "not there" if v is None else v


def flat_identity(what: Mapping[str, Any]) -> dict[str, Any]:
    "Everything that identity is made of as one dict, a key of a trick as `mixup:alpha`"
    known = {f.name: f.default for f in fields(Recipe)}
    recipe = Recipe(**recorded_fields({k: v for k, v in what["recipe"].items() if k in known}))
    d = numeric(recipe, what["weights_sha256"], what["facts"])
    for name, keys in d.pop("tricks").items():
        d[f"trick {name}"] = "on"
        d |= {f"{name}:{k}": v for k, v in keys.items()}
    d["data (fingerprint)"] = what["data"]["fingerprint"]
    d["numerics (of the code)"] = what["numerics"]
    return d

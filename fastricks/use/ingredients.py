"""Which runs may go into one soup: of rows that began alike, a row each."""
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..core.errors import UserError, one_of
from ..core.files import read_json
from ..core.numerics import NUMERICS
from ..core.words import Say
from ..model.weights import CALIBRATION, read_meta
from ..recipe.names import base_name
from ..recipe.recipe import Recipe
from ..report.compare.rows import ComparisonRow, comparison_rows, key_of_row, obstacles
from ..report.find import load_runs
from ..report.runs import FinishedRun
from ..runfolder.record import SOUP
from .saved import MODEL

# timm's: no part of what is computed in use
OF_TRAINING = {"drop_path_rate", "drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_block_rate"}


@dataclass(frozen=True)
class Ingredients:
    "The runs that one soup is chosen from, a row each; of all seeds where `seed` is None"
    rows: tuple[ComparisonRow, ...]
    runs: tuple[FinishedRun, ...]
    seed: int | None

    @property
    def first(self) -> FinishedRun: return self.runs[0]
    @property
    def what(self) -> str: return f"seed {self.seed}" if self.seed is not None else "all seeds"
    @property
    def out(self) -> Path: return self.first.folder.parent

    def label(self, run: FinishedRun) -> str:
        "Of its row, and of its seed where there are several"
        row = next(row.label for row in self.rows if run in row.runs)
        return row if self.seed is not None else f"{row}, seed {run.seed}"

    @cached_property
    def identity(self) -> str:
        "What makes two soups the same: one hash (16 hex digits) over the runs that it is chosen from"
        what = {"soup": sorted(r.identity for r in self.runs), "across_seeds": self.seed is None, "numerics": NUMERICS}
        return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def varies(self) -> list[str]:
        "Fields of the recipe, but for its tricks, that are not the same in all"
        of = [asdict(row.runs[0].recipe) for row in self.rows]
        apart = {"seed", "tricks", "trick_files", "schedule", "data", "name", "out"}
        return [f.name for f in fields(Recipe) if f.name not in apart and any(o[f.name] != of[0][f.name] for o in of)]

    @cached_property
    def recipe(self) -> Recipe:
        "That of the first row with the tricks that all have: what reports say, and evaluation goes by"
        r, others = self.first.recipe, [row.runs[0].recipe.tricks for row in self.rows]
        shared = {n: keys for n, keys in r.tricks.items() if all(o.get(n) == keys for o in others)}
        return replace(r, tricks=shared, trick_files={n: v for n, v in r.trick_files.items() if n in shared},
                       out=str(self.out), name=None)

    def facts(self, tried: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        "As `runfolder.record.soup_of` reads them; `tried`: the record of each run"
        own = {n: f for n, f in self.first.facts.items() if n in self.recipe.tricks}
        return {**own, SOUP: {"rows": sorted(map(key_of_row, self.rows)), "across_seeds": self.seed is None,
                              "varies": self.varies,
                              "ingredients": list(tried)}}

    @property
    def name(self) -> str:
        base = base_name(self.recipe, self.first.data["name"], plain="")
        return f"{base}-soup" + ("" if self.seed is None else f"-s{self.seed}")


def rows_of(texts: Sequence[str], say: Say) -> list[ComparisonRow]:
    "The rows of the trainings among some runs, at least two"
    found = [r for r in load_runs(texts, say) if not r.soup]
    if not found:
        raise UserError("these runs are soups already: name the trainings that they were made of")
    for r in found:
        if not (r.folder / MODEL).is_file():
            raise UserError(f"{r.name} has no {MODEL}, and a soup is made of weights: give the folders of runs")
    rows = comparison_rows(found, say)
    if len(rows) < 2:
        raise UserError(
            f"a soup is made of two rows or more, and here is one, {rows[0].label!r}: `fastricks ablate` trains "
            "several")
    return rows


def require_alike(rows: Sequence[ComparisonRow]) -> None:
    "Raise UserError unless weights of all rows may be averaged, and there is something to choose by"
    runs = [r for row in rows for r in row.runs]
    for r in runs:
        r.numbers("valid")  # without a validation split an error
    first = runs[0]
    for r in runs[1:]:
        for why in (*obstacles(first, r, None), *other_network(first, r), *other_start(first, r)):
            raise UserError(f"{first.name} and {r.name} can't go into one soup: {why}; name the runs that belong "
                            "together")


def other_network(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    "In which facts of their models two runs differ, in words"
    x, y = (computed(read_meta(r.folder / MODEL)) for r in (a, b))
    for k in sorted(k for k in x.keys() | y.keys() if x.get(k) != y.get(k)):
        if k == "classes":
            yield "they know other classes"
        else:
            yield f"their networks have another {k} ({x.get(k)} and {y.get(k)})"


def computed(meta: dict[str, Any]) -> dict[str, Any]:
    "The facts of a model by which it computes"
    meta = {k: v for k, v in meta.items() if k not in CALIBRATION}
    return {**meta, "kwargs": {k: v for k, v in meta.get("kwargs", {}).items() if k not in OF_TRAINING}}


def other_start(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    "In which of what their trainings started from two runs differ, in words; their seeds apart"
    x, y = start_facts(a), start_facts(b)
    odd = [k for k in x if x[k] != y[k]]
    if odd:
        yield f"they started from other weights ({one_of(f'{k} {x[k]} and {y[k]}' for k in odd)})"


def start_facts(run: FinishedRun) -> dict[str, Any]:
    what = read_json(run.folder / "recipe.json")
    tricks = [str(t) for t in run.recipe.make_tricks() if t.new_start]
    return {"pre-trained": run.recipe.pretrained, "network": what.get("network"),
            "weights": (what.get("weights_sha256") or "none")[:12],
            "tricks": "+".join(tricks) or "none"}


def of_each_seed(rows: list[ComparisonRow], say: Say) -> Iterator[Ingredients]:
    "The Ingredients of each seed that all rows have"
    seeds = sorted({s for row in rows for s in row.seeds})
    lacking = {s: [row.label for row in rows if s not in row.seeds] for s in seeds}
    if all(lacking.values()):
        raise UserError(
            f"no seed has a finished run of each of the {len(rows)} rows ({one_of(row.label for row in rows)}): name "
            "the runs that belong together")
    for s in seeds:
        if lacking[s]:
            say(f"seed {s}: no soup, as it has no finished run of {one_of(lacking[s])}")
        else:
            yield Ingredients(tuple(rows), tuple(r for row in rows for r in row.runs if r.seed == s), s)


def of_all_seeds(rows: list[ComparisonRow]) -> Ingredients:
    runs = tuple(r for row in rows for r in row.runs)
    if runs[0].recipe.from_scratch and len({r.seed for r in runs}) > 1:
        raise UserError("--across-seeds: from scratch each seed starts from other weights, which have no average; "
                        "leave it out")
    return Ingredients(tuple(rows), runs, None)

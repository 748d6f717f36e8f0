"""Soups: the weights of finished runs that began alike, averaged greedily. Wortsman et al., arXiv 2203.05482, recipe 1."""
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import stop
from ..core.errors import UserError, one_of, plural, visible
from ..core.files import read_json, write_json
from ..core.numerics import NUMERICS
from ..core.words import Say, silent
from ..data.source import Source
from ..data.sources.others import own_source
from ..model.weights import read_meta
from ..recipe.names import base_name
from ..recipe.recipe import Recipe
from ..report.compare.families import ADVICE, Family, families_beside, record_family, row_key
from ..report.compare.rows import ComparisonRow, comparison_rows, key_of, obstacles
from ..report.find import load_runs
from ..report.reporter import RunReporter
from ..report.runs import FinishedRun
from ..runfolder.environment import environment
from ..runfolder.folder import RunFolder, find_finished
from ..runfolder.record import SOUP
from .evaluate import available
from .saved import MODEL, find_saved

if TYPE_CHECKING:
    import torch
    from fastai.learner import Learner

State = dict[str, "torch.Tensor"]
OF_TRAINING = {"drop_path_rate", "drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_block_rate"}  # timm's: no part of what is computed in use
HISTORY = "epoch", "lr", "train_loss", "valid_loss", "accuracy", "seconds"  # the columns of a history without a row


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
        return {"run": self.run.name, "identity": self.run.identity, "row": self.row, "seed": self.run.seed, "alone": self.alone,
                "kept": self.kept, "top1": self.top1}


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
        return replace(r, tricks=shared, trick_files={n: v for n, v in r.trick_files.items() if n in shared}, out=str(self.out), name=None)

    def facts(self, tried: Sequence[Tried] = ()) -> dict[str, Any]:
        "As `runfolder.record.soup_of` reads them"
        own = {n: f for n, f in self.first.facts.items() if n in self.recipe.tricks}
        return {**own, SOUP: {"rows": sorted(map(key_of, self.rows)), "across_seeds": self.seed is None, "varies": self.varies,
                              "ingredients": [t.record for t in tried]}}

    @property
    def name(self) -> str:
        base = base_name(self.recipe, self.first.data["name"]).removesuffix("-baseline")
        return f"{base}-soup" + ("" if self.seed is None else f"-s{self.seed}")


@dataclass(frozen=True)
class Soup:
    "A soup that was made, or found"
    folder: Path
    what: str                       # `seed 0`
    tried: tuple[Tried, ...] = ()   # in their order; none where it was found
    metrics: dict[str, Any] | None = None


def soups(runs: Sequence[str], across_seeds: bool = False, say: Say = print) -> list[Soup]:
    """The soups of finished runs, one a seed, or one of all: each a run folder beside them, which `compare` shows as the row `soup`.

    `runs`: as `compare` takes them. Of each seed its rows are tried in the order of their validation accuracy, best first, and each is kept
    where the average of the weights is no worse on the validation split; BatchNorm's averages are made again on the training images. What was
    made before is found. `say` is told each step. Raises UserError where networks, classes, pixels, data or start differ, and where there is
    nothing to average or no validation split.
    """
    rows = rows_of(runs, say)
    require_alike(rows)
    wanted = [of_all_seeds(rows)] if across_seeds else [*of_each_seed(rows, say)]
    return [found_or_made(o, say) for o in wanted]


# -- which runs

def rows_of(texts: Sequence[str], say: Say) -> list[ComparisonRow]:
    "The rows of the trainings among some runs, at least two"
    found = [r for r in load_runs(texts, say) if not r.soup]
    if not found: raise UserError("these runs are soups already: name the trainings that they were made of")
    for r in found:
        if not (r.folder / MODEL).is_file(): raise UserError(f"{r.name} has no {MODEL}, and a soup is made of weights: give the folders of runs")
    rows = comparison_rows(found, say)
    if len(rows) < 2: raise UserError(
        f"a soup is made of two rows or more, and here is one, {rows[0].label!r}: `fastricks ablate` trains several")
    return rows


def require_alike(rows: Sequence[ComparisonRow]) -> None:
    "Raise UserError unless weights of all rows may be averaged, and there is something to choose by"
    runs = [r for row in rows for r in row.runs]
    for r in runs: r.numbers("valid")  # without a validation split an error
    first = runs[0]
    for r in runs[1:]:
        for why in (*obstacles(first, r, None), *other_network(first, r), *other_start(first, r)):
            raise UserError(f"{first.name} and {r.name} can't go into one soup: {why}; name the runs that belong together")


def other_network(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    "In which facts of their models two runs differ, in words"
    x, y = (computed(read_meta(r.folder / MODEL)) for r in (a, b))
    for k in sorted(k for k in x.keys() | y.keys() if x.get(k) != y.get(k)):
        yield "they know other classes" if k == "classes" else f"their networks have another {k} ({x.get(k)} and {y.get(k)})"


def computed(meta: dict[str, Any]) -> dict[str, Any]:
    "The facts of a model by which it computes"
    return {**meta, "kwargs": {k: v for k, v in meta.get("kwargs", {}).items() if k not in OF_TRAINING}}


def other_start(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    "In which of what their trainings started from two runs differ, in words; their seeds apart"
    x, y = start_of(a), start_of(b)
    odd = [k for k in x if x[k] != y[k]]
    if odd: yield f"they started from other weights ({one_of(f'{k} {x[k]} and {y[k]}' for k in odd)})"


def start_of(run: FinishedRun) -> dict[str, Any]:
    what = read_json(run.folder / "recipe.json")
    tricks = [str(t) for t in run.recipe.make_tricks() if t.new_start]
    return {"pre-trained": run.recipe.pretrained, "network": what.get("network"), "weights": (what.get("weights_sha256") or "none")[:12],
            "tricks": "+".join(tricks) or "none"}


def of_each_seed(rows: list[ComparisonRow], say: Say) -> Iterator[Ingredients]:
    "The Ingredients of each seed that all rows have"
    seeds = sorted({s for row in rows for s in row.seeds})
    lacking = {s: [row.label for row in rows if s not in row.seeds] for s in seeds}
    if all(lacking.values()): raise UserError(
        f"no seed has a finished run of each of the {len(rows)} rows ({one_of(row.label for row in rows)}): name the runs that belong together")
    for s in seeds:
        if lacking[s]: say(f"seed {s}: no soup, as it has no finished run of {one_of(lacking[s])}")
        else: yield Ingredients(tuple(rows), tuple(r for row in rows for r in row.runs if r.seed == s), s)


def of_all_seeds(rows: list[ComparisonRow]) -> Ingredients:
    runs = tuple(r for row in rows for r in row.runs)
    if runs[0].recipe.from_scratch and len({r.seed for r in runs}) > 1:
        raise UserError("--across-seeds: from scratch each seed starts from other weights, which have no average; leave it out")
    return Ingredients(tuple(rows), runs, None)


# -- one soup

def found_or_made(asked: Ingredients, say: Say) -> Soup:
    old = find_finished(asked.out, asked.identity)
    if old:
        say(f"{asked.what}: {visible(str(old))} is there already")
        return Soup(old, asked.what)
    join_family(asked)
    return made(asked, say)


def join_family(asked: Ingredients) -> None:
    "Before its first look the row joins the family that its ingredients were looked at in, where one is recorded"
    if asked.seed is None: return
    keys = {*map(key_of, asked.rows)}
    own = row_key(asked.recipe, asked.facts(), asked.first.data["fingerprint"])
    holds = [f for f in families_beside([asked.first.folder]) if f.mode != ADVICE and f.baseline in keys and keys <= {f.baseline, *f.rows}]
    if holds and own not in holds[0].rows: record_family(asked.out, with_row(holds[0], own))


def with_row(family: Family, key: str) -> Family: return replace(family, rows={**family.rows, key: SOUP}, date="")


def made(asked: Ingredients, say: Say) -> Soup:
    "Choose, measure and write: nothing is written before the choice is made"
    start = time.perf_counter()
    learn, source = opened(asked.first)
    with threads_of(asked.first.recipe):
        tried = chosen(learn, asked, say)
        return written(asked, tried, learn, source, start, say)


def opened(run: FinishedRun) -> "tuple[Learner, Source]":
    "A Learner of a run's network on the data of its training, as it was"
    from .predictor import open_predictor
    from .refit import learner_of, with_classes
    source = own_source(run, run.recipe.data)
    if source is None: raise UserError(
        f"the data of {run.name} is not at {visible(run.recipe.data)} any more, or has changed: a soup is chosen by its validation images")
    p = open_predictor(find_saved(run.folder), run.recipe.device if available(run.recipe.device) else "auto")
    return learner_of(p, None, silent), with_classes(source, p.classes)


@contextmanager
def threads_of(recipe: Recipe) -> Iterator[None]:
    "Others would round differently"
    import torch
    old = torch.get_num_threads()
    try:
        torch.set_num_threads(recipe.threads or old)
        yield
    finally: torch.set_num_threads(old)


def best_first(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    "In the order of their validation accuracy; of equals that with the lower validation loss is first"
    return sorted(runs, key=lambda r: (-r.numbers("valid")["correct"], r.numbers("valid")["loss"], r.name))


def chosen(learn: "Learner", asked: Ingredients, say: Say) -> tuple[Tried, ...]:
    "The runs in the order in which they were tried; the Learner has the average of those that were kept"
    from ..training.evaluate import metrics
    from ..training.finish import on_validation
    tried: list[Tried] = []
    total, best, good = None, {"correct": -1}, None
    width = max(len(asked.label(run)) for run in asked.runs)
    say(f"{asked.what}: {plural(len(asked.runs), 'run')} in the order of their validation accuracy")
    for run in best_first(asked.runs):
        n = sum(t.kept for t in tried)
        more = added(total, state_of(run))
        put_in(learn, more, n + 1)
        numbers = metrics(*on_validation(learn))
        kept = numbers["correct"] >= best["correct"]
        tried.append(Tried(run, asked.label(run), run.numbers("valid")["top1"], kept, numbers["top1"]))
        say(line_of(tried[-1], n, width))
        if kept: total, best, good = more, numbers, {k: v.clone() for k, v in learn.model.state_dict().items()}
    learn.model.load_state_dict(good)
    return tuple(tried)


def line_of(t: Tried, n: int, width: int) -> str:
    "`  84.21%  mixup    with it 84.40%, kept`; `n`: how many were kept before it"
    if not n: return f"  {t.alone:7.2%}  {t.row}"
    return f"  {t.alone:7.2%}  {t.row:{width}}  with it {t.top1:.2%}, {'kept' if t.kept else 'left out'}"


def state_of(run: FinishedRun) -> State:
    from safetensors.torch import load_file
    return load_file(run.folder / MODEL)


def added(total: State | None, state: State) -> State:
    "Sums of weights in float64; what is no weight, as a count of batches, is the first's"
    if total is None: return {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
    return {k: v + state[k].double() if v.is_floating_point() else v for k, v in total.items()}


def put_in(learn: "Learner", total: State, n: int) -> None:
    "The mean of n networks into the Learner's; a single one as it is, others with BatchNorm's averages made again"
    learn.model.load_state_dict({k: v / n if v.is_floating_point() else v for k, v in total.items()})
    if n > 1: remake_averages(learn.model, learn.dls.train)


def remake_averages(model: "torch.nn.Module", dl: Any) -> None:
    """BatchNorm's averages of the first epoch's training images, cropped and mirrored as there, each batch as much as another.

    Nothing else of the network is in training mode: no dropout. Without BatchNorm nothing is done.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    from ..core.tensors import plain
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms: return
    model.eval()
    old = [m.momentum for m in norms]
    for m in norms:
        m.train().reset_running_stats()
        m.momentum = None  # the mean over all batches
    dl.epoch = 0
    with torch.no_grad():
        for x, *_ in dl: model(plain(x))
    for m, momentum in zip(norms, old, strict=True): m.momentum = momentum
    model.eval()


# -- its folder

def written(asked: Ingredients, tried: tuple[Tried, ...], learn: "Learner", source: Source, start: float, say: Say) -> Soup:
    "The run folder, whole or not at all"
    what = {**read_json(asked.first.folder / "recipe.json"), "identity": asked.identity, "numerics": NUMERICS, "facts": asked.facts(tried)}
    del what["recipe"]
    run = RunFolder.create(asked.recipe, asked.name, what)
    try: numbers = fill(run, asked, tried, learn, source, start)
    except BaseException:
        run.release()
        shutil.rmtree(run.folder, ignore_errors=True)
        raise
    say(f"  {sum(t.kept for t in tried)} of {plural(len(tried), 'run')}: {numbers['split']} {numbers['top1']:.2%}   {visible(str(run.folder))}")
    return Soup(run.folder, asked.what, tried, numbers)


def fill(run: RunFolder, asked: Ingredients, tried: Sequence[Tried], learn: "Learner", source: Source, start: float) -> dict[str, Any]:
    from ..training.finish import measured, save_weights
    began = time.perf_counter()
    numbers = {**measured(learn, run, source), **costs(asked), "eval_seconds": round(time.perf_counter() - began, 2),
               "soup_seconds": round(began - start, 2)}
    save_weights(run, learn.model, computed(read_meta(asked.first.folder / MODEL)))
    write_json(run.path("environment.json"), {**asked.first.environment, "averaged_with": environment(learn.dls.device.type)})
    for name in ("data.json", "skipped.csv"):
        if (asked.first.folder / name).is_file(): shutil.copyfile(asked.first.folder / name, run.path(name))
    run.write("history.csv", ",".join(HISTORY) + "\n")
    for t in tried: run.log(f"{t.run.name}: {t.alone:.2%} alone, {t.top1:.2%} with it, {'kept' if t.kept else 'left out'}")
    write_json(run.path("metrics.json"), numbers)
    RunReporter().page(run.path("index.html"), source)
    with stop.held(): run.finish()
    return numbers


def costs(asked: Ingredients) -> dict[str, Any]:
    "The time of all that it was chosen from: who makes it has trained them"
    of = [r.metrics for r in asked.runs]
    total = {k: round(sum(m[k] for m in of), 2) for k in ("epochs", "seconds", "train_seconds")}
    images = asked.first.data["train"] * total["epochs"]
    return {**total, "images_per_s": round(images / max(total["train_seconds"], .01), 1), "skipped_steps": sum(m.get("skipped_steps", 0) for m in of)}

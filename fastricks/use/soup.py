"""Soups: the weights of finished runs that began alike, averaged into a run folder beside them."""
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import stop
from ..core.errors import UserError, plural, visible
from ..core.files import read_json, write_json
from ..core.numerics import NUMERICS
from ..core.words import Say, silent
from ..data.source import Source
from ..data.sources.others import own_source
from ..model.weights import read_meta
from ..recipe.recipe import Recipe
from ..report.compare.families import ADVICE, Family, families_beside, record_family, row_key
from ..report.compare.rows import key_of_row
from ..report.reporter import RunReporter
from ..report.runs import FinishedRun
from ..runfolder.environment import environment
from ..runfolder.folder import RunFolder, find_finished
from ..runfolder.record import SOUP
from .averaging import Tried, chosen
from .evaluate import available
from .ingredients import Ingredients, computed, of_all_seeds, of_each_seed, require_alike, rows_of
from .saved import MODEL, find_saved

if TYPE_CHECKING:
    from fastai.learner import Learner

HISTORY = "epoch", "lr", "train_loss", "valid_loss", "accuracy", "seconds"  # the columns of a history without a row


@dataclass(frozen=True)
class Soup:
    "A soup that was made, or found"
    folder: Path
    what: str                       # `seed 0`
    tried: tuple[Tried, ...] = ()   # in their order; none where it was found
    metrics: dict[str, Any] | None = None


def soups(runs: Sequence[str], across_seeds: bool = False, say: Say = print) -> list[Soup]:
    """The soups of finished runs, one a seed, or one of all: each a run folder beside them, which `compare` shows as
    the row `soup`.

    `runs`: as `compare` takes them. Of each seed its rows are tried in the order of their validation accuracy, best
    first, and each is kept where the average of the weights is no worse on the validation split; BatchNorm's averages
    are made again on the training images. What was made before is found. `say` is told each step. Raises UserError
    where networks, classes, pixels, data or start differ, and where there is nothing to average or no validation split.
    """
    rows = rows_of(runs, say)
    require_alike(rows)
    wanted = [of_all_seeds(rows)] if across_seeds else [*of_each_seed(rows, say)]
    return [found_or_made(o, say) for o in wanted]


def found_or_made(asked: Ingredients, say: Say) -> Soup:
    old = find_finished(asked.out, asked.identity)
    if old:
        say(f"{asked.what}: {visible(str(old))} is there already")
        return Soup(old, asked.what)
    return made(asked, say)


def join_family(asked: Ingredients) -> None:
    "Before its first look the row joins the family that its ingredients were looked at in, where one is recorded"
    if asked.seed is None:
        return
    keys = {*map(key_of_row, asked.rows)}
    own = row_key(asked.recipe, asked.facts(), asked.first.data["fingerprint"])
    holds = [f for f in families_beside([asked.first.folder]) if f.mode != ADVICE and f.baseline in keys
             and keys <= {f.baseline, *f.rows}]
    if holds and own not in holds[0].rows:
        record_family(asked.out, with_row(holds[0], own))


def with_row(family: Family, key: str) -> Family: return replace(family, rows={**family.rows, key: SOUP}, date="")


def made(asked: Ingredients, say: Say) -> Soup:
    "Choose, measure and write: nothing is written before the choice is made"
    start = time.perf_counter()
    learn, source = opened(asked.first)
    join_family(asked)
    with threads_of(asked.first.recipe):
        tried = chosen(learn, asked, say)
        return written(asked, tried, learn, source, start, say)


def opened(run: FinishedRun) -> "tuple[Learner, Source]":
    "A Learner of a run's network on the data of its training, as it was"
    from .predictor import open_predictor
    from .refit import learner_of_predictor, with_classes
    source = own_source(run, run.recipe.data)
    if source is None:
        raise UserError(
            f"the data of {run.name} is not at {visible(run.recipe.data)} any more, or has changed: a soup is chosen "
            "by its validation images")
    p = open_predictor(find_saved(run.folder), run.recipe.device if available(run.recipe.device) else "auto")
    return learner_of_predictor(p, None, silent), with_classes(source, p.classes)


@contextmanager
def threads_of(recipe: Recipe) -> Iterator[None]:
    "Others would round differently"
    import torch
    old = torch.get_num_threads()
    try:
        torch.set_num_threads(recipe.threads or old)
        yield
    finally:
        torch.set_num_threads(old)


# -- its folder

def written(asked: Ingredients, tried: tuple[Tried, ...], learn: "Learner", source: Source, start: float,
            say: Say) -> Soup:
    "The run folder, whole or not at all"
    what = read_json(asked.first.folder / "recipe.json")
    del what["recipe"]
    what |= {"identity": asked.identity, "numerics": NUMERICS, "facts": asked.facts([t.record for t in tried])}
    run = RunFolder.create(asked.recipe, asked.name, what)
    try:
        numbers = fill_run(run, asked, tried, learn, source, start)
    except BaseException:
        run.release()
        shutil.rmtree(run.folder, ignore_errors=True)
        raise
    say(f"  kept {sum(t.kept for t in tried)} of {plural(len(tried), 'run')}: {numbers['split']} "
        f"{numbers['top1']:.2%}   {visible(str(run.folder))}")
    return Soup(run.folder, asked.what, tried, numbers)


def fill_run(run: RunFolder, asked: Ingredients, tried: Sequence[Tried], learn: "Learner", source: Source,
             start: float) -> dict[str, Any]:
    from ..training.finish import measured_numbers, save_weights
    began = time.perf_counter()
    found, calibrated = measured_numbers(learn, run, source)
    seconds = {"eval_seconds": round(time.perf_counter() - began, 2), "soup_seconds": round(began - start, 2)}
    numbers = {**found, **costs(asked), **seconds}
    first = asked.first
    save_weights(run, learn.model, {**computed(read_meta(first.folder / MODEL)), **calibrated})
    averaged_with = environment(learn.dls.device.type)
    write_json(run.path("environment.json"), {**first.environment, "averaged_with": averaged_with})
    for name in ("data.json", "skipped.csv"):
        if (first.folder / name).is_file():
            shutil.copyfile(first.folder / name, run.path(name))
    run.write("history.csv", ",".join(HISTORY) + "\n")
    for t in tried:
        run.log(f"{t.run.name}: {t.alone:.2%} alone, {t.top1:.2%} with it, {'kept' if t.kept else 'left out'}")
    write_json(run.path("metrics.json"), numbers)
    RunReporter().page(run.path("index.html"), source)
    with stop.held():
        run.finish()
    RunReporter().index(run.folder.parent)
    return numbers


def costs(asked: Ingredients) -> dict[str, Any]:
    "The time of all that it was chosen from: who makes it has trained them"
    of = [r.metrics for r in asked.runs]
    total = {k: round(sum(m[k] for m in of), 2) for k in ("epochs", "seconds", "train_seconds")}
    images = asked.first.data["train"] * total["epochs"]
    return {**total, "images_per_s": round(images / max(total["train_seconds"], .01), 1),
            "skipped_steps": sum(m.get("skipped_steps", 0) for m in of)}

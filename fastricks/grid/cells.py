"""Trainings of a grid, each in a process of its own: found where they are finished, tried where they are not."""
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from ..core import output, stop
from ..core.errors import UserError, first_line
from ..core.files import read_json
from ..core.machine import cores, gpus
from ..core.words import silent
from ..recipe import own
from ..recipe.registry import adopt
from ..report.stored import by_identity
from ..runfolder import tracking
from ..runfolder.folder import find_finished
from ..runfolder.record import read_record
from ..training.job import Job
from ..training.prepare import require_fit
from ..training.room import Room
from ..training.settle import decided, settle_machine, settle_tricks
from ..training.teacher import network_recipe
from ..use.train import train
from .plan import GridRow

WARM = "fastricks.grid.warm"  # what has it imported, has all that a training imports


@dataclass
class Cell:
    "One training of a grid and what became of it"
    row: object
    seed: int
    recipe: object
    identity: str
    state: str = "todo"       # todo, found, done, failed
    folder: Path = None
    reason: str = ""
    facts: dict = field(default_factory=dict)
    since: float = 0.         # time.monotonic() when it was begun
    top1: float = None        # for a table of progress: read once
    job_type: str = "train"   # of its W&B run
    failed_folder: Path = None  # of a run that failed: a diverged one is a result
    stored: object = None     # the StoredRun that it is found as, where it has no folder

    @property
    def label(self): return f"{self.row.name} seed {self.seed}"

    @property
    def ok(self): return self.state in ("found", "done")

    @property
    def metrics(self): return self.stored.metrics if self.stored else read_json(self.folder / "metrics.json")

    @property
    def run_folder(self):
        "What its run is known by in a comparison"
        return self.stored.folder if self.stored else self.folder


def plan(rows, seeds, source, have=()):
    """(teachers, cells) of the grid in their order, with identities: those with a finished run under --out are `found`.

    Seed by seed, all rows of each: whatever is done at any moment is a fair comparison; within a seed in an order of
    its own, so that a machine that slows down wrongs no row. Runs that a file of `have` (as `compare --to NAME.json`
    writes) has are found too, and teachers that no run needs any more are left out then. Each row is settled once, for
    all its seeds: what a trick measures on this machine is the same for all. Teachers that have to be trained for the
    rows come apart, to be trained first. Raises UserError for a row that has something left to train and can't be: none
    of its runs is begun.
    """
    dry, stored = Room(silent, dry=True), by_identity(have)
    jobs = {row.name: settle_tricks(Job(decided(settle_machine(row.recipe), source), source), dry) for row in rows}
    teachers = [c for row in rows for c in needed_of(jobs[row.name])]
    todo = [make_cell(row, with_seed(jobs[row.name], seed)) for seed in seeds for row in rows_in_order(rows, seed)]
    cells = [look_up(c, stored) for c in todo]
    require_rows({c.row.name for c in cells if c.state == "todo"}, jobs)
    wanted = {identity for c in cells if c.state == "todo" for identity in teachers_of(c)}
    return [look_up(c) for c in {c.identity: c for c in teachers}.values() if c.identity in wanted or not have], cells


def require_rows(names, jobs):
    "Raise UserError unless the jobs (name of a row -> Job) of these names can be trained"
    for name in (n for n in jobs if n in names):
        try:
            require_fit(jobs[name])
        except UserError as e:
            raise UserError(f"row {name!r}: {e}") from None


def teachers_of(cell):
    "Identities of the networks that a cell's run needs"
    return [f["identity"] for f in cell.facts.values() if "identity" in f]


def rows_in_order(rows, seed):
    "The rows in the order that they are trained with a seed: a function of it and of their names alone"
    return sorted(rows, key=lambda row: sha256(f"{seed} {row.name}".encode()).digest())


def with_seed(job, seed): return replace(job, recipe=replace(job.recipe, seed=seed))


def needed_of(job):
    "Cells of the networks that must be trained before a row's runs"
    for wanted in [w for t in job.recipe.make_tricks() if (w := t.needs()) and w.kind == "arch"]:
        r = network_recipe(wanted, job.recipe, job.source)
        yield make_cell(GridRow(f"{wanted.role} {r.arch}", r), Job(r, job.source), wanted.role)


def make_cell(row, job, job_type="train"):
    return Cell(row, job.recipe.seed, job.recipe, job.identity, facts=job.facts, job_type=job_type)


def look_up(cell, have=None):
    "Is there a finished run of this cell, in a folder or among the stored ones (`have`: identity -> StoredRun)?"
    cell.folder = find_finished(cell.recipe.out, cell.identity)
    if not cell.folder and have and cell.identity in have:
        cell.stored = replace(have[cell.identity], recipe=cell.recipe)
    if (cell.folder or cell.stored) and cell.state != "done":
        cell.state = "found"
    return cell


def context(wandb=True):
    "Processes that start with everything imported (`wandb`: W&B too), where the system can fork"
    if sys.platform in ("win32", "darwin"):
        return mp.get_context("spawn")
    ctx = mp.get_context("forkserver")
    tracking.keep_private()
    # W&B first: see `tracking.load`
    ctx.set_forkserver_preload([*(["wandb.sdk.launch"] if wandb else []), WARM])
    return ctx


def jobs_that_fit(jobs, threads):
    "How many trainings of so many threads this machine's cores take at once: never sharing a core"
    return max(1, min(jobs, cores() // threads))


def leave_with_parent():
    "A training nobody waits for any more ends too, however its parent ended"
    def watch():
        mp.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=watch, daemon=True).start()


def has_terminal():
    "A notebook's kernel says that it has one, but what a child draws there would be text in a cell"
    from fastcore.imports import IN_NOTEBOOK
    return not IN_NOTEBOOK


def train_cell(recipe, job_type, group, bar, gpu=None):
    "The body of a cell's process; `gpu`: the one that it sees, by its name for CUDA, where it may not see all"
    # a fork server has its own environment; CUDA has not begun here
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    leave_with_parent()
    output.outlive_readers()
    own.trust = True  # whatever files the recipe names, this ablation's own process has run them
    adopt(recipe.trick_files)
    try:
        with stop.listening():
            train(recipe, silent, job_type, group, bar, resume=True)
    except KeyboardInterrupt:
        sys.exit(stop.exit_code())
    except Exception as e:
        print(f"error: {type(e).__name__}: {first_line(e)}", file=sys.stderr)
        sys.exit(1)


def train_cells(cells, jobs=1, group=None, on_done=silent, go_on=lambda cell: True, bar=False, meanwhile=lambda: None):
    """Train the cells that are not found yet, up to `jobs` at once; `on_done(cell)` after each, `meanwhile()` many
    times a second.

    A failed one is marked and the rest go on. `go_on(cell)` is asked before each start. Ctrl-C and SIGTERM end all of
    them, after their checkpoints.
    """
    todo, running = [c for c in cells if c.state == "todo"], []
    ctx = context(any(tracking.resolve_mode(c.recipe.wandb) != "disabled" for c in todo))
    with stop.listening(), stop.held(), ended_with_us(running):
        while todo or running:
            stop.check()
            while todo and len(running) < jobs:
                if not go_on(todo[0]):
                    todo = []
                    break
                running.append(start_cell(ctx, todo.pop(0), group, bar, free_gpu(running)))
            for ended in [r for r in running if not r[0].is_alive()]:
                running.remove(ended)
                on_done(finish_cell(ended[1], ended[0]))
            meanwhile()
            time.sleep(.05)
    return cells


@contextmanager
def ended_with_us(running):
    "Whatever ends this process ends the trainings: they are told, and waited for while they save"
    try:
        yield
    finally:
        for p, *_ in running:
            p.terminate()
        for p, *_ in running:
            p.join()


def free_gpu(running):
    "The GPU that the fewest trainings are on, the first of equals; None where there is one or none, and no choice"
    there, taken = gpus(), [gpu for *_, gpu in running]
    return min(there, key=taken.count) if len(there) > 1 else None


def start_cell(ctx, cell, group, bar, gpu=None):
    "(process, cell, the GPU that it has for itself): a recipe that names one, as cuda:1, is not given another"
    cell.since = time.monotonic()
    gpu = gpu if cell.recipe.device == "cuda" else None
    with no_service(), no_main(), seeing(gpu):
        p = ctx.Process(target=train_cell, args=(cell.recipe, cell.job_type, group, bar and has_terminal(), gpu))
        p.start()
    return p, cell, gpu


@contextmanager
def seeing(gpu):
    "A process that is spawned meanwhile sees this GPU alone"
    old = os.environ.get("CUDA_VISIBLE_DEVICES")
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield
    finally:
        if gpu is not None:
            restore("CUDA_VISIBLE_DEVICES", old)


def restore(name, old):
    if old is None:
        del os.environ[name]
    else:
        os.environ[name] = old


class no_service:
    "W&B's children would share this process's service, and its folder: let each have its own"
    def __enter__(self): self.old = os.environ.pop("WANDB_SERVICE", None)
    def __exit__(self, *_):
        if self.old:
            os.environ["WANDB_SERVICE"] = self.old


@contextmanager
def no_main():
    """A process that is started meanwhile does not import the script that asked for the ablation: it needs nothing of
    it.

    A script without `if __name__ == "__main__"` would ask for the ablation again, in each of its trainings.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def finish_cell(cell, process):
    process.join()
    look_up(cell)
    if cell.folder:
        cell.state = "done"
    else:
        cell.state, cell.reason = "failed", why(cell, process.exitcode)
    return cell


def why(cell, code):
    "What the newest folder of this identity says, or how the process ended"
    for file in sorted(Path(cell.recipe.out).glob("*/recipe.json"), key=lambda f: -f.stat().st_mtime):
        with suppress(OSError, ValueError, KeyError, TypeError):
            record = read_record(file.parent)
            if record.identity != cell.identity:
                continue
            cell.failed_folder = file.parent
            return record.state.get("reason", "killed")
    return f"its process ended with {code}"


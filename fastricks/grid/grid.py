"""A Grid: rows times seeds that are planned and trained, and what to say while they run."""
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import UserError, plural
from ..core.machine import gpus, pick_device, threads_each
from ..core.progress import EVERY
from ..core.stop import asked
from ..core.words import duration, silent
from ..data.checked import open_data
from ..data.source import describe
from ..model.trial import require_network
from ..recipe.identity import numeric
from ..recipe.names import base_name
from ..recipe.recipe import AUTO, BY_PROBE, FIND
from ..report.plots import draw_found, save_figure
from ..training.job import Job
from ..training.lr_find import TO_COME
from ..training.room import Room
from ..training.settle import decided, find_lr, settle_auto, settle_machine, settle_tricks
from .cells import jobs_that_fit, plan, train_cells
from .plan import GRID_MODES
from .progress import live_table
from .verdicts import Judging, sight


@dataclass(frozen=True)
class How:
    "How an ablation is carried out"
    jobs: int = 1               # trainings at once
    group: str | None = None    # of its W&B runs
    say: Any = print            # what is told each line
    dry: bool = False           # nothing is trained, nor found by training
    on: str | None = None       # ray or ray:ADDRESS: where, if not on this machine
    judging: Judging = Judging()
    have: tuple = ()            # files of stored runs


class Grid:
    "An ablation that is planned: its rows, seeds, data and cells; `how` are the fields of a How"
    def __init__(self, rows, seeds, **how):
        h = How(**how)
        self.seeds, self.in_table = seeds, False
        self.say, self.group, self.on, self.judging = h.say, h.group, h.on, h.judging
        asked.how = "the same command resumes it"  # what a stopped one says, from now on
        rows = with_threads(rows, h.jobs)
        self.rows, self.recipe = rows, settle_machine(rows[0].recipe)
        check_rows(rows)
        require_network(self.recipe.arch, self.recipe.image_size, self.recipe.arch_option)
        set_num_threads(self.recipe.threads)
        self.source = open_data(self.recipe, say=self.say)
        self.recipe = decided(self.recipe, self.source)
        self.rows = rows = self.with_lr(self.by_probe(rows), h.dry)
        self.jobs = self.at_once(h.jobs)
        self.teachers, self.cells = plan(rows, seeds, self.source, h.have)
        self.start, self.spent = time.monotonic(), []

    def at_once(self, jobs):
        "As many trainings as were asked for, or as cores have room for"
        fit = jobs_that_fit(jobs, self.recipe.threads)
        if fit < jobs:
            threads = plural(self.recipe.threads, "thread")
            self.say(f"--jobs {jobs}: {threads} each leave room for {fit} at once (--threads 1 makes room for more)")
        if line := shared_gpus(fit, self.recipe.device):
            self.say(line)
        return fit

    def by_probe(self, rows):
        """The rows with what `--compile auto` and `--layout auto` are here: decided once, for the first row, or they
        would differ in it
        """
        job = settle_auto(Job(self.recipe, self.source), self.say, [row.recipe for row in rows])
        own = {k: getattr(job.recipe, k) for k in BY_PROBE if getattr(self.recipe, k) == AUTO}
        self.recipe = job.recipe
        return [replace(row, recipe=replace(row.recipe, **own)) for row in rows]

    def with_lr(self, rows, dry):
        """The rows with the learning rate that `--lr find` finds for the first row and seed: one for all, or they would
        differ in it
        """
        if self.recipe.lr != FIND:
            return rows
        first = replace(self.recipe, seed=self.seeds[0])
        job = find_lr(settle_tricks(Job(first, self.source), Room(silent, dry=True)), self.say, dry)
        with_what = f"with {rows[0].name!r} and seed {first.seed}"
        if job.found:
            picture = save_figure(draw_found(job.found), self.picture)
            self.say(f"lr find: {job.found.lr:g} for all rows and seeds, found {with_what}: {picture}")
        else:
            self.say(f"learning rate {TO_COME}, {with_what}, for all rows and seeds")
        return [replace(row, recipe=replace(row.recipe, lr=job.recipe.lr)) for row in rows]

    @property
    def picture(self): return Path(self.recipe.out)/"explain"/f"{base_name(self.recipe, self.source.name)}-lr_find.png"

    @property
    def todo(self): return [c for c in [*self.teachers, *self.cells] if c.state == "todo"]

    def describe(self, mode=None):
        "The plan, before anything is trained: rows, runs, time, disk"
        found = sum(c.state == "found" for c in self.cells)
        rows, seeds, runs = (plural(len(o), word) for o, word in (
            (self.rows, "row"), (self.seeds, "seed"), (self.cells, "run")))
        lines = [f"ablate {mode}: {GRID_MODES[mode]}"] if mode else []
        lines += [describe(self.source), *(f"  {row.name}" for row in self.rows)]
        lines.append(f"{rows} × {seeds} = {runs}" + (f", {found} of them found finished" if found else ""))
        lines += [f"first a {c.row.name}, once" for c in self.teachers if c.state == "todo"]
        if self.todo:
            lines.append(self.cost())
        return [*lines, *filter(None, [sight(self, self.judging)])]

    def cost(self):
        "`about 12 min of training (45 s a run), 0.5 GB of disk`"
        each = estimate(self.cells, self.recipe, self.source)
        n = len(self.todo)
        at_once = f"{self.jobs} at once" if self.on is None else "on Ray, as many at once as it has room for"
        return (f"about {duration(each * n / self.jobs)} for {plural(n, 'run')} ({duration(each)} each, {at_once}), "
                f"{n * weights_bytes(self.recipe, self.source) / 1e9:.1f} GB of disk under {self.recipe.out}")

    def carry_out(self, budget=None):
        "Train what is missing, seed by seed; with a budget in seconds no seed is begun that would not end within it"
        self.budget = budget
        self.done = 0
        self.train()
        left = [c for c in self.cells if c.state == "todo"]
        if left:
            self.say(f"the budget is spent: {plural(len(left), 'run')} left; the same command resumes")
        for c in self.cells:
            if c.state == "failed":
                self.say(f"failed: {c.label}: {c.reason}")
        return self

    def train(self):
        self.carry_out_all(self.teachers, 1, bar=True)
        failed = [c for c in self.teachers if not c.ok]
        if failed:
            raise UserError(f"{failed[0].row.name} failed: {failed[0].reason}")
        if self.jobs == 1 and self.on is None:
            return self.carry_out_all(self.cells, 1, self.go_on, bar=True)
        with live_table(self) as self.in_table:
            self.carry_out_all(self.cells, self.jobs, self.go_on)

    def carry_out_all(self, cells, jobs, go_on=lambda cell: True, bar=False):
        "Each in a process of this machine, or a task of Ray's"
        self.told = time.monotonic()
        if self.on is None:
            return train_cells(cells, jobs, self.group, self.tell, go_on, bar, self.tell_where)
        from . import ray as on_ray
        on_ray.train_cells_on_ray(cells, on_ray.address_of(self.on), self.group, self.tell, go_on)

    def tell(self, cell):
        if cell.ok:
            self.spent.append(cell.metrics["seconds"])
        self.done += 1
        self.told = time.monotonic()
        if not self.in_table:
            self.say(f"[{self.done}/{self.done + len(self.todo)}] {outcome(cell)}{self.left_text}")

    def tell_where(self):
        "In a pipe or a log, half a minute after the last line: what is trained, and how long all will take"
        if sys.stdout.isatty() or time.monotonic() - self.told < EVERY:
            return
        self.told = time.monotonic()
        running = [c.label for c in self.todo if c.since]
        self.say(f"training {', '.join(running)}{self.left_text}")

    @property
    def left_text(self):
        "`; about 12 min left` of all runs, by those that are finished; empty before there is one, and at the end"
        if not self.spent or not self.todo:
            return ""
        since = sum(time.monotonic() - c.since for c in self.todo if c.since)
        seconds = sum(self.spent) / len(self.spent) * len(self.todo) - since
        return f"; about {duration(max(seconds, 1.) / self.jobs)} left"

    def go_on(self, cell):
        "May this cell be started? Its whole seed must fit into the budget"
        if self.budget is None or any(c.seed == cell.seed and c.state != "todo" for c in self.cells):
            return True
        each = sum(self.spent) / len(self.spent) if self.spent else estimate(self.cells, self.recipe, self.source)
        of_seed = sum(c.seed == cell.seed and c.state == "todo" for c in self.cells)
        return time.monotonic() - self.start + each * of_seed / self.jobs <= self.budget

    @property
    def folders(self): return [c.folder for c in self.cells if c.ok and c.folder]
    @property
    def stored(self): return [c.stored for c in self.cells if c.stored]

    def finished_of(self, row): return [c for c in self.cells if c.ok and c.row is row]


def with_threads(rows, jobs):
    """The rows; where GPUs train, trainings at once share the cores out, as no result depends on how many read and cut
    photos
    """
    if jobs == 1 or not pick_device(rows[0].recipe.device).startswith("cuda"):
        return rows
    each = max(1, threads_each() // jobs)
    return [replace(row, recipe=replace(row.recipe, threads=row.recipe.threads or each)) for row in rows]


def shared_gpus(jobs, device):
    "What to say where several trainings at once are on one GPU; empty where they are not"
    if jobs == 1 or not device.startswith("cuda"):
        return ""
    there = 1 if ":" in device else len(gpus())
    return f"{plural(jobs, 'training')} at once on {plural(there, 'GPU')}: some share one" if jobs > there else ""


def set_num_threads(n):
    "The plan's own measurements (a trick's probe, the time of a step) are taken with a training's threads"
    import torch
    torch.set_num_threads(n)


def check_rows(rows):
    "Rows that are the same recipe can't be told apart"
    seen = {}
    for row in rows:
        rest = {k: v for k, v in numeric(row.recipe, row.recipe.weights).items()
                if k not in ("tricks", "schedule", "seed")}
        text = str((row.recipe.active, rest))
        if text in seen:
            raise UserError(f"rows {seen[text]!r} and {row.name!r} are the same recipe")
        seen[text] = row.name


def outcome(cell):
    "`mixup seed 1: 97.21% test in 45 s`"
    if not cell.ok:
        return f"{cell.label}: failed ({cell.reason})"
    m = cell.metrics
    idle = [name for name, facts in cell.facts.items() if facts.get("applied") is False]
    note = f" ({' and '.join(idle)} not applied)" if idle else ""
    return f"{cell.label}{note}: {m['top1']:.2%} {m['split']} in {m['train_seconds']:,.0f} s"


def estimate(cells, recipe, source):
    "Seconds a run: those of the grid's finished runs, else a few steps on noise times the number of steps"
    known = [c.metrics["seconds"] for c in cells if c.state == "found"]
    if known:
        return sum(known) / len(known)
    from ..model.probe import step_of
    images = len(source.of("train")) * recipe.epochs + len(source.final(source.eval_split))
    return images / recipe.batch_size * step_of(recipe, len(source.classes))


def weights_bytes(recipe, source):
    from ..model.network import build_network
    model, _ = build_network(recipe.arch, len(source.classes), kwargs=recipe.arch_option, size=recipe.image_size)
    return sum(p.numel() * p.element_size() for p in model.state_dict().values())

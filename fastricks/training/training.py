"""Recipe -> settle -> Job -> prepare -> fit -> finish -> run folder: one training from start to end."""
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from ..core import ranks, stop
from ..core.errors import plural
from ..core.files import read_json, rows_to_csv, to_json
from ..core.imports import uncollected
from ..core.machine import threads_each
from ..core.words import parse_time, silent
from ..data.source import describe
from ..runfolder import checkpoint, trackers, tracking
from ..runfolder.folder import drop_leftovers
from . import longer as longer_run
from . import resume as again
from .longer import Longer
from .memory import readable_error
from .reporter import Reporter
from .room import Room
from .session import Session, TrainingOptions
from .settle import cannot_compile, settle, settle_machine
from .targets import targets_of
from .track import Tracked, start_tracking, wandb_summary

PICTURES = "batch", "targets", "lr"  # of a run folder
NO_REPORTER = Reporter()


@dataclass
class Result:
    "What a training leaves: the run's folder, its final metrics, and the fastai Learner"
    folder: Path
    metrics: dict
    learn: Any = None


def train(recipe, say=print, job_type="train", group=None, bar=True, resume=False, reporter=NO_REPORTER):
    """Train one recipe and return its Result; the run's folder holds everything.

    Where `resume` is True and nothing of this recipe is unfinished, a finished run of it is the Result, without a
    Learner: the same command may be queued again.

    `group`: of the W&B run (default: the recipe without its seed); `bar`: a progress bar, on a terminal. `resume`: True
    goes on with the last unfinished run of this recipe where there is one, a folder with that run. `reporter` draws
    (default: no picture, no page). Raises UserError for what the user can mend; whatever goes wrong later, the folder
    says how far it came. SIGTERM and Ctrl-C save a checkpoint, then raise `stop.Stopped`, a KeyboardInterrupt.
    """
    asked = TrainingOptions(silent if ranks.rank() else say, job_type, group, bar, resume, reporter)
    with stop.listening():
        wanted = recipe if resume not in (True, False) else replace(recipe, processes=None)
        if ranks.is_first():
            tracking.load(recipe.wandb)
        with uncollected():
            from ..model import network  # noqa: F401  torch and timm
        recipe = settle_machine(wanted)
        if wanted.compile and not recipe.compile:
            asked.say(cannot_compile(recipe.device))
        with ranks.joined(recipe.device):
            try:
                return train_settled(settle_here(recipe, asked), asked)
            except RuntimeError as e:
                raise readable_error(e, recipe) from None


def settle_here(recipe, asked):
    "The Job of a recipe on this machine and, where several processes train, with the same settings in all of them"
    import torch
    recipe = replace(recipe, threads=ranks.from_first(recipe.threads))  # machines may differ
    if asked.resume:
        stop.asked.how = "the same command resumes it"  # until there is more to say
    if recipe.wandb:
        tracking.resolve_mode(recipe.wandb)
    trackers.require(recipe.log)
    torch.set_num_threads(min(recipe.threads, threads_each()) if recipe.processes != ranks.here.world
                          else recipe.threads)
    job = settle(recipe, Room(asked.say, train=partial(train, reporter=asked.reporter)))
    ranks.require_same(job.identity, "data, weights or options")
    return job


def train_settled(job, asked):
    "Open the run, new or resumed, and train it to the end"
    with uncollected():
        from .prepare import prepare
    first = ranks.is_first()
    longer = isinstance(asked.resume, Longer)
    start = (longer_run.start_from_kept(job, asked.resume) if longer
             else again.along(again.start_of_job(job, asked.resume, asked.say) if first else None))
    done = ""
    if asked.resume is True:
        done = ranks.from_first(first and str(again.finished_folder(job, asked.resume, start) or ""))
    if done:
        return finished_result(Path(done), asked.say)
    with Session(job, asked, start) as session:
        parts, dls = ranks.first_then_all(lambda: prepare(job, load=start.state is None))
        if longer:
            longer_run.require_before(start.state, parts.schedule, asked.resume.folder)
        session.create()
        if longer and first:
            longer_run.begin_longer(session)
        stop.check()
        if job.found:
            keep_found(session)
        if start.run and first:
            again.log_start(start, job.recipe, session.tell)
        elif asked.resume is True and not session.quiet:
            again.say_none(job, session.run.folder, session.tell)
        result = carry_out(session, parts, dls)
        ranks.wait()  # until the first has written everything
        return result


def finished_result(folder, say):
    "The Result of a run that is finished already"
    drop_leftovers(folder)
    say(f"{folder} is finished, so that nothing is left to train (without --resume the same is trained once more)")
    return Result(folder, read_json(folder / "metrics.json"))


def keep_found(session):
    "How the learning rate was found, in the run's folder"
    found = session.job.found
    session.run.log(found.line)
    session.draw("lr_find.png", lambda file: session.asked.reporter.found(file, found))


def shared_line(recipe):
    n, now = recipe.processes, ranks.here.world
    if (n, now) == (1, 1):
        return []
    others = f" ({n} at the run's start: the same images in each batch, but for BatchNorm's share of them and rounding)"
    return [f"batches of {recipe.whole_batch} images, shared out among {plural(now, 'process', 'processes')}"
            + (others if n != now else "")]


def carry_out(session, parts, dls):
    """Fit, from a checkpoint's state on if there is one, evaluate, write; what it is logged to is closed whatever
    happens
    """
    from fastai.callback.progress import ProgressCallback
    from fastcore.imports import IN_NOTEBOOK

    from ..callbacks.checkpoint import resume
    from .finish import finish
    from .learner import fit, make_learner
    from .skipped import watch
    job, run, state = session.job, session.run, session.start.state
    for line in first_lines(session, parts):
        session.tell(line)
    run.write("data.json", to_json(job.account.as_dict))
    watch(dls.losses, job.recipe, job.source, run, session.tell)
    tracked = start_tracking(session) if ranks.is_first() else Tracked(run.folder)
    bars = [ProgressCallback()] if IN_NOTEBOOK and not session.quiet else []
    screen = screen_of(session, bars)
    start = time.perf_counter() - (state["seconds"] if state else 0)
    saver = checkpoints(job.recipe, run, start, state)
    saver.early = before_cooldown(session, parts, start)
    try:
        of_run = [*watchers(session), screen, *tracked.callbacks(), saver]
        learn = make_learner(dls, parts, job.recipe, of_run)
        if bars:
            show_in_notebook(learn, bars)
        if state:
            resume(learn, state)
        with stop.held():
            fit(learn, parts)
        stop.check()
        final = finish(session, learn, time.perf_counter() - start)
        tracked.log_results(lambda: session.asked.reporter.results(run.folder, job.source))
        tracked.finish(wandb_summary(final, len(job.source.classes)),
                       {n: p for n in PICTURES if (p := run.path(f"{n}.png")).is_file()})
    except BaseException as e:
        screen.stop()
        save_stopped(e, run, saver)
        tracked.fail()
        raise
    return Result(run.folder, final, let_go(learn, [*of_run, *bars]))


def screen_of(session, bars):
    "What shows the epochs: rows of text, unless fastai's `bars` do in a notebook"
    from ..callbacks.screen import Screen
    rows = not session.quiet and not bars
    return Screen(log=session.run.log, rows=rows, bar=session.asked.bar and ranks.is_first(),
                  by=session.job.recipe.chosen_by)


def save_stopped(error, run, saver):
    "Whoever stopped a training can go on from where it was"
    if not isinstance(error, stop.Stopped) or run.finished:
        return
    with stop.held():
        saver.save_final()


def let_go(learn, of_run):
    "The Learner without the callbacks that wrote its run, so that it can train on, and be exported; its history stays"
    history = next(cb for cb in of_run if cb.name == "history")
    history.write = None
    return learn.remove_cbs([cb for cb in of_run if cb is not history])


def show_in_notebook(learn, bars):
    "fastai's own progress bar, and its table of the epochs"
    learn.logger = print
    learn.add_cbs(bars)


def first_lines(session, parts):
    source = session.job.source
    account = session.job.account
    return [f"{session.run.folder}", describe(source), *account.lines, *shared_line(session.job.recipe), *source.notes,
            *parts.lines]


def watchers(session):
    "Callbacks that write what they see into the run's folder"
    from ..callbacks.history import History
    from ..callbacks.seen import Seen
    run = session.run
    history = History(lambda rows: run.write("history.csv", rows_to_csv(rows)))
    return [history, Seen(n=8, then=(lambda seen: draw_first_batch(session, seen)) if ranks.is_first() else None)]


def checkpoints(recipe, run, start, state):
    "The callback that saves and puts back; a file holds what its run is, too, and the seconds so far"
    from ..callbacks.checkpoint import Checkpoint
    every = parse_time(recipe.checkpoint_every)
    if not ranks.is_first():
        return Checkpoint(lambda now: None, every, state)
    what, n = read_json(run.path("recipe.json")), count((state or {"generation": 0})["generation"] + 1)

    def save(now):
        state = {**now, "what": what, "seconds": time.perf_counter() - start}
        checkpoint.save_checkpoint(run.folder, state, next(n))
    return Checkpoint(save, every, state)


def before_cooldown(session, parts, start):
    """What Checkpoint takes as `early`: the epochs before the cooldown, and what keeps the state after them; None where
    they depend on the length
    """
    n, state = longer_run.last_epoch(session.job.recipe, parts.schedule), session.start.state
    if not n:
        return None

    def keep(now):
        if ranks.is_first():
            longer_run.keep(session, {**now, "seconds": time.perf_counter() - start})
    if state and (state["epoch"], state["batch"]) == (n, 0):
        keep(state)
    return n, keep


def draw_first_batch(session, seen):
    "The first batch as the network saw it, and the targets that the loss asked for"
    job, reporter = session.job, session.asked.reporter
    session.draw("batch.png", lambda file: reporter.batch(file, job, seen))
    session.draw("targets.png", lambda file: reporter.targets(file, job, seen, targets_of(job, seen, 4)))

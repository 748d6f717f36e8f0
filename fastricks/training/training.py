"""Recipe -> DataLoaders -> Learner -> fit -> run folder: one training from start to end."""
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from ..core import ranks, stop
from ..core.errors import UserError, plural, visible
from ..core.files import read_json, rows_to_csv
from ..core.machine import threads_each
from ..core.words import silent
from ..data.checked import open_data
from ..data.source import describe
from ..recipe.names import base_name
from ..runfolder import tracking
from ..runfolder.folder import Guest, RunFolder
from .memory import readable
from .prepare import ids, prepare
from .room import Room
from .settle import cannot_compile, find_lr, settle_machine, settle_tricks
from .track import start_wandb, summary, wandb_callbacks

PICTURES = "batch", "targets", "lr"  # of a run folder


@dataclass
class Result:
    "What a training leaves: the run's folder, its final metrics, and the fastai Learner"
    folder: Path
    metrics: dict
    learn: object = None


def train(recipe, say=print, job_type="train", group=None, bar=True, resume=False):
    """Train one recipe and return its Result; the run's folder holds everything.

    `group`: of the W&B run (default: the recipe without its seed); `bar`: a progress bar, on a terminal. `resume`: True goes on with
    the last unfinished run of this recipe where there is one, a folder with that run.
    Raises UserError for what the user can mend; whatever goes wrong later, the folder says how far it came. SIGTERM and Ctrl-C
    save a checkpoint, then raise `stop.Stopped`, a KeyboardInterrupt.
    """
    if ranks.rank(): say = silent
    with stop.listening():
        recipe, asked = settle_machine(recipe if resume not in (True, False) else replace(recipe, processes=None)), recipe
        if asked.compile and not recipe.compile: say(cannot_compile(recipe.device))
        with ranks.joined(recipe.device):
            try: return begin(recipe, say, job_type, group, bar, resume)
            except RuntimeError as e: raise readable(e, recipe) from None


def begin(recipe, say, job_type, group, bar, resume):
    import torch

    from . import resume as again
    recipe = replace(recipe, threads=ranks.first(recipe.threads))  # machines may differ
    if resume: stop.asked.how = "the same command goes on"  # until there is more to say
    if recipe.wandb: tracking.resolve_mode(recipe.wandb)
    from ..model.network import check_arch
    from ..model.weights import open_weights
    check_arch(recipe.arch)
    if recipe.weights: open_weights(recipe.weights)
    torch.set_num_threads(min(recipe.threads, threads_each()) if recipe.processes != ranks.here.world else recipe.threads)
    source = ranks.first_then_all(lambda: open_data(recipe, say=say))
    recipe, facts = settle_tricks(recipe, source, Room(say, train=train))
    recipe, found = find_lr(recipe, source, facts, say)
    what = ids(recipe, source, facts) | ({"lr_find": {"lr": found.lr, "rule": found.rule}} if found else {})
    ranks.require_same(what["identity"], "data, weights or options")
    start = again.along(again.start_of(recipe, again.to_json(recipe, what), resume, say) if ranks.is_first() else None)
    run = start.run
    try:
        parts, dls = ranks.first_then_all(lambda: prepare(recipe, source, facts, load=start.state is None))
        with stop.held(): run = run or create(recipe, source, what)
        stop.check()
        tell = teller(run, say)
        if found: keep_found(found, run, tell)
        if start.run and ranks.is_first(): again.log_start(start, recipe, tell)
        elif resume is True and say is not silent: again.say_none(recipe, run.folder, again.to_json(recipe, what), tell)
        result = carry_out(recipe, source, facts, parts, dls, run, tell, job_type, group, bar, start.state)
        ranks.wait()  # until the first has written everything
        return result
    except BaseException as e:
        e = readable(e, recipe)
        if run and not run.finished: left_off(run, e)
        raise e
    finally:
        if run: run.release()


def create(recipe, source, what):
    "The new run's folder, made by the first process for all of them"
    run = RunFolder.create(recipe, f"{base_name(recipe, source.name)}-s{recipe.seed}", what) if ranks.is_first() else None
    folder = ranks.first(run and str(run.folder))
    return run or Guest(folder)


def keep_found(found, run, tell):
    "How the learning rate was found, in the run's folder"
    from ..report.plots import draw_found
    from .finish import picture
    run.log(found.line)
    picture(run, tell, "lr_find", lambda: draw_found(found))


def left_off(run, e):
    "The folder says how the run ended, the user how to go on"
    stopped, folder = isinstance(e, KeyboardInterrupt), shlex.quote(str(run.folder))
    n = ranks.local_world()
    stop.asked.how = f"`{f'torchrun --nproc-per-node {n} -m ' if n > 1 else ''}fastricks resume {folder}` goes on from here"
    with stop.held(), suppress(UserError):  # where the disk is full `unfinished` has to do
        why = ranks.word(f"{type(e).__name__}: {e}".split("\n")[0])
        run.status("interrupted" if stopped else "failed", reason=visible(why))


def shared_line(recipe):
    n, now = recipe.processes, ranks.here.world
    if (n, now) == (1, 1): return []
    return [f"batches of {recipe.whole_batch} images, shared out among {plural(now, 'process', 'processes')}"
            + (f" ({n} at the run's start: the same images in each batch, but for BatchNorm's share of them and rounding)" if n != now else "")]


def carry_out(recipe, source, facts, parts, dls, run, tell, job_type, group, bar, state=None):
    "Fit, from a checkpoint's `state` on if there is one, evaluate, write; the W&B run is closed whatever happens"
    from ..callbacks.checkpoint import resume
    from ..callbacks.history import History
    from ..callbacks.screen import Screen
    from ..callbacks.seen import Seen
    from .finish import finish
    from .learner import fit, make_learner
    from .skipped import watch
    for line in [f"{run.folder}", describe(source), *shared_line(recipe), *source.notes, *parts.lines]: tell(line)
    watch(dls.losses, recipe, source, run, tell)
    wb = start_wandb(recipe, source, run, job_type, group) if ranks.is_first() else None
    screen = Screen(log=run.log, rows=not tell.silent, bar=bar and ranks.is_first())
    start = time.perf_counter() - (state["seconds"] if state else 0)
    saver = checkpoints(recipe, run, start, state)
    try:
        history = History(lambda rows: run.write("history.csv", rows_to_csv(rows)))
        seen = Seen(n=8, then=(lambda seen: pictures_of(seen, recipe, source, run, tell, facts)) if ranks.is_first() else None)
        learn = make_learner(dls, parts, recipe, [history, screen, seen, *wandb_callbacks(wb), saver])
        if state: resume(learn, state)
        with stop.held(): fit(learn, parts)
        stop.check()
        final = finish(recipe, source, learn, run, time.perf_counter() - start, tell)
        tracking.finish(wb, summary(final), {n: p for n in PICTURES if (p := run.path(f"{n}.png")).is_file()})
    except BaseException as e:
        screen.stop()
        if isinstance(e, stop.Stopped) and not run.finished:
            with stop.held(): saver.save_final()
        tracking.finish(wb, exit_code=1)
        raise
    return Result(run.folder, final, learn)


def checkpoints(recipe, run, start, state):
    "The callback that saves and puts back; a file holds what its run is, too, and the seconds so far"
    from ..callbacks.checkpoint import Checkpoint
    from ..core.words import parse_time
    from ..runfolder import checkpoint
    if not ranks.is_first(): return Checkpoint(lambda now: None, parse_time(recipe.checkpoint_every), state)
    what, n = read_json(run.path("recipe.json")), count((state or {"generation": 0})["generation"] + 1)

    def save(now): checkpoint.save(run.folder, {**now, "what": what, "seconds": time.perf_counter() - start}, next(n))
    return Checkpoint(save, parse_time(recipe.checkpoint_every), state)


def teller(run, say):
    def tell(line): say(visible(line)); run.log(visible(line))
    tell.silent = say is silent
    return tell


def pictures_of(seen, recipe, source, run, tell, facts):
    "The first batch as the network saw it, and the targets that the loss asked for"
    from ..report.batch import View, draw_seen, draw_view_targets
    from .finish import picture
    from .show import targets_of
    picture(run, tell, "batch", lambda: draw_seen(seen.batch, recipe, source))
    picture(run, tell, "targets", lambda: draw_view_targets(View(recipe, source, seen.batch, targets_of(recipe, source, seen, facts, 4)), 4))

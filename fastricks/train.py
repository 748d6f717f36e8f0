"""Recipe -> DataLoaders -> Learner -> fit -> run folder: one training from start to end."""
import os
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from . import ranks, runs, stop, tracking
from .errors import UserError, plural, visible
from .recipe import FIND, NUMERICS, identity

PICTURES = "batch", "targets", "lr"  # of a run folder


@dataclass
class Result:
    "What a training leaves: the run's folder, its final metrics, and the fastai Learner"
    folder: Path
    metrics: dict
    learn: object = None


def pick_device(name):
    "`name`, if torch sees such a device here; for `auto` the best there is"
    import torch
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = name if name != "auto" else next(d for d in ("cuda", "mps", "cpu") if there[d])
    if not there[device]: raise UserError(f"--device {device}: torch sees no such device here; use --device cpu")
    return device


def settle_machine(recipe):
    "Write the machine's part into the recipe: device, processes and their threads, whether it can compile, and absolute paths"
    device = pick_device(recipe.device)
    out = replace(recipe, device=device, processes=recipe.processes or ranks.world(), threads=recipe.threads or threads_each(),
                  data=absolute(recipe.data), compile=recipe.compile and not cannot_compile(device),
                  weights=recipe.weights and absolute(recipe.weights), classes=recipe.classes and absolute(recipe.classes))
    if ranks.world() > 1 or out.sync_bn: check_processes(out)
    return out


def threads_each():
    "The cores that this process may use, shared with the others of its training on this machine"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(cores // ranks.local_world(), 1)


def check_processes(recipe):
    import torch
    n = ranks.local_world()
    if recipe.device == "mps": raise UserError("--device mps trains in one process: leave out torchrun, or give --device cpu")
    if recipe.device == "cuda" and n > (there := torch.cuda.device_count()):
        raise UserError(f"{n} processes on this machine, and {plural(there, 'CUDA device')}: give torchrun --nproc-per-node {there}")
    if recipe.sync_bn and recipe.device != "cuda": raise UserError("--sync-bn needs CUDA devices, as torch has it for no other: leave it out")
    if recipe.sync_bn and recipe.processes == 1:
        raise UserError("--sync-bn changes nothing in one process: start several with torchrun --nproc-per-node N, or leave it out")


def cannot_compile(device):
    "What to say where torch has no compiler for this device; empty where it has"
    from .callbacks.compile import NOT_HERE, why_not
    why = "several processes train" if ranks.world() > 1 else why_not(device)
    return why and NOT_HERE.format(why)


def absolute(text): return str(Path(text).resolve()) if Path(text).exists() else text


def open_data(recipe, check=True, say=print):
    "The recipe's Source; with `check`, unreadable images are found and left out first, and the fast pipeline's pixels looked up"
    from .data.open import open_source
    def reopen(bad=None): return open_source(recipe.data, recipe.classes, recipe.per_class, recipe.valid, bad)
    source = reopen()
    if recipe.keep == "best" or recipe.patience: needs_valid(source)
    if check: source = checked(source, reopen, recipe, say)
    for line in source.notes: say(visible(line))
    return source


def checked(source, reopen, recipe, say):
    "`source` without unreadable images, by decoding every new one: into the cache of pixels where the pipeline has one"
    from .data.scan import drop_unreadable, settled
    if recipe.pipeline == "reference": return drop_unreadable(source, recipe.max_bad, recipe.threads, reopen=reopen)
    from .data.store import open_pixels
    def look(items, say=silent): return open_pixels(items, recipe.resize, recipe.threads, say)
    pixels, bad = look(source.items, say)
    if bad is None: out = drop_unreadable(source, recipe.max_bad, recipe.threads, reopen=reopen)
    else: out = settled(source, lambda items: bad if len(items) == len(source.items) else look(items)[1] or [], recipe.max_bad, reopen)
    if bad and out is not source: pixels, _ = look(out.items)
    return replace(out, pixels=pixels)


def needs_valid(source):
    if not source.of("valid"): raise UserError("--keep best and --patience choose by a validation split, and there is none")


def describe(source):
    "`digits: 10 classes; 1,293 train, 144 validation and 360 test images`"
    n = {s: len(source.of(s)) for s in ("train", "valid", "test")}
    parts = [f"{n['train']:,} train"] + [f"{n[s]:,} {word}" for s, word in (("valid", "validation"), ("test", "test")) if n[s]]
    return f"{source.name}: {plural(len(source.classes), 'class', 'classes')}; {' and '.join([', '.join(parts[:-1]), parts[-1]])} images"


def silent(_): "Says nothing: `train(recipe, silent)` shows no rows either"


def settle_tricks(recipe, source, say, dry=False):
    "Let each trick decide what the machine and the data decide: (recipe with the decided keys, trick -> facts)"
    tricks, facts = dict(recipe.tricks), {}
    for t in recipe.make_tricks():
        done, found = t.settle(recipe, source, say, dry)
        if t.name in tricks: tricks[t.name] = done.keys()
        if found: facts[t.name] = found
    return replace(recipe, tricks=tricks), facts


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
    from .model import check_arch, open_weights
    check_arch(recipe.arch)
    if recipe.weights: open_weights(recipe.weights)
    torch.set_num_threads(min(recipe.threads, threads_each()) if recipe.processes != ranks.here.world else recipe.threads)
    source = ranks.first_then_all(lambda: open_data(recipe, say=say))
    recipe, facts = settle_tricks(recipe, source, say)
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
        result = carry_out(recipe, source, parts, dls, run, tell, job_type, group, bar, start.state)
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
    run = runs.Run.create(recipe, source.name, what) if ranks.is_first() else None
    folder = ranks.first(run and str(run.folder))
    return run or runs.Guest(folder)


def find_lr(recipe, source, facts, say, dry=False):
    "`settle_lr`, whose errors a user can read"
    from .lr_find import settle_lr
    if recipe.lr == FIND and not ranks.alone(): raise UserError(
        "--lr find tries rates out in one process: find it without torchrun, then give --lr that number")
    try: return settle_lr(recipe, source, facts, say, dry)
    except Exception as e:
        told = readable(e, recipe)
        raise told from (None if told is e else e)


def keep_found(found, run, tell):
    "How the learning rate was found, in the run's folder"
    from .finish import picture
    from .plots import draw_found
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


def readable(e, recipe):
    "`e`, or what a user can do about it"
    from .memory import is_out_of_memory, memory_error
    if isinstance(e, UserError) and "\n\t" in str(e): return UserError(str(e).partition("\n\t")[2])  # fastai says first which callback
    if ranks.is_lost(e): return UserError(ranks.LOST)
    if not is_out_of_memory(e): return e
    out = memory_error(recipe)
    out.__cause__ = e
    return out


def ids(recipe, source, facts):
    "What recipe.json has beside the recipe: its identity, the data's, and what the tricks settled"
    from .data.source import fingerprint
    from .model import file_hash
    data = fingerprint(source)
    h = recipe.weights and file_hash(recipe.weights)
    return {"identity": identity(recipe, data, h, facts), "numerics": NUMERICS, "weights_sha256": h, "facts": facts,
            "data": {"fingerprint": data, "name": source.name, **{s: len(source.of(s)) for s in ("train", "valid", "test")}}}


def prepare(recipe, source, facts=None, load=True):
    "Everything that can be wrong is found here, before there is a run folder: weights (but for `load=False`), schedule, model, loaders"
    from .data.loader import make_dls
    from .learner import make_parts
    from .model import stats
    from .plan import make_plan
    dls = make_dls(source, recipe, *stats(recipe), recipe.device)
    return make_parts(recipe, make_plan(recipe, source, len(dls.train), recipe.device, facts), load), dls


def shared_line(recipe):
    n, now = recipe.processes, ranks.here.world
    if (n, now) == (1, 1): return []
    return [f"batches of {recipe.whole_batch} images, shared out among {plural(now, 'process', 'processes')}"
            + (f" ({n} at the run's start: the same images in each batch, but for BatchNorm's share of them and rounding)" if n != now else "")]


def carry_out(recipe, source, parts, dls, run, tell, job_type, group, bar, state=None):
    "Fit, from a checkpoint's `state` on if there is one, evaluate, write; the W&B run is closed whatever happens"
    from .callbacks.checkpoint import resume
    from .callbacks.history import History
    from .callbacks.screen import Screen
    from .callbacks.seen import Seen
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
        history = History(lambda rows: run.write("history.csv", runs.rows_to_csv(rows)))
        seen = Seen(n=8, then=(lambda seen: pictures_of(seen, recipe, source, run, tell)) if ranks.is_first() else None)
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
    from . import checkpoint
    from .callbacks.checkpoint import Checkpoint
    from .recipe import parse_time
    if not ranks.is_first(): return Checkpoint(lambda now: None, parse_time(recipe.checkpoint_every), state)
    what, n = runs.read_json(run.path("recipe.json")), count((state or {"generation": 0})["generation"] + 1)

    def save(now): checkpoint.save(run.folder, {**now, "what": what, "seconds": time.perf_counter() - start}, next(n))
    return Checkpoint(save, parse_time(recipe.checkpoint_every), state)


def teller(run, say):
    def tell(line): say(visible(line)); run.log(visible(line))
    tell.silent = say is silent
    return tell


def pictures_of(seen, recipe, source, run, tell):
    "The first batch as the network saw it, and the targets that the loss asked for"
    from .finish import picture
    from .show import View, draw_seen, draw_view_targets
    picture(run, tell, "batch", lambda: draw_seen(seen.batch, recipe, source))
    picture(run, tell, "targets", lambda: draw_view_targets(View(recipe, source, seen.batch, seen.target), 4))


def start_wandb(recipe, source, run, job_type, group=None):
    return tracking.start(tracking.resolve_mode(recipe.wandb), run.folder, run.name, None, group or runs.base_name(recipe, source.name),
                          runs.trick_words(recipe), runs.tricks_config(recipe), job_type, go_on=tracking.last_id(run.folder))


def wandb_callbacks(wb):
    if wb is None: return []
    from .callbacks.wandb_log import WandbLog
    return [WandbLog(wb)]


def summary(final):
    "Final metrics as W&B's summary: test/accuracy, test/loss …"
    names = {"top1": "accuracy", "top5": "top5", "loss": "loss", "n": "n"}
    return {f"{final['split']}/{names[k]}": final[k] for k in names} | {"seconds": final["seconds"]}


def last_screen(recipe, result):
    "What was trained, how well, where it lies, and what to do next"
    m = result.metrics
    word = {"test": "test", "valid": "validation (there is no test set)"}[m["split"]]
    chosen = ", on which the weights were chosen" if m["split"] == "valid" and recipe.keep == "best" else ""
    tricks = "+".join(str(t) for t in recipe.make_tricks() if t.name in recipe.tricks) or "no trick"
    again = f"python train.py --recipe {result.folder}"
    third = tracking.sync_command(result.folder)
    return [
        "",
        f"trained   {recipe.arch} {'from scratch' if recipe.from_scratch else 'from pre-trained weights'} with {tricks}, "
        f"{plural(m['epochs'], 'epoch')} in {m['train_seconds']:,.0f} s ({m['images_per_s']:,.0f} images/s)",
        f"accuracy  {m['top1']:.2%} {word}{chosen}: {m['correct']:,} of {m['n']:,} right, top-5 {m['top5']:.2%}, "
        f"cross-entropy {m['loss']:.4f}",
        *([f"left out  {plural(m['skipped_steps'], 'step')} whose loss or gradient was not finite (log.txt has the images)"]
          if m["skipped_steps"] else []),
        f"run       {result.folder}",
        *([f"page      {page}"] if (page := Path(result.folder) / "index.html").is_file() else []),
        "next      " + (f"{again} -t none  # the same without tricks" if recipe.tricks
                        else f"{again} -t warmup+cosine+label_smoothing  # the same with tricks"),
        f"          {again} --seed {recipe.seed + 1}  # the same with another seed",
        f"          {third}  # send it to W&B" if third else "          fastricks tricks  # what else there is",
    ]

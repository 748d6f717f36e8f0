"""Trainings in processes of their own that are killed or stopped at any instant, and what is left compared with an
undisturbed one.

A process is forked from one that has everything imported, so that a kill costs a second and not ten.
"""
import csv
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

import fastricks.grid.advise
import fastricks.report.compare.comparison
import fastricks.report.pages.run
import fastricks.training.evaluate
import fastricks.use.first_batch  # noqa: F401  all that a training imports, before the forks
from fastricks.callbacks.checkpoint import Checkpoint
from fastricks.core import stop
from fastricks.core.files import read_json
from fastricks.core.words import silent
from fastricks.grid import ablate, cells
from fastricks.grid import grid as grid_module
from fastricks.runfolder import checkpoint
from fastricks.use.train import train
from support.small import TINY, recipe_of

PHOTOS = "photos"  # becomes a folder of them
FAST = dict(checkpoint_every="0s", epochs=3, batch_size=24)
COMBOS = {
    "step": ([], {}),
    "warmup+cosine": (["warmup:epochs=.5+cosine+label_smoothing"], {}),
    "one_cycle": (["one_cycle"], {}),
    "sgd, groups": (["no_bias_decay"], {"wd": .05, "opt": "sgd"}),
    "mixup": (["mixup+cosine"], {}),
    "mixup, previous": (["mixup:partner=previous"], {"opt": "adamw"}),
    "mixup, a sample": (["mixup:per=sample"], {}),
    "accumulate": (["accumulate:n=2+mixup:partner=previous"], {"batch_size": 12}),
    "best": (["cosine"], {"keep": "best"}),
    "patience": ([], {"keep": "best", "patience": 1, "epochs": 6}),
    "cutmix": (["cutmix+mixup:partner=previous"], {}),
    "views": (["random_erasing+trivial_augment+alternating_flip+progressive_resize:step=4"], {"flip": True}),
    "head_first": (["head_first+freeze+layer_decay"], {}),
    "ema": (["ema:half_life=.4,start=.2+mixup"], {"keep": "best"}),
    "sam": (["sam:every=3+mixup:partner=previous"], {}),
    "amp": (["amp:dtype=bf16"], {"size": 32, "resize": 32, "per_class": 4}),
    "amp, mixup, accumulate": (["amp:dtype=bf16+mixup:partner=previous+accumulate"],
                               {"size": 32, "resize": 32, "per_class": 4, "batch_size": 8}),
    "teacher": (["distill:teacher=test_resnet+cosine"], {"seed": 1, "batch_size": 12}),
    "stored teacher": (["distill:teacher=test_resnet,store=true"], {"seed": 1, "batch_size": 12}),
    "photos": (["mixup"], {"data": PHOTOS, "pretrained": False, "valid": .2, "keep": "best"}),
    "workers": (["mixup:partner=previous"], {"pipeline": "reference", "workers": 2}),
    "reference": (["cosine"], {"pipeline": "reference"}),
    "now and then": (["mixup:partner=previous"], {"checkpoint_every": "1s", "keep": "best"}),
    "by itself": (["warmup:epochs=.5+cosine"], {"checkpoint_every": None, "epochs": 8}),
}
GRID = dict(texts=["mixup:partner=previous", "distill:teacher=test_resnet"], given={**TINY, **FAST, "batch_size": 12})


def recipe(combo, out):
    selection, given = COMBOS[combo]
    if given.get("data") == PHOTOS: given = given | {"data": str(photos(Path(out).parent / PHOTOS))}
    return recipe_of(*selection, **{**FAST, **given, "out": str(out)})


def photos(folder, n=24):
    "Small pictures of three classes"
    if folder.exists(): return folder
    draw = random.Random(5)
    for c in "abc":
        (folder / c).mkdir(parents=True)
        for i in range(n): Image.frombytes("RGB", (20, 18), draw.randbytes(20 * 18 * 3)).save(folder / c / f"{i}.png")
    return folder


# -- what the killed process runs

def note(out, *words):
    "A line that outlives the process"
    fd = os.open(Path(out) / "notes", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(fd, (" ".join(map(str, (time.monotonic(), os.getpid(), *words))) + "\n").encode())
    os.close(fd)


def watched(out):
    "Note every step that is begun and every checkpoint that is whole"
    begun, save = Checkpoint.before_batch, checkpoint.save_checkpoint

    def before_batch(self):
        if self.training: note(out, "step", self.folder.name, self.learn.epoch, self.learn.iter)
        begun(self)

    def saved(folder, tree, n):
        note(out, "saving", folder.name)
        save(folder, tree, n)
        note(out, "saved", folder.name, tree["epoch"], tree["batch"])

    def checkpoints(recipe, run, *args):
        cb = made(recipe, run, *args)
        cb.folder = run.folder
        return cb
    room = sys.modules["fastricks.training.training"]
    made, room.checkpoints = room.checkpoints, checkpoints
    Checkpoint.before_batch, checkpoint.save_checkpoint = before_batch, saved


def body(combo, out, resume):
    watched(out)
    result = train(recipe(combo, out), silent, bar=False, resume=resume)
    if result.learn: (result.folder / "opt").write_text(opt_digest(result.learn))  # not where another process ended it


def opt_digest(learn):
    h = hashlib.sha256()
    for s in learn.opt.state_dict()["state"].values():
        for k, v in s.items():
            h.update(k.encode() + (v.contiguous().numpy().tobytes() if hasattr(v, "numpy") else repr(v).encode()))
    return h.hexdigest()


def grid_body(out, jobs=1):
    watched(out)
    import multiprocessing as mp
    cells.context = lambda: mp.get_context("fork")  # everything is imported
    grid_module.jobs_that_fit = lambda jobs, threads: jobs  # however few cores there are
    g = ablate.ablate("add", {**GRID["given"], "out": str(out)}, None, GRID["texts"], seeds=(0,), jobs=jobs, say=silent)
    if not all(c.ok for c in g.cells): raise SystemExit("; ".join(c.reason for c in g.cells))


def child(f, *args, log=None):
    "Fork, run f(*args) in the child, and return its pid"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid: return pid
    code = 1
    try:
        os.setpgid(0, 0)
        fd = os.open(log or os.devnull, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        with stop.listening():
            try:
                f(*args)
                code = 0
            except stop.Stopped: code = stop.exit_code()
            except BaseException:
                import traceback
                traceback.print_exc()
            if stop.asked.signum: code = stop.say_stopped()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(pid):
    "Exit code of a child, -9 for one that was killed"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# -- what is left of a run

TIMES = {"seconds", "images_per_s", "train_seconds", "eval_seconds", "compile_seconds"}


def left(folder):
    "All of a finished run but times, as text and digests"
    folder = Path(folder)
    rows = list(csv.DictReader(io.StringIO((folder / "history.csv").read_text())))
    metrics = json.loads((folder / "metrics.json").read_text())
    names = sorted(p.name for p in folder.iterdir())
    # this script writes that one after the run's end: a kill may come between
    ours = [n for n in names if n != "opt"]
    return {"history": [{k: v for k, v in r.items() if k not in TIMES} for r in rows],
            "metrics": {k: v for k, v in metrics.items() if k not in TIMES}, "files": ours,
            "identity": json.loads((folder / "recipe.json").read_text())["identity"],
            **{n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names
               if n in ("model.safetensors", "predictions.csv", "predictions-valid.csv", "opt", "batch.png",
                        "targets.png")}}


def run_folders(out): return sorted(p.parent for p in Path(out).glob("*/recipe.json"))


def result(out): return {f.name: left(f) for f in run_folders(out)}


@contextmanager
def fresh(out):
    shutil.rmtree(out, ignore_errors=True)
    Path(out).mkdir(parents=True)
    yield Path(out)


def undisturbed(combo, out):
    "(what is left, seconds) of a run that nobody disturbs"
    with fresh(out):
        start = time.monotonic()
        assert wait(child(body, combo, out, False, log=out / "log")) == 0, (out / "log").read_text()
        return result(out), time.monotonic() - start


def undisturbed_grid(out):
    with fresh(out):
        start = time.monotonic()
        assert wait(child(grid_body, out, log=out / "log")) == 0, (out / "log").read_text()
        return result(out), time.monotonic() - start


def notes(out):
    "(time, pid, word, ...) of all that was noted"
    text = (Path(out) / "notes").read_text() if (Path(out) / "notes").exists() else ""
    return [(float(w[0]), int(w[1]), *w[2:]) for w in (line.split() for line in text.splitlines()) if len(w) > 2]


def phase(out, at):
    "What the process was doing when it was killed, by its last note"
    done = [n for n in notes(out) if n[0] <= at]
    if not done: return "before the first step"
    if any((f / "predictions.csv").exists() for f in run_folders(out) if f.name == done[-1][3]):
        return "writing results"
    return {"step": "in a step", "saving": "in a save", "saved": "after a save"}[done[-1][2]]


def repeated(out):
    "Steps that were done twice although a checkpoint after them was whole: none, if resume is right"
    saved, seen, bad = {}, set(), []
    for _, pid, word, folder, *more in notes(out):
        if word == "saved": saved[folder] = tuple(map(int, more))
        if word == "step" and (pid, folder) not in seen:
            seen.add((pid, folder))
            at = tuple(map(int, more))
            if at < saved.get(folder, (0, 0)): bad.append((folder, at, saved[folder]))
    return bad


def kill_once(f, args, out, seconds):
    "Kill a process after `seconds`, with all that it started: (was it still there, phase)"
    pid = child(f, *args, log=out / "log")
    time.sleep(seconds)
    at = time.monotonic()
    try: os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError: pass
    return wait(pid) == -signal.SIGKILL, phase(out, at)


def trial(combo, out, want, seconds, draw, most=3):
    "Kill a run 1 to `most` times, let it end, compare: ([phases of the kills], [differences])"
    grid, phases = combo == "ablation", []
    f, args = (grid_body, (out,)) if grid else (body, (combo, out, True))
    with fresh(out):
        for _ in range(draw.randint(1, most)):
            was_there, where = kill_once(f, args, out, draw.uniform(0, seconds))
            if not was_there: break
            phases.append(where)
        if not all((p / "metrics.json").exists()
                   for p in run_folders(out)) or len(run_folders(out)) < len(want) or not done(out):
            code = wait(child(f, *args, log=out / "log"))
            if code: return phases, [f"exit code {code}: {(out / 'log').read_text()[-2000:]}"]
        return phases, compare(result(out), want) + [f"done again: {r}" for r in repeated(out)]


def pair(combo, out, want, seconds, draw, most=1):
    "Kill a run, then go on with it in two processes at once: both end, and whatever runs there are then are right"
    with fresh(out):
        phases = [kill_once(body, (combo, out, True), out, draw.uniform(seconds / 3, seconds))[1]]
        pids = [child(body, combo, out, True, log=out / "log") for _ in range(2)]
        codes = [wait(p) for p in pids]
        if any(codes): return phases, [f"of two at once one failed: {(out / 'log').read_text()[-2000:]}"]
        (_, one), = want.items()
        differ = [d for f, r in result(out).items() for d in compare({f: r}, {f: one})]
        if not differ and not done(out): differ = ["not all finished"]
        return phases, differ


def done(out):
    return all(read_json(f / "status.json")["status"] == "finished" for f in run_folders(out)) and run_folders(out)


def compare(got, want):
    out = [] if got.keys() == want.keys() else [f"runs {sorted(got)} and not {sorted(want)}"]
    for name in got.keys() & want.keys():
        a, b = got[name], want[name]
        out += [f"{name}: {k} {a.get(k)} and not {b.get(k)}" for k in a.keys() | b.keys() if k != "opt"
                and a.get(k) != b.get(k)]
        if a.get("opt") and b.get("opt") and a["opt"] != b["opt"]: out.append(f"{name}: optimizer state")
    return out


def draws(seed): return random.Random(seed)


# -- signals

def signal_once(f, args, out, seconds, number):
    "Send a signal after `seconds`: (exit code, seconds until it ended, phase, log)"
    log = out / "log"
    pid = child(f, *args, log=log)
    time.sleep(seconds)
    at, was = time.monotonic(), log.stat().st_size
    os.kill(pid, number)
    code = wait(pid)
    return code, time.monotonic() - at, phase(out, at), log.read_text()[was:]


def signal_trial(combo, out, want, seconds, draw, most=3):
    "Stop a run 1 to `most` times by SIGTERM or Ctrl-C, let it end, compare: ([phases], [differences])"
    grid, phases, odd = combo == "ablation", [], []
    f, args = (grid_body, (out,)) if grid else (body, (combo, out, True))
    with fresh(out):
        for _ in range(draw.randint(1, most)):
            number = draw.choice([signal.SIGTERM, signal.SIGINT])
            code, took, where, log = signal_once(f, args, out, draw.uniform(.1, seconds), number)
            if code == 0: break
            phases.append(where)
            if code != 128 + number: odd.append(f"exit code {code} after {number}: {log}")
            if "interrupted" not in log: odd.append(f"said nothing: {log}")
            if took > 5: odd.append(f"took {took:.1f} s")
            if run_folders(out) and not done(out) and "resume" not in log: odd.append(f"no line to go on with: {log}")
        if not done(out) or len(run_folders(out)) < len(want):
            code = wait(child(f, *args, log=out / "log"))
            if code: return phases, [*odd, f"exit code {code}: {(out / 'log').read_text()[-2000:]}"]
        return phases, odd + compare(result(out), want) + [f"done again: {r}" for r in repeated(out)]

"""Several real processes of one training (gloo, on the CPU), forked from one that has everything imported."""
import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path

from fastai.callback.core import Callback

from fastricks.callbacks.history import History
from fastricks.core import ranks, stop
from fastricks.core.words import silent
from fastricks.data.checked import open_data
from fastricks.recipe.recipe import resolve
from fastricks.training.job import Job
from fastricks.training.learner import fit, make_learner
from fastricks.training.prepare import prepare
from fastricks.training.room import Room
from fastricks.training.settle import settle_machine, settle_tricks
from support.small import TINY


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environ(rank, world, port):
    "What torchrun tells a process"
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def start(n, f, *args, folder):
    "The pids of n processes, each of which writes what f(*args) returns, or its traceback, to `folder`"
    port, pids = free_port(), []
    sys.stdout.flush()
    sys.stderr.flush()
    for r in range(n):
        pid = os.fork()
        if pid:
            pids.append(pid)
            continue
        code = 1
        try:
            os.environ.update(environ(r, n, port))
            fd = os.open(Path(folder) / f"said-{r}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            (Path(folder) / f"{r}.json").write_text(json.dumps(f(*args)))
            code = 0
        except stop.Stopped: code = 143
        except BaseException: (Path(folder) / f"{r}.error").write_text(traceback.format_exc())
        finally: os._exit(code)
    return pids


def end(pids, timeout=120):
    "The exit codes of processes; those that hang are killed, which is an error"
    codes, until = {}, time.monotonic() + timeout
    while len(codes) < len(pids):
        for p in {*pids} - {*codes}:
            if os.waitpid(p, os.WNOHANG)[0]: codes[p] = 0  # told apart by their files
        if time.monotonic() > until:
            for p in {*pids} - {*codes}:
                os.kill(p, signal.SIGKILL)
                os.waitpid(p, 0)
            raise AssertionError(f"{len(pids) - len(codes)} of {len(pids)} processes did not end")
        time.sleep(.02)


def several(n, f, *args, timeout=120):
    "f(*args) in n processes: what each returned (plain data)"
    with tempfile.TemporaryDirectory() as d:
        end(start(n, f, *args, folder=d), timeout)
        errors = [p.read_text() for p in sorted(Path(d).glob("*.error"))]
        assert not errors, "\n".join(errors)
        return [json.loads((Path(d) / f"{r}.json").read_text()) for r in range(n)]


class Record(Callback):
    "The loss of every training batch, as all processes together have it"
    order = 90
    def before_fit(self): self.losses = []
    def after_batch(self):
        if self.training: self.losses.append(float(self.loss.detach()))


class Poison(Callback):
    "Makes one process's images of one batch of each epoch useless"
    order = -50
    def __init__(self, process, batch): self.process, self.batch = process, batch
    def before_batch(self):
        if self.training and (ranks.here.rank, self.learn.iter) == (self.process, self.batch):
            self.learn.xb = (self.x * float("inf"),)


def losses(selection, given, bad=None):
    """Losses, the epochs' rows and a sum of the weights of a training without a run folder; `bad`: (process, batch) to
    poison
    """
    recipe = settle_machine(resolve({**TINY, **given}, [selection] if selection else []))
    with ranks.joined(recipe.device):
        source = open_data(recipe, check=False, say=silent)
        job = settle_tricks(Job(recipe, source), Room(silent))
        parts, dls = prepare(job)
        recipe = job.recipe
        learn = fit(make_learner(dls, parts, recipe, [History(), record := Record(), *([Poison(*bad)] if bad else [])]),
                    parts)
        rows = [{k: v for k, v in r.items() if k not in ("seconds", "images_per_s")} for r in learn.history.rows]
        return {"losses": record.losses, "rows": rows,
                "weights": float(sum(p.detach().double().abs().sum() for p in learn.model.parameters()))}

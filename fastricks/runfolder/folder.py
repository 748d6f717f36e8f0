"""The run folder: what was trained, how, and what came out. Reports need nothing else."""
import os
import shutil
import time
from pathlib import Path

from ..core.errors import UserError
from ..core.files import append, write, write_json
from ..core.lock import ProcessLock
from .environment import environment
from .record import read_record

LOCK = ".lock"


class RunFolder:
    "A run folder that is being written. `status.json` says `unfinished` until the last file is there"
    def __init__(self, folder):
        self.folder, self.finished = Path(folder), False
        self.lock = ProcessLock(self.folder / LOCK)

    @classmethod
    def create(cls, recipe, name, identity):
        """A new folder under --out, called `name`, with a number where that is taken; the recipe's own --name must be
        free
        """
        out = Path(recipe.out)
        base = recipe.name or name
        try:
            out.mkdir(parents=True, exist_ok=True)
            run = claim_folder(out, base, fixed=bool(recipe.name))
        except OSError as e:
            raise UserError(f"--out {out}: can't make a run folder there ({e.strerror})") from None
        try:
            run.start(recipe, identity)
        except BaseException:
            run.release()
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    def hold(self):
        """Is the run ours from now on? Not while another process trains it. The lock ends with the process, however it
        ends
        """
        try:
            return self.lock.take()
        except OSError as e:
            raise UserError(f"{self.folder} can't be written to ({e.strerror})") from None

    def tidy(self):
        "Remove what a process that was killed while it wrote left behind"
        for file in self.folder.glob(".*.tmp"):
            file.unlink(missing_ok=True)

    def release(self): self.lock.release()

    def start(self, recipe, identity):
        self.status("unfinished", pid=os.getpid())
        write_json(self.folder / "environment.json", environment(recipe.device))
        # last: a folder that has it is a run
        write_json(self.folder / "recipe.json", {"recipe": recipe.as_dict, **identity})

    @property
    def name(self): return self.folder.name

    def path(self, name): return self.folder / name

    def status(self, word, **more):
        write_json(self.folder / "status.json", {"status": word, "time": time.strftime("%Y-%m-%d %H:%M:%S"), **more})

    def finish(self):
        "All is written: checkpoints are not needed any more"
        self.status("finished")
        self.finished = True
        self.release()  # Windows removes no open file
        drop_leftovers(self.folder)

    def log(self, line): append(self.folder / "log.txt", line.rstrip() + "\n")
    def write(self, name, data): write(self.path(name), data)


def drop_leftovers(folder):
    "Remove from a finished run what only an unfinished one needs; a process that was killed at its very end left it"
    for file in (*folder.glob("checkpoint-*.safetensors"), *folder.glob(".*.tmp"), folder / LOCK):
        file.unlink(missing_ok=True)


class Guest(RunFolder):
    "The folder of a run that another process of the same training writes"
    def status(self, word, **more): pass
    def log(self, line): pass
    def write(self, name, data): pass
    def finish(self): self.finished = True


def find_runs(out):
    "(folder, what its recipe.json says, its status) of the runs under `out`, by name"
    for file in sorted(Path(out).glob("*/recipe.json")):
        try:
            record = read_record(file.parent)
        except (OSError, ValueError):
            continue  # somebody else's folder, or one that is being written
        yield record.folder, record.what, record.status


def find_finished(out, identity, name=None):
    "The folder under `out` of a finished run with this identity, and of this name where one is given, or None"
    for folder, what, status in find_runs(out):
        if what["identity"] != identity or status != "finished" or name not in (None, folder.name):
            continue
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def claim_folder(out, base, fixed):
    "A RunFolder that nobody else has, with its folder: new, or one whose owner was killed before it became a run"
    for n in range(1, 10_000):
        run = RunFolder(out / (base if n == 1 else f"{base}-{n}"))
        if not run.folder.exists() or is_begun(run.folder):
            run.folder.mkdir(exist_ok=True)
            if run.hold() and is_begun(run.folder):
                run.tidy()
                return run
            run.release()
        if fixed:
            raise UserError(f"--name {base}: {run.folder} is there already; choose another name")
    raise UserError(f"{out} has 10,000 runs called {base}: choose another --out")


def is_begun(folder):
    "Nothing but what comes before recipe.json is in it"
    known = LOCK, "status.json", "environment.json"
    return folder.is_dir() and all(p.name in known or p.suffix == ".tmp" for p in folder.iterdir())

"""The run folder: what was trained, how, and what came out. Reports need nothing else."""
import csv
import errno
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from . import ranks
from .errors import UserError
from .files import read_json
from .trick import registry, schedules

try:
    import fcntl
except ImportError: fcntl = None  # Windows: two processes on one run are not told apart

FULL = errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG


@contextmanager
def writing(path):
    "A file that can't be written is one sentence"
    try: yield
    except OSError as e:
        remedy = "; make room there, or choose another place" if e.errno in FULL else ""
        raise UserError(f"{path} can't be written ({e.strerror or e}){remedy}") from e


def write(path, data):
    "Write a file whole or not at all: a temporary file beside it, then a rename. `data`: text, bytes, or a list of parts"
    path = Path(path)
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with open(tmp, "wb") as f:
                for part in data if isinstance(data, list) else [data]: f.write(encoded(part) if isinstance(part, str) else part)
                f.flush(); os.fsync(f.fileno())
            os.replace(tmp, path)
            sync_folder(path.parent)
        finally: tmp.unlink(missing_ok=True)


def append(path, text):
    "Add text to a file, all of it or nothing"
    data = encoded(text)
    with writing(path):
        f = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            end = os.fstat(f).st_size
            if os.write(f, data) == len(data): return
            os.ftruncate(f, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally: os.close(f)


def encoded(text): return text.encode(errors="backslashreplace")  # a path may hold bytes that are no text


def sync_folder(folder):
    "A rename outlives a power cut when the folder is on the disk too"
    if os.name == "nt": return
    fd = os.open(folder, os.O_RDONLY)
    try: os.fsync(fd)
    finally: os.close(fd)


def write_json(path, obj): write(path, json.dumps(obj, indent=2, ensure_ascii=False) + "\n")


def rows_to_csv(rows):
    out = io.StringIO()
    if rows:
        w = csv.DictWriter(out, list(dict.fromkeys(k for r in rows for k in r)), lineterminator="\n")
        w.writeheader(); w.writerows(rows)
    return out.getvalue()


def trick_words(recipe):
    "The tricks that are on, or `baseline`; the recipe's own schedule goes without saying"
    return list(recipe.tricks) or ["baseline"]


def base_name(recipe, source_name):
    "Readable name of a recipe without its seed: data-arch-tricks, safe in a shell and in a path"
    arch, tricks = recipe.arch.split(".")[0], "-".join(trick_words(recipe))
    name = "-".join(filter(None, [source_name, arch, recipe.recipe if recipe.recipe != "" else "", tricks]))
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:100].lstrip(".-")


class Run:
    "A run folder that is being written. `status.json` says `unfinished` until the last file is there"
    def __init__(self, folder): self.folder, self.finished, self.lock = Path(folder), False, None

    @classmethod
    def create(cls, recipe, source_name, identity):
        "Make a new folder under --out; `--name` must be free, a made name gets a number"
        out = Path(recipe.out)
        base = recipe.name or f"{base_name(recipe, source_name)}-s{recipe.seed}"
        try:
            out.mkdir(parents=True, exist_ok=True)
            run = claim(out, base, fixed=bool(recipe.name))
        except OSError as e: raise UserError(f"--out {out}: can't make a run folder there ({e.strerror})") from None
        try: run.start(recipe, identity)
        except BaseException: run.release(); shutil.rmtree(run.folder, ignore_errors=True); raise
        return run

    def hold(self):
        "Is the run ours from now on? Not while another process trains it. The lock ends with the process, however it ends"
        if fcntl is None: return True
        try: self.lock = open(self.folder / ".lock", "w")  # noqa: SIM115  held open
        except OSError as e: raise UserError(f"{self.folder} can't be written to ({e.strerror})") from None
        try: fcntl.lockf(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError): self.release(); return False
        except OSError: pass  # a file system without locks
        return True

    def tidy(self):
        "Remove what a process that was killed while it wrote left behind"
        for file in self.folder.glob(".*.tmp"): file.unlink(missing_ok=True)

    def release(self):
        if self.lock: self.lock.close()
        self.lock = None

    def start(self, recipe, identity):
        self.status("unfinished", pid=os.getpid())
        write_json(self.folder / "environment.json", environment(recipe.device))
        write_json(self.folder / "recipe.json", {"recipe": asdict(recipe), **identity})  # last: a folder that has it is a run

    @property
    def name(self): return self.folder.name

    def path(self, name): return self.folder / name

    def status(self, word, **more):
        write_json(self.folder / "status.json", {"status": word, "time": time.strftime("%Y-%m-%d %H:%M:%S"), **more})

    def finish(self):
        "All is written: checkpoints are not needed any more"
        self.status("finished")
        self.finished = True
        for file in [*self.folder.glob("checkpoint-*.safetensors"), self.folder / ".lock"]: file.unlink(missing_ok=True)

    def log(self, line): append(self.folder / "log.txt", line.rstrip() + "\n")
    def write(self, name, data): write(self.path(name), data)


class Guest(Run):
    "The folder of a run that another process of the same training writes"
    def status(self, word, **more): pass
    def log(self, line): pass
    def write(self, name, data): pass
    def finish(self): self.finished = True


def find_runs(out):
    "(folder, what its recipe.json says, its status) of the runs under `out`, by name"
    for file in sorted(Path(out).glob("*/recipe.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # somebody else's folder, or one that is being written
            yield file.parent, {"identity": None, **read_json(file)}, read_json(file.parent / "status.json")["status"]


def find_finished(out, identity):
    "The folder under `out` of a finished run with this identity, or None"
    return next((folder for folder, what, status in find_runs(out) if what["identity"] == identity and status == "finished"
                 and (folder / "model.safetensors").is_file()), None)


def claim(out, base, fixed):
    "A Run that nobody else has, with its folder: new, or one whose owner was killed before it became a run"
    for n in range(1, 10_000):
        run = Run(out / (base if n == 1 else f"{base}-{n}"))
        if not run.folder.exists() or is_begun(run.folder):
            run.folder.mkdir(exist_ok=True)
            if run.hold() and is_begun(run.folder): run.tidy(); return run
            run.release()
        if fixed: raise UserError(f"--name {base}: {run.folder} is there already; choose another name")
    raise UserError(f"{out} has 10,000 runs called {base}: choose another --out")


def is_begun(folder):
    "Nothing but what comes before recipe.json is in it"
    return folder.is_dir() and all(p.name in (".lock", "status.json", "environment.json") or p.suffix == ".tmp" for p in folder.iterdir())


def environment(device):
    "Versions, device and git state: what a number was measured with"
    from importlib.metadata import version
    packages = ["torch", "torchvision", "fastai", "timm", "wandb", "numpy", "pillow", "safetensors"]
    return {"fastricks": version("fastricks"), "processes": ranks.world(), "python": platform.python_version(), **{p: version(p) for p in packages},
            "platform": platform.platform(), "cpu": cpu_name(), "cores": os.cpu_count(), "device": device_name(device), "git": git_state()}


def cpu_name():
    try: return next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name"))
    except (OSError, StopIteration): return platform.processor() or platform.machine()


def device_name(device):
    import torch
    return torch.cuda.get_device_name(device) if str(device).startswith("cuda") else str(device)


def git_state():
    "Revision of the code, and whether it was changed; {} where there is no git"
    def git(*a):
        r = subprocess.run(["git", *a], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
        return r.stdout.strip() if r.returncode == 0 else None
    try: return {"revision": rev, "changed": bool(git("status", "--porcelain"))} if (rev := git("rev-parse", "HEAD")) else {}
    except (OSError, subprocess.SubprocessError): return {}


def tricks_config(recipe):
    "The recipe as W&B's config: nested, `tricks.NAME.on` for every trick, `tricks.NAME.key` for those in effect"
    hidden = {"schedule", "tricks", "out", "name", "wandb", "checkpoint_every"}
    main = next(n for n in recipe.active if n in schedules())
    tricks = {n: {"on": n in recipe.active, **recipe.active.get(n, {})} for n in registry()}
    return {**{k: v for k, v in asdict(recipe).items() if k not in hidden}, "schedule": main, "tricks": tricks}


def argv(): return [Path(sys.argv[0]).name, *sys.argv[1:]]

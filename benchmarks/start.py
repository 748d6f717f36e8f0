"""What commands cost before and beside their work: CPU seconds of fresh processes, as ratios to those of an import.

    python benchmarks/start.py [--only 7 9] [--rounds 5] [--tree CHECKOUT ...] [--json FILE]

CPU seconds are user and system time of a process and of all that it starts, which a busy machine touches least; wall
seconds stand beside them. In each round every contender starts once, in turns. Several --tree are compared with each
other. The runs that the commands look at are made by them first, in a temporary folder; caches are warm.
"""
import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from rounds import Times, ratios, rotated

ROOT = Path(__file__).parents[1]
FASTAI, TORCH, STATS = "import fastai.vision.learner", "import torch", "import pandas, scipy.stats"
SMALL = ("--arch", "test_resnet", "--size", "32", "--resize", "32", "--batch-size", "32", "--epochs", "1",
         "--threads", "1", "--device", "cpu", "--no-pretrained")
TRICKS = "none", "mixup", "cosine", "label_smoothing", "zero_gamma", "warmup"  # of the runs that are compared
EIGHT = ("-t", "warmup+cosine+mixup+label_smoothing+ema+no_bias_decay+zero_gamma+layer_decay", "--wd", ".05",
         "--epochs", "40")
SEEDS = 5
FEW, MORE = 2, 3     # seeds of two ablations, whose difference is what a run more takes; one seed has no intervals
ABLATED = 2          # rows of an ablation
CHILD_SUBREAPER = 36  # Linux' PR_SET_CHILD_SUBREAPER: what lost its parent becomes this process's child
KB = 1 << 10
LEAVE = '''
import os
from dataclasses import dataclass

from fastricks.trick.base import Trick


@dataclass(frozen=True)
class Leave(Trick):
    "Ends the process where the first training step would begin"
    def on_weights(self, cbs, plan):
        from fastai.callback.core import Callback

        class Gone(Callback):
            def before_batch(self): os._exit(0)
        return [*cbs, Gone()]
'''


@dataclass(frozen=True)
class Start:
    "A row: a command whose CPU seconds, less those of another where there is one, are set against an import's"
    row: str
    what: str
    base: str
    words: tuple
    most: float
    aim: float
    less: tuple | None = None
    runs: int = 1  # that share the seconds


@dataclass
class Spent:
    "CPU and wall seconds of a process and its descendants, and MB of the one that had most; a number a round"
    cpu: list = field(default_factory=list)
    wall: list = field(default_factory=list)
    memory: list = field(default_factory=list)

    def add(self, o):
        for name, value in zip(("cpu", "wall", "memory"), o, strict=True):
            getattr(self, name).append(value)


def fastricks(*words): return "-m", "fastricks", *map(str, words)


def rows_of(work, photos):
    return [*trainings(work, photos), *light(work, photos), ablation(work)]


def trainings(work, photos):
    def train(data):
        return fastricks("train", data, *SMALL, "-t", work / "leave.py", "--out", work / "out", "--wandb", "offline")
    photo = fastricks("predict", work / "runs/first", work / "one.jpg")
    return [Start("7", "train digits, to its first step", FASTAI, train("digits"), 1.4, 1.1),
            Start("7", f"train {photos} cached photos, to its first step", FASTAI, train(work / "photos"), 1.4, 1.1),
            Start("8", "predict one photo", TORCH, photo, 2.5, 1.8)]


def light(work, photos):
    "Commands that print and draw"
    told = *SMALL, "--explain", "--out", work / "out"
    commands = {
        "page": ("page", work / "runs/first"),
        "runs": ("runs", work / "many"),
        f"compare {len(TRICKS) * SEEDS} runs": ("compare", work / "many"),
        "show lr": ("show", "lr", "-t", "warmup", "-t", "cosine", "--to", work / "lr.png"),
        "train digits --explain": ("train", "digits", *told),
        f"train --explain, of {photos} photos and eight tricks": ("train", work / "photos", *told, *EIGHT),
    }
    return [Start("9", what, STATS, fastricks(*words), 1.5, 1.) for what, words in commands.items()]


def ablation(work):
    def ablate(seeds):
        return fastricks("ablate", "--data", work / "few", *SMALL, "--out", work / "grid", "--wandb", "offline",
                         "-t", "mixup", "--seeds", seeds)
    what = "a run of an ablation, with its training and evaluation on 60 photos"
    return Start("10", what, TORCH, ablate(MORE), .7, .4, ablate(FEW), ABLATED * (MORE - FEW))


# -- processes

def adopt_orphans():
    "A fork server's trainings, and W&B's service, outlive the process that started them: they become ours to wait for"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 1, 0, 0, 0)


def spent(words, tree, work, threads=1):
    "(CPU seconds, wall seconds, MB) of Python with these words, from a checkout; `threads`: None for all cores"
    shutil.rmtree(work / "grid", ignore_errors=True)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS")}
    env |= {"PYTHONPATH": str(tree), "FASTRICKS_CACHE": str(work / "cache")}
    env |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    begun = time.perf_counter()
    with (work / "log.txt").open("w") as log:
        p = subprocess.Popen([sys.executable, *words], cwd=work, env=env, stdout=log, stderr=log)
        used, code = waited(p.pid)
    p.returncode = code
    if code:
        sys.exit(f"{' '.join(words)}\n{(work / 'log.txt').read_text()[-2000:]}")
    return (sum(o.ru_utime + o.ru_stime for o in used), time.perf_counter() - begun,
            max(o.ru_maxrss for o in used) / KB)


def waited(pid):
    "(what each child used, all of them ended; the exit code of this one)"
    used, code = [], 0
    while True:
        try:
            ended, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return used, code
        used.append(usage)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)


# -- what the commands look at

def make_all(work, photos, rows):
    "Runs and photos that the rows need"
    (work / "leave.py").write_text(LEAVE)
    write_photos(work / "photos", photos)
    write_photos(work / "few", 60)
    shutil.copy(next((work / "photos").glob("*/*/*.jpg")), work / "one.jpg")
    if rows & {"8", "9"}:
        words = fastricks("train", "digits", *SMALL, "--out", work / "runs", "--name", "first", "--wandb", "disabled")
        spent(words, ROOT, work)
    if "9" in rows:
        write_runs(work / "many")


def write_photos(folder, n, classes=4):
    "Smooth noise as JPEGs, two thirds of them for training: train/CLASS and test/CLASS"
    rng = np.random.default_rng(0)
    for i in range(n):
        file = folder / ("test" if i % 3 == 2 else "train") / f"class {i // 3 % classes}" / f"{i:04}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC).save(file, quality=90)


def write_runs(folder, images=359):
    "Folders of runs as a training leaves them, of each trick with each seed"
    sys.path.insert(0, str(ROOT / "tests"))
    from support.fake_runs import fake_run
    rng = np.random.default_rng(0)
    easy = rng.random(images)
    for trick in TRICKS:
        for seed in range(SEEDS):
            fake_run(folder, trick, seed, hits=easy + rng.normal(0, .1, images) > .2, valid=rng.random(143) > .2)


# -- all of it

def measure(rows, trees, rounds, work, say=print):
    "Yields {(tree, words): Spent} after each round; an import is the same from every tree"
    bases = [(ROOT, ("-c", base)) for base in dict.fromkeys(r.base for r in rows)]
    each = [(tree, words) for tree in trees for r in rows for words in filter(None, (r.less, r.words))]
    found = {key: Spent() for key in (*bases, *each)}
    for tree in trees:
        spent(("-m", "compileall", "-q", str(tree / "fastricks")), tree, work)
    for tree, words in each:
        if str(work / "photos") in words or "--explain" in words:
            spent(words, tree, work)  # decodes them, and builds the network
    for r in range(rounds):
        for tree, words in rotated(list(found), r):
            found[tree, words].add(spent(words, tree, work))
        say(f"  round {r + 1} of {rounds}")
        yield found


def result(row, tree, found):
    "A line of the table, as plain data"
    taken, base = found[tree, row.words], found[ROOT, ("-c", row.base)]
    less = found[tree, row.less] if row.less else Spent(*[[0.] * len(taken.cpu)] * 3)
    cpu, wall = (beyond(getattr(taken, k), getattr(less, k), row.runs) for k in ("cpu", "wall"))
    of = ratios(Times(cpu), Times(base.cpu))
    verdict = "fails" if of["value"] > row.most else "passes, aim met" if of["value"] <= row.aim else "passes"
    return {"row": row.row, "what": row.what, "base": row.base, "tree": str(tree), **of,
            "wall": ratios(Times(wall), Times(base.wall))["value"], "cpu_seconds": cpu, "wall_seconds": wall,
            "memory": median(taken.memory), "base_memory": median(base.memory),
            "bound": row.most, "aim": row.aim, "verdict": verdict}


def beyond(seconds, less, runs): return [(a - b) / runs for a, b in zip(seconds, less, strict=True)]


def show(lines):
    heads = "", "what", "/", "× CPU", "least – greatest", "n", "bound", "aim", "", "CPU s", "× wall", "MB", "tree"
    table = Table(*heads)
    for o in lines:
        table.add_row(*cells(o))
    Console(highlight=False, width=200).print(table)
    print("MB: of the largest process at its peak, and in brackets of the import's")


def cells(o):
    return (o["row"], o["what"], o["base"], f"{o['value']:.2f}", f"{o['low']:.2f} – {o['high']:.2f}", str(o["n"]),
            f"≤ {o['bound']:g}", f"{o['aim']:g}", o["verdict"], f"{median(o['cpu_seconds']):.2f}", f"{o['wall']:.2f}",
            f"{o['memory']:,.0f} ({o['base_memory']:,.0f})", Path(o["tree"]).name)


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--only", nargs="+", choices=("7", "8", "9", "10"), help="rows")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--photos", type=int, default=600, help="cached ones of row 7")
    p.add_argument("--tree", nargs="+", type=Path, default=[ROOT], help="checkouts to compare (default: this one)")
    p.add_argument("--json", metavar="FILE")
    return p.parse_args(args)


def main(args=None):
    a = parse(args)
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        rows = [r for r in rows_of(work, a.photos) if r.row in (a.only or r.row)]
        make_all(work, a.photos, {r.row for r in rows})
        for found in measure(rows, [t.resolve() for t in a.tree], a.rounds, work):
            lines = [result(r, t.resolve(), found) for r in rows for t in a.tree]
            if a.json:
                Path(a.json).write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    show(lines)
    return lines


if __name__ == "__main__":
    main()

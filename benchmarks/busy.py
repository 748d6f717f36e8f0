"""What a step takes in the kernel, and what trainings lose to others on the same cores: processes in turns.

    python benchmarks/busy.py step --data food-101-21 --size 64 --resize 64 --weights FILE [--arch NAME] [--rounds 5]
    python benchmarks/busy.py together --data food-101-21 --size 64 --resize 64 --weights FILE --rounds 3

`step`: our steps in memory and a hand-written loop's, each in a process of its own with what it sets for itself: CPU
seconds, the kernel's share, page faults, memory. `together`: images a second of two trainings at once, with all threads
each, and of one beside a process that spins, against one alone; the same with FASTRICKS_PROCESS=0.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import median

import fastricks  # noqa: F401  before the heavy imports
from fastricks.core.process import WAITS

HERE = Path(__file__).parent
CLEAN = {k: v for k, v in os.environ.items() if k not in WAITS and not k.startswith("MALLOC_")}
LEFT_ALONE = {"FASTRICKS_PROCESS": "0"}
SPIN = "while True: pass"


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=("step", "together"))
    p.add_argument("--data", default="digits")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--resize", type=int)
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--weights")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--batches", type=int, default=20, help="of a slice or an epoch, and three more")
    p.add_argument("--epochs", type=int, default=3, help="of a training; the first is left out")
    p.add_argument("--threads", type=int)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", metavar="FILE")
    return p.parse_args(args)


# -- step

def step_rounds(a):
    "{contender: [what a step took, a round each]}"
    from rounds import rotated
    kinds = {"ours": {}, "ours, process as it was": LEFT_ALONE, "hand-written": LEFT_ALONE}
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "setting.json"
        file.write_text(json.dumps(asdict(setting_of(a, Path(work))), default=str))
        found = {name: [] for name in kinds}
        for r in range(a.rounds):
            for name in rotated([*kinds], r):
                kind = "hand" if name.startswith("hand") else "ours"
                found[name].append(json.loads(output([HERE / "step.py", kind, file], kinds[name])))
            print(f"  round {r + 1} of {a.rounds}", flush=True)
    return found


def setting_of(a, work):
    import speed
    words = ["--data", a.data, "--size", a.size, "--batch", a.batch, "--batches", a.batches, "--arch", a.arch,
             "--precision", "fp32", "--threads", a.threads or 1, *(["--resize", a.resize] if a.resize else []),
             *(["--weights", a.weights] if a.weights else [])]
    return speed.make_setting(speed.parse([str(w) for w in words]), 0, work)


def output(words, environment):
    r = subprocess.run([sys.executable, *map(str, words)], env={**CLEAN, **environment}, capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stderr)
    return r.stdout.splitlines()[-1]


def show_steps(found):
    from rich.console import Console
    from rich.table import Table
    table = Table("", "CPU s a step", "kernel / user", "page faults a step", "MB", "CPU / hand-written")
    cpu = lambda x: x["user"] + x["kernel"]
    for name, rounds in found.items():
        against = [cpu(x) / cpu(y) for x, y in zip(rounds, found["hand-written"], strict=True)]
        table.add_row(name, f"{median(map(cpu, rounds)):.3f}",
                      f"{median(x['kernel'] / x['user'] for x in rounds):.1%}",
                      f"{median(x['faults'] for x in rounds):,.0f}",
                      f"{median(x['memory'] for x in rounds) / 1024:,.0f}",
                      f"{median(against):.3f} ({min(against):.3f} – {max(against):.3f})")
    Console(highlight=False, width=120).print(table)


# -- together

def together_rounds(a):
    "{contender: [images a second, a round each]}"
    from rounds import rotated
    kinds = {"one alone": (1, False), "two at once, the sum": (2, False), "one beside a spinning process": (1, True)}
    cells = [(f"{name}{more}", n, spin, env) for name, (n, spin) in kinds.items()
             for more, env in (("", {}), (", process as it was", LEFT_ALONE))]
    found = {c[0]: [] for c in cells}
    with tempfile.TemporaryDirectory() as work:
        tree = setting_of(a, Path(work)).tree  # few images for evaluation
        for r in range(a.rounds):
            for name, n, spin, env in rotated(cells, r):
                with spinning() if spin else nullcontext():
                    found[name].append(rate(a, tree, n, env))
            print(f"  round {r + 1} of {a.rounds}: " + ", ".join(f"{k} {v[-1]:.1f}" for k, v in found.items()),
                  flush=True)
    return found


@contextmanager
def spinning():
    p = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield p
    finally:
        p.kill()
        p.wait()


def rate(a, tree, n, environment):
    "Images a second of `n` trainings that start together: the sum of each one's median over its epochs but the first"
    with tempfile.TemporaryDirectory() as work:
        started = [subprocess.Popen([str(w) for w in command(a, tree, Path(work) / str(i))],
                                    env={**CLEAN, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                    text=True) for i in range(n)]
        for p in started:
            _, said = p.communicate()
            if p.returncode:
                sys.exit(said)
        return sum(rate_of(Path(work) / str(i)) for i in range(n))


def command(a, tree, out):
    given = {"data": tree, "size": a.size, "resize": a.resize, "arch": a.arch, "weights": a.weights,
             "batch-size": a.batch, "epochs": a.epochs, "threads": a.threads}
    return [sys.executable, HERE.parent / "train.py", "--no-pretrained", "--wandb", "disabled", "--out", out,
            *(w for k, v in given.items() if v is not None for w in (f"--{k}", v))]


def rate_of(out):
    "Images a second of the one run in a folder"
    history = next(out.glob("*/history.csv"))
    with open(history) as f:
        return median(float(row["images_per_s"]) for row in [*csv.DictReader(f)][1:])


def show_together(found):
    from rich.console import Console
    from rich.table import Table
    table = Table("", "images/s", "/ one alone", "least – greatest")
    for name, rates in found.items():
        alone = found["one alone, process as it was" if "as it was" in name else "one alone"]
        against = [x / y for x, y in zip(rates, alone, strict=True)]
        table.add_row(name, f"{median(rates):.1f}", f"{median(against):.2f}",
                      f"{min(against):.2f} – {max(against):.2f}")
    Console(highlight=False, width=120).print(table)


def main(args=None):
    a = parse(args)
    from fastricks.runfolder.environment import environment
    found = step_rounds(a) if a.what == "step" else together_rounds(a)
    (show_steps if a.what == "step" else show_together)(found)
    threads = a.threads or (1 if a.what == "step" else "all")
    print(f"n = {a.rounds}; {a.arch}, {a.size} px, batch {a.batch}, threads: {threads}")
    if a.json:
        Path(a.json).write_text(json.dumps({**vars(a), "found": found, "environment": environment("cpu")}, indent=1))


if __name__ == "__main__":
    main()

"""Images a second of one process and of several that train the same network, in turns.

    python benchmarks/processes.py --processes 1 2 --batch 64 --rounds 3 --data food-101-21 --size 64 --resize 64

The batch of all processes together is `--batch` throughout; a process has the machine's cores, or devices, divided by
their number. Each round trains every contender from its start for `--epochs`; the first epoch is left out. What is not
known here goes to `train`.
"""
import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from rounds import cpu_seconds, rotated

ROOT = Path(__file__).parents[1]


def parse():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--epochs", type=int, default=3)
    return p.parse_known_args()


def rate(n, batch, epochs, words):
    "(images a second of training, the median of the epochs but the first; CPU seconds of the whole run; environment)"
    with tempfile.TemporaryDirectory() as out:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n] if n > 1 else []
        own = ["--batch-size", batch // n, "--epochs", epochs, "--out", out, "--wandb", "disabled"]
        before = cpu_seconds()
        r = subprocess.run([str(w) for w in (sys.executable, *launch, ROOT / "train.py", *own, *words)],
                           capture_output=True, text=True)
        spent = cpu_seconds() - before
        if r.returncode:
            sys.exit(r.stderr)
        rows = list(csv.DictReader(next(Path(out).glob("*/history.csv")).open()))
        env = json.loads(next(Path(out).glob("*/environment.json")).read_text())
        return median(float(row["images_per_s"]) for row in rows[1:]), spent, env


def main():
    a, words = parse()
    rates, cpu = {n: [] for n in a.processes}, {n: [] for n in a.processes}
    for r in range(a.rounds):
        for n in rotated(a.processes, r):
            x, spent, env = rate(n, a.batch, a.epochs, words)
            rates[n].append(x)
            cpu[n].append(spent)
            print(f"  round {r + 1} of {a.rounds}: {n} processes {x:,.0f} images/s", flush=True)
    first = median(rates[a.processes[0]])
    print(f"\n{'processes':>9} {'images/s':>10} {'least':>8} {'most':>8} {'ratio':>6} {'CPU s':>7}   (n = {a.rounds})")
    for n, xs in rates.items():
        print(f"{n:>9} {median(xs):>10,.0f} {min(xs):>8,.0f} {max(xs):>8,.0f} {median(xs) / first:>6.2f} "
              f"{median(cpu[n]):>7.1f}")
    print(json.dumps({"rates": rates, "cpu": cpu, "batch": a.batch, "words": words, "environment": env}))


if __name__ == "__main__":
    main()

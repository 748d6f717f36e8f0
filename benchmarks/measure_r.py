"""R, and how often an A/A row is called, in settings of your own: is the images' luck to be trusted there?

    python benchmarks/measure_r.py stored                       # R of each row of docs/results/*.json
    python benchmarks/measure_r.py run --seeds 24 --epochs 3    # trains the built-in digits; the same command goes on
    where it was stopped python benchmarks/measure_r.py run --data PHOTOS --size 64 --arch resnet18 --out runs/r-photos

`run` trains a baseline, the A/A row and four tricks, and prints each row's R = s² / v with the 95% interval of s² (χ²);
the mean R, by which `compare` decides whether variances are steadied; and how many looks at five seeds of the A/A row,
alone in its table, are called.
"""
import argparse
import json
from pathlib import Path

import numpy as np
from experiments import EXPERIMENTS
from results_page import KEPT

from fastricks.grid.ablate import ablate
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.effects import effect_of
from fastricks.report.compare.samples import Sample, moments
from fastricks.report.find import load_runs
from fastricks.report.stored import stored_runs

TRICKS = "control", "mixup", "label_smoothing", "cosine", "warmup"
BLOCK = 5  # seeds of a look


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=("stored", "run"))
    p.add_argument("--data", default="digits")
    p.add_argument("--size", type=int, default=16)
    p.add_argument("--arch", default="test_resnet")
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--seeds", type=int, default=24)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--weights")
    p.add_argument("--per-class", type=int)
    p.add_argument("--out", default="runs/r-digits")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--json")
    return p.parse_args(args)


def ratios(c):
    "label -> (pairs, R, its 95% interval) of a Comparison's rows"
    from scipy.special import chdtri
    found = {}
    for row in c.rows[1:]:
        d, df = row.diff, row.diff.n - 1
        found[row.label] = d.n, d.R, d.R * df / float(chdtri(df, .025)), d.R * df / float(chdtri(df, .975))
    return found


def show(title, found):
    print(f"\n{title}: mean R {np.mean([r[1] for r in found.values()]):.2f}")
    for label, (n, R, low, high) in found.items():
        print(f"  {label[:60]:60} {n:3} pairs  R {R:5.2f} [{low:.2f}, {high:.2f}]")


def stored():
    "R of the kept runs, by experiment"
    for file in sorted(KEPT.glob("*.json")):
        runs = stored_runs(file)
        found = ratios(compare(runs, baseline=EXPERIMENTS[file.stem].baseline, once=True, plain=True))
        show(file.stem, found)


def run(a):
    given = {"data": a.data, "size": a.size, "resize": a.size, "arch": a.arch, "epochs": a.epochs, "lr": a.lr,
             "threads": 1, "workers": 0,
             "device": "cpu", "wandb": "disabled", "out": a.out, "pretrained": False,
             **{k: v for k in ("weights", "per_class") if (v := getattr(a, k))}}
    grid = ablate("add", given, None, list(TRICKS), range(a.seeds), jobs=a.jobs)
    c = compare(load_runs(grid.folders), once=True, plain=True)
    found = ratios(c)
    show(f"{a.data}, {a.epochs} epochs, {c.n_images:,} images", found)
    looks, called = aa_looks(c)
    print(f"  A/A row: {called} of {looks} looks at {BLOCK} seeds of their own have p <= .05 (plain t, images in it)")
    if a.json:
        result = {"setting": vars(a), "images": c.n_images, "rows": found, "aa": [called, looks]}
        Path(a.json).write_text(json.dumps(result, indent=1))


def aa_looks(c):
    "(looks, called) of the A/A row at disjoint blocks of seeds"
    row = next(r for r in c.rows if r.tricks == TRICKS[0])
    hits = [np.array([100. * (r.images(c.split).rank == 0) for r in x.runs]) for x in (row, c.baseline)]
    blocks = [slice(k, k + BLOCK) for k in range(0, len(row.runs) - BLOCK + 1, BLOCK)]
    p = [effect_of(moments(Sample(a.mean(1), b.mean(1), a, b))).p for a, b in ([h[s] for h in hits] for s in blocks)]
    return len(p), int(sum(x <= .05 for x in p))


if __name__ == "__main__":
    a = parse()
    if a.what == "run":
        run(a)
    else:
        stored()

"""docs/results.md: the tutorial's experiment with seeds and intervals. Every number of the page comes from a file that
`gather` wrote.

    python benchmarks/results.py commands [NAME …]    # the `fastricks ablate` lines
    python benchmarks/results.py run [NAME …]         # carry them out; the same command goes on where it was stopped
    python benchmarks/results.py gather [NAME …]      # run folders -> docs/results/NAME.json
    python benchmarks/results.py page                 # docs/results/*.json -> docs/results.md, its pictures, README's
    table
"""
import argparse
import shlex
import subprocess
import sys

from experiments import EXPERIMENTS
from results_page import KEPT, page

from fastricks.report.find import load_runs
from fastricks.report.stored import save_runs


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=("commands", "run", "gather", "page"))
    p.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)} (default: all)")
    p.add_argument("--data", default="food-101-21")
    p.add_argument("--weights", default="resnet18.safetensors")
    p.add_argument("--per-class", type=int, default=100)
    p.add_argument("--epochs", type=int, default=6)
    p.add_argument("--advice", default="cosine",
                   help="the tricks that `run table8` advised, as -t has them; {weights} stands for --weights")
    p.add_argument("--out", default="runs/results")
    p.add_argument("--budget", help="of each line, as ablate takes it")
    p.add_argument("--remark", help="of gather: what readers of the table should know of these trainings")
    a = p.parse_args(args)
    if wrong := [n for n in a.names if n not in EXPERIMENTS]:
        p.error(f"{wrong[0]} is not one of {', '.join(EXPERIMENTS)}")
    a.names = a.names or list(EXPERIMENTS)
    return a


def lines(a, name):
    values = {k: shlex.quote(str(getattr(a, k))) for k in ("data", "weights", "per_class", "epochs", "advice")}
    more = f" --out {shlex.quote(a.out)}" + (f" --budget {a.budget}" if a.budget else "")
    return [line + more for line in EXPERIMENTS[name].commands(**values)]


def run(a):
    for name in a.names:
        for line in lines(a, name):
            print(f"\n$ {line}", flush=True)
            if code := subprocess.run([sys.executable, "-m", "fastricks", *shlex.split(line)[1:]]).returncode:
                sys.exit(code)


def gather(a):
    "What is finished, as files to commit; the commands with placeholders for what is on this disk only"
    all_runs = load_runs(a.out)
    for name in a.names:
        e = EXPERIMENTS[name]
        runs = e.runs(all_runs)
        kinds = {(str(r.recipe.tricks), str(r.recipe.schedule), r.recipe.batch_size) for r in runs}
        if len(kinds) < 2:
            continue  # the shared baseline alone, or nothing
        said = e.commands(data=e.data, weights=e.weights, per_class=a.per_class, epochs=a.epochs, advice=a.advice)
        KEPT.mkdir(exist_ok=True)
        save_runs(KEPT / f"{name}.json", runs, {"commands": said, "remark": a.remark})
        print(f"written   {KEPT / name}.json")


def main():
    a = parse()
    if a.what == "commands":
        print("\n".join(line for name in a.names for line in lines(a, name)))
    elif a.what == "page":
        page()
    else:
        {"run": run, "gather": gather}[a.what](a)


if __name__ == "__main__":
    main()

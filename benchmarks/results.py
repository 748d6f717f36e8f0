"""docs/results.md: the tutorial's experiment with seeds and intervals. Every number of the page comes from a file that `gather` wrote.

    python benchmarks/results.py commands [NAME …]    # the `fastricks ablate` lines
    python benchmarks/results.py run [NAME …]         # carry them out; the same command goes on where it was stopped
    python benchmarks/results.py gather [NAME …]      # run folders -> docs/results/NAME.json
    python benchmarks/results.py page                 # docs/results/*.json -> docs/results.md and its pictures
"""
import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

from experiments import EXPERIMENTS
from stored import load, save

from fastricks.compare import compare, load_runs
from fastricks.plots import save as save_picture
from fastricks.report import columns, explain, facts, interval, none, number, signed
from fastricks.report_pictures import draw_delta, draw_time
from fastricks.runs import write
from fastricks.stats import HELPS, HURTS, SAME

DOCS = Path(__file__).parents[1] / "docs"
KEPT = DOCS / "results"


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=("commands", "run", "gather", "page"))
    p.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)} (default: all)")
    p.add_argument("--data", default="food-101-21"); p.add_argument("--weights", default="resnet18.safetensors")
    p.add_argument("--per-class", type=int, default=100); p.add_argument("--epochs", type=int, default=6)
    p.add_argument("--advice", default="cosine", help="the tricks that `run table8` advised, as -t has them")
    p.add_argument("--out", default="runs/results"); p.add_argument("--budget", help="of each line, as ablate takes it")
    a = p.parse_args(args)
    if wrong := [n for n in a.names if n not in EXPERIMENTS]: p.error(f"{wrong[0]} is not one of {', '.join(EXPERIMENTS)}")
    a.names = a.names or list(EXPERIMENTS)
    return a


def lines(a, name):
    values = {k: shlex.quote(str(getattr(a, k))) for k in ("data", "weights", "per_class", "epochs", "advice")}
    more = f" --out {shlex.quote(str(Path(a.out) / name))}" + (f" --budget {a.budget}" if a.budget else "")
    return [line + more for line in EXPERIMENTS[name].commands(**values)]


def run(a):
    for name in a.names:
        for line in lines(a, name):
            print(f"\n$ {line}", flush=True)
            if code := subprocess.run([sys.executable, "-m", "fastricks.cli", *shlex.split(line)[1:]]).returncode: sys.exit(code)


def gather(a):
    "What is finished, as files to commit; the commands with placeholders for what is on this disk only"
    for name in a.names:
        if not Path(a.out, name).is_dir(): continue
        said = EXPERIMENTS[name].commands(data="food-101-21", weights="WEIGHTS", per_class=a.per_class, epochs=a.epochs, advice=a.advice)
        KEPT.mkdir(exist_ok=True)
        save(KEPT / f"{name}.json", load_runs(str(Path(a.out, name))), {"commands": said})
        print(f"written   {KEPT / name}.json")


# -- the page

def page():
    parts = [section(name) for name in EXPERIMENTS if (KEPT / f"{name}.json").is_file()]
    missing = [e.title for name, e in EXPERIMENTS.items() if not (KEPT / f"{name}.json").is_file()]
    write(DOCS / "results.md", "\n".join([HEAD, *parts, *([f"## Not measured yet\n\n{'; '.join(missing)}."] if missing else []), FOOT]))
    print(f"written   {DOCS / 'results.md'}")


HEAD = """# The tutorial's experiment, with seeds and intervals

Made by `python benchmarks/results.py page` from the run data in `docs/results/`; no number in it was typed by hand. The tutorial's own
numbers are those of its tables (Food-101-21 at 224 pixels, ResNet-18 from ImageNet weights, 40 epochs on all images, one GPU); its gains
carry the root of the summed squares of its two standard deviations. Ours are of the setting that each table names: smaller pictures, fewer
of them, fewer epochs. *Agrees*: both gains are resolved to have one sign, or ours lies within the margin and theirs too. *Disagrees*:
ours is resolved to have the other sign, or its interval excludes theirs. *Not resolved*: neither.
"""
FOOT = ""


def section(name):
    e = EXPERIMENTS[name]
    runs, about = load(KEPT / f"{name}.json")
    c = compare(runs)
    pictures = {k: save_picture(fig, KEPT / f"{name}-{k}.png") for k, fig in (("delta", draw_delta(c)), ("time", draw_time(c)))}
    recipes = {row.label: keep_recipe(name, i, row) for i, row in enumerate(c.rows)}
    return "\n".join([f"## {e.title}", "", e.about, "", *table(c, e, recipes), "", *explain(c), "", *(f"- {n}" for n in c.notes),
                      *(f"![{e.title}: {k}](results/{p.name})" for k, p in pictures.items()), "",
                      *(f"- {k}: {v}" for k, v in facts(c).items() if k != "date"), f"- run with `{'`, `'.join(about['commands'])}`", ""])


def keep_recipe(name, i, row):
    "A row's recipe as a file that --recipe takes"
    file = KEPT / "recipes" / f"{name}-{i}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    from dataclasses import asdict
    write(file, json.dumps({"recipe": asdict(row.runs[0].recipe)}, indent=1) + "\n")
    return f"[{cell(row.label)}](results/recipes/{file.name})"


def table(c, e, recipes):
    own = [o for o in columns(c) if o.name in ("n", "value", "delta", "images", "holm", "ratio", "verdict")]
    theirs = ["tutorial's Δ", "tutorial's × time", "beside the tutorial"] if e.tutorial else []
    heads = ["recipe", *(o.head for o in own), *theirs]
    rows = [[recipes[r.label], *(cell(o.cell(r)) for o in own), *(beside(r, find(r, e), c.margin) if theirs else [])] for r in c.rows]
    return ["| " + " | ".join(o) + " |" for o in (heads, ["--"] * len(heads), *rows)]


def cell(text): return text.replace("|", "\\|")


def find(row, e):
    "The tutorial's row of the same name, or None"
    plain = "+".join(part.split(":")[0] for part in row.tricks.split("+"))
    return e.tutorial.get(plain) or next((t for k, t in e.tutorial.items() if k in row.label and plain == "baseline"), None)


def beside(row, t, margin):
    if t is None or row.diff is None: return ["–", "–", "–"]
    return [f"{signed(t.gain, 2)} ± {t.gain_sd:.2f}", number(t.times, 2) if t.times else "–", sentence(row, t, margin)]


def sentence(row, t, margin):
    "agrees, disagrees or not resolved, with both gains"
    d, ours = row.diff, f"ours {signed(row.diff.delta, 2)} {interval(row.diff.low, row.diff.high, 2)}"
    if none(d.low): return f"not resolved: {ours} has no interval"
    sure = abs(t.gain) > 2 * t.gain_sd
    same_sign = row.verdict == (HELPS if t.gain > 0 else HURTS)
    if (same_sign and sure) or (row.verdict == SAME and abs(t.gain) <= margin): return "agrees"
    if row.verdict in (HELPS, HURTS) and not same_sign and sure: return "disagrees: the other sign"
    if sure and not d.low <= t.gain <= d.high: return "disagrees in size" if same_sign else "disagrees: the tutorial's gain is not there"
    return "not resolved" + ("" if sure else ": the tutorial's own gain is within twice its deviation")


def main():
    a = parse()
    if a.what == "commands": print("\n".join(line for name in a.names for line in lines(a, name)))
    elif a.what == "page": page()
    else: {"run": run, "gather": gather}[a.what](a)


if __name__ == "__main__": main()

"""What a folder of photos costs: predicting it beside a plain loop, and a first epoch beside a second one.

    python benchmarks/photos.py predict PHOTOS [--arch resnet18] [--size 224] [--rounds 5] [--workers 0 2] [--json FILE]
    python benchmarks/photos.py first PHOTOS [--arch resnet18] [--size 224] [--rounds 3]

`predict` (row 8): `fastricks predict` of all photos, and a script with PIL, torchvision's transforms and a DataLoader
with each number of --workers, both fresh processes in turns. `first` (row 12): a first training, which decodes the
photos, and the same once they are in the cache: what decoding takes longer, and an epoch, against an epoch.
"""
import argparse
import csv
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median

from rounds import Times, ratios, rotated
from start import ROOT, Spent, adopt_orphans, fastricks, spent

LOOP = Path(__file__).with_name("predict_loop.py")
EPOCHS = 2


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=("predict", "first"))
    p.add_argument("photos", type=Path, help="a folder for each class")
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="loader processes of the loop")
    p.add_argument("--json", metavar="FILE")
    return p.parse_args(args)


def training(a, out, epochs, *more):
    "The words of a training with all threads"
    return fastricks("train", a.photos.resolve(), "--arch", a.arch, "--size", a.size, "--epochs", epochs, "--device",
                     "cpu", "--no-pretrained", "--wandb", "disabled", "--out", out, "--name", "run", *more)


# -- predict

def predictions(a, work):
    "{contender: Spent}"
    spent(training(a, work / "runs", 1, "--per-class", "8"), ROOT, work)
    run = work / "runs/run"
    contenders = {"fastricks predict": fastricks("predict", run, a.photos.resolve(), "--to", work / "ours.csv")}
    for n in a.workers:
        contenders[f"loop, {n} workers"] = str(LOOP), str(run), str(a.photos.resolve()), str(n), str(work / "loop.csv")
    return in_turns(contenders, a.rounds, work)


def in_turns(contenders, rounds, work):
    found = {name: Spent() for name in contenders}
    for r in range(rounds):
        for name in rotated([*contenders], r):
            (work / "ours.csv").unlink(missing_ok=True)
            found[name].add(spent(contenders[name], ROOT, work, None))
        print(f"  round {r + 1} of {rounds}", flush=True)
    return found


def beside_loop(found):
    "Lines of a table: ours against the loop that took the least wall time"
    ours, *loops = found
    best = min(loops, key=lambda name: median(found[name].wall))
    return [line("8", f"{ours} / {best}", found[ours].wall, found[best].wall, 1., .7,
                 cpu=(found[ours].cpu, found[best].cpu))]


# -- first

def first_epochs(a, work):
    "(wall seconds of a first training, of the same with pixels in the cache, of its last epoch), a number a round each"
    first, again, epoch = [], [], []
    for r in range(a.rounds):
        shutil.rmtree(work / "cache", ignore_errors=True)
        for into in (first, again):
            shutil.rmtree(work / "runs", ignore_errors=True)
            into.append(spent(training(a, work / "runs", EPOCHS), ROOT, work, None)[1])
        epoch.append(last_epoch(work / "runs/run/history.csv"))
        print(f"  round {r + 1} of {a.rounds}", flush=True)
    return first, again, epoch


def last_epoch(history):
    with history.open() as f:
        return float([*csv.DictReader(f)][-1]["seconds"])


def beside_second(first, again, epoch):
    longer = [a - b + e for a, b, e in zip(first, again, epoch, strict=True)]
    return [line("12", "first epoch with its decoding / second epoch", longer, epoch, 1.3, 1.1)]


# -- both

def line(row, what, ours, base, most, aim, cpu=None):
    of = ratios(Times(ours), Times(base))
    of_cpu = ratios(Times(cpu[0]), Times(cpu[1]))["value"] if cpu else None
    verdict = "fails" if of["value"] > most else "passes, aim met" if of["value"] <= aim else "passes"
    return {"row": row, "what": what, **of, "cpu": of_cpu, "bound": most, "aim": aim, "verdict": verdict}


def show(lines):
    for o in lines:
        cpu = f", CPU {o['cpu']:.2f}" if o["cpu"] else ""
        print(f"row {o['row']}: {o['what']}: {o['value']:.2f} ({o['low']:.2f} – {o['high']:.2f}), n = {o['n']}{cpu}; "
              f"at most {o['bound']:g}, aim {o['aim']:g}: {o['verdict']}")


def main(args=None):
    a = parse(args)
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        lines = beside_loop(predictions(a, work)) if a.what == "predict" else beside_second(*first_epochs(a, work))
    show(lines)
    if a.json:
        Path(a.json).write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    return lines


if __name__ == "__main__":
    main()

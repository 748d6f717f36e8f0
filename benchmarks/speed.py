"""How fast the trainer is, in ratios, each from one run in which all contenders took turns.

    python benchmarks/speed.py --data food-101-21 --size 64 --resize 64 --weights FILE [--timm PATH] [--torchvision
    PATH] [--json FILE]

Several --data, each with its --size (and --resize), are compared one after the other. Rows: benchmarks/README.md.
"""
import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import fastricks  # noqa: F401  before the heavy imports
from fastricks.core.errors import UserError
from fastricks.core.machine import cores

ROWS = ["1", "2", "3", "3b", "4", "4b", "5", "5b", "6", "7", "8", "9", "10", "11"]
END_TO_END = {"1", "2", "3b", "4", "4b", "5", "5b"}
ALL_ON = "mixup+label_smoothing+cosine+warmup:epochs=0.5+zero_gamma+no_bias_decay"
LARGE, SMALL = {"2"}, {"1", "6"}  # rows that large (small) photos have no use for


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", action="append", help="as train's --data; may be repeated")
    p.add_argument("--size", action="append", type=int, help="pixels, one for each --data (default 224)")
    p.add_argument("--resize", action="append", type=int,
                   help="shorter side of photos, one for each --data (default 8/7 of --size)")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--weights")
    p.add_argument("--teacher", default="resnet50", help="architecture of rows 9 and 10")
    p.add_argument("--precision", choices=("bf16", "fp16", "fp32"), default="bf16")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--threads", type=int)
    p.add_argument("--pipeline", choices=("fast", "reference"))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=10, help="of a slice at the step limit")
    p.add_argument("--batches", type=int, help="of a slice, in place of --seconds; three more warm up")
    p.add_argument("--workers", type=int, nargs="+",
                   help="worker processes of those that have them: each is tried, the best one stays")
    p.add_argument("--timm", metavar="PATH")
    p.add_argument("--torchvision", metavar="PATH", help="train.py of theirs, or a checkout")
    p.add_argument("--timm-args", default="", help="more options for timm's")
    p.add_argument("--torchvision-args", default="")
    p.add_argument("--images", type=int,
                   help="also say how long so many images would take (630000: the tutorial's work)")
    p.add_argument("--only", nargs="+", choices=ROWS)
    p.add_argument("--skip", nargs="+", choices=ROWS, default=[])
    p.add_argument("--json", metavar="FILE")
    a = p.parse_args(args)
    a.data, n = a.data or ["food-101-21"], len(a.data or [1])
    a.size, a.resize = a.size or [224] * n, a.resize or [None] * n
    if {len(a.size), len(a.resize)} != {n}:
        p.error("give one --size (and --resize) for each --data")
    return a


def wanted(a, big):
    "Rows to measure"
    rows = set(a.only or ROWS) - set(a.skip)
    if not a.only:
        rows -= LARGE if big else SMALL
    if not a.timm:
        rows -= {"5"}
    if not a.torchvision:
        rows -= {"5b"}
    if a.device == "cpu":
        rows -= {"4b"}
    if not rows:
        raise UserError("nothing is left to measure: rows 5 and 5b need --timm and --torchvision, 4b needs --device "
                        "cuda")
    return rows


def check(a):
    "What can be wrong is found before anything is measured"
    from peers import script

    from fastricks.model.network import check_arch
    from fastricks.model.weights import open_weights
    for arch in (a.arch, a.teacher):
        check_arch(arch)
    if a.weights:
        open_weights(a.weights)
    rows = set.union(*(wanted(a, size >= 128) for size in a.size))
    if "5" in rows:
        script(a.timm)
    if "5b" in rows:
        script(a.torchvision)


def make_setting(a, i, work):
    from setting import WARM, Setting, make_tree

    from fastricks.core.words import silent
    from fastricks.data.checked import open_data
    from fastricks.model.probe import DTYPES, noise, step_seconds
    from fastricks.recipe.recipe import resolve
    from fastricks.training.settle import absolute, settle_machine
    size = a.size[i]
    recipe = settle_machine(resolve(dict(data=absolute(a.data[i]), arch=a.arch, device=a.device)))
    source = open_data(recipe, check=False, say=silent)
    model, x, y = noise(replace(recipe, size=size), len(source.classes), a.batch)
    step = min(step_seconds(model, x, y, DTYPES.get(a.precision), a.device) for _ in range(4))
    n = WARM + (a.batches or max(4, round(a.seconds / step)))
    n = min(n, len(source.of("train")) // a.batch)
    if n <= WARM:
        raise UserError(f"{a.data[i]} has too few images: {WARM + 1} batches of {a.batch} are needed")
    tree = make_tree(source, work / f"{i}-tree", n * a.batch, 2 * a.batch)
    return Setting(source.name, tree, len(source.classes), n, size, a.resize[i] or round(size * 8 / 7), a.batch, a.arch,
                   a.weights and absolute(a.weights), a.precision, a.threads, a.device, a.pipeline, work)


def contenders(s, rows, a, say):
    "(contenders, our trainer or None) that the rows need"
    from learners import OursMemory, Stock, Trainer
    from loops import HandImages, HandMemory, Limit
    from peers import Timm, Vision
    from rounds import best
    from setting import first_batches, teacher_file
    workers, batches = a.workers or [0, s.threads], first_batches(s)
    teacher = f"distill:teacher={teacher_file(s, a.teacher)}" if rows & {"9", "10"} else ""
    scratch = replace(s, weights=None)

    def tried(kind, least=0): return [best(kind, sorted({max(w, least) for w in workers}), say)]

    makers = [  # rows that need them, and how the contenders are made
        ({"1", "2"}, lambda: [Limit(s, batches)]),
        ({"3", "9", "10"}, lambda: [OursMemory(s, batches)]),
        ({"3"}, lambda: [HandMemory(s, batches)]),
        ({"3b"}, lambda: tried(lambda w: HandImages(s, w))),
        ({"4"}, lambda: tried(lambda w: Stock(s, w))),
        ({"4b"}, lambda: tried(lambda w: Stock(s, w, half=True)) if s.dtype else []),
        ({"5"}, lambda: tried(lambda w: Timm(a.timm, s, w, a.timm_args.split()), 1)),  # it needs one
        ({"5b"}, lambda: tried(lambda w: Vision(a.torchvision, s, w, a.torchvision_args.split()))),
        ({"6"}, lambda: decoders(s)),
        ({"8"}, lambda: [OursMemory(scratch, batches, *on, name=f"tricks {name}", wd=1e-4)
                         for name, on in (("on", [ALL_ON]), ("off", []))]),
        ({"9"}, lambda: with_forward(OursMemory(s, batches, teacher, name="distill"))),
        ({"10"}, lambda: asked(OursMemory(s, batches, f"{teacher},store=true", name="distill, stored")))]
    out = [c for needs, make in makers if needs & rows for c in make()]
    return out, Trainer(s) if rows & END_TO_END else None


def with_forward(ours):
    from learners import Teacher
    return [ours, Teacher(ours)]


def asked(ours):
    "With the teacher's answers stored, which the first slice asks for"
    ours.slice()
    return [ours]


def decoders(s):
    from alone import decoders
    return decoders(s)


def measure(s, a, say=print):
    "All that is measured on a setting, printed, and as plain data"
    from counts import runs
    from rounds import interleave
    from table import rows_of, show
    rows = wanted(a, s.size >= 128)
    title = f"{s.name}: {s.arch}, {s.size} px, {s.precision}, batch {s.batch}, {s.threads} threads, {s.device}"
    say(f"{title}; slices of {s.steps} batches")
    counts = runs(s) if "7" in rows else None
    each, trainer = contenders(s, rows, a, say)
    times = interleave(each, a.rounds, trainer, say)
    waits = waits_of_all(s, each, counts)
    table = rows_of(s, times, a.images, counts, begin(a.rounds) if "11" in rows else None)
    rates, apart = facts(s, each, times), trainer.apart() if trainer else None
    show(title, table, rates, apart, waits, counts)
    setting = {k: v for k, v in asdict(s).items() if k not in ("tree", "work")}
    return {**setting, "steps": s.steps, "rows": table, "contenders": rates, "apart": apart, "decoder_calls": counts,
            "waits": waits}


def facts(s, each, times):
    "{name: images/s with spread, and how it was run}"
    by_name = {c.name: c for c in each}
    return {n: {**t.facts(getattr(by_name.get(n), "images", s.batch)), "how": getattr(by_name.get(n), "how", None)}
            for n, t in times.items()}


def waits_of_all(s, each, counts):
    """Waits for the device in a slice of each loop on ready batches (elsewhere a loader's own would count), and in our
    trainer's second epoch
    """
    from counts import waits_of
    from learners import OursMemory, Trainer
    from loops import HandMemory, Limit
    found = {c.name: waits_of(c, s) for c in each if isinstance(c, (OursMemory, HandMemory, Limit))}
    return {**found, **({Trainer.name: counts["first run"]["waits"]} if counts else {})}


def begin(rounds):
    from alone import starts
    return starts(rounds)


def main(args=None):
    a = parse(args)
    import torch

    from fastricks.runfolder.environment import environment
    a.threads = a.threads or cores()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as work:
        os.environ["FASTRICKS_CACHE"] = f"{work}/cache"  # as on a machine that has never seen the images
        try:
            check(a)
            found = [measure(make_setting(a, i, Path(work)), a) for i in range(len(a.data))]
        except UserError as e:
            sys.exit(f"error: {e}")
    facts = {"options": vars(a), "environment": environment(a.device), "settings": found}
    if a.json:
        Path(a.json).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return facts


if __name__ == "__main__":
    main()

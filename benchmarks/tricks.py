"""What each trick costs: CPU and wall seconds of an epoch's training with it, as a ratio to the same without, in turns.

    python benchmarks/tricks.py --data food-101-21 --weights resnet18.safetensors --size 64 --rounds 7
    python benchmarks/tricks.py --data PHOTOS ema cutmix 'freeze:stages=3'

An epoch is timed from its first batch to its last, images and all, in a run of two epochs whose second counts. CPU
seconds are those of the process, its threads included: a busy machine cannot touch them.
"""
import argparse
import tempfile
import time
from dataclasses import replace

from learners import Book, watched
from rich.console import Console
from rich.table import Table
from rounds import Times, interleave, ratios

from fastricks.core.words import silent
from fastricks.recipe.given import recipe_from
from fastricks.training.training import train

CHEAP = ("ema", "cutmix", "random_erasing", "alternating_flip", "wsd", "layer_decay", "class_weights",
         "logit_adjustment", "bce")
OTHERS = ("mixup", "label_smoothing", "cosine", "trivial_augment", "drop_path", "sam", "progressive_resize", "freeze")
PLAIN = "no trick"


class Contender:
    "Runs of one recipe; a slice is the second epoch's training"
    def __init__(self, name, recipe, read):
        self.name, self.recipe, self.read = name, recipe, read

    def slice(self):
        book = Book(self.read)
        with watched(*book.cbs), tempfile.TemporaryDirectory() as out:
            train(replace(self.recipe, out=out), silent, bar=False)
        return book.rows["train"][1]


def both(): return time.process_time() + 1j * time.perf_counter()  # CPU as the real part, wall as the imaginary one


def parse(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("tricks", nargs="*", help=f"default: {' '.join(CHEAP + OTHERS)}")
    p.add_argument("--data", default="digits")
    p.add_argument("--weights")
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--per-class", type=int, default=50)
    p.add_argument("--rounds", type=int, default=5)
    return p.parse_args(args)


def contenders(a):
    given = dict(arch=a.arch, weights=a.weights, pretrained=False, size=a.size, resize=a.size, per_class=a.per_class,
                 epochs=2, threads=1, lr=3e-4)
    recipe = lambda tricks: recipe_from(a.data, tricks, options=given)
    return [Contender(PLAIN, recipe(None), both), *(Contender(n, recipe(n), both) for n in a.tricks or CHEAP + OTHERS)]


def part(times, which): return {name: Times([which(s) for s in t.seconds]) for name, t in times.items()}


def show(cpu, wall, rounds):
    table = Table("trick", "× CPU", "least – greatest", "× wall", "least – greatest")
    for n in [n for n in cpu if n != PLAIN]:
        table.add_row(n, *three(ratios(cpu[n], cpu[PLAIN])), *three(ratios(wall[n], wall[PLAIN])))
    Console(highlight=False).print(table)
    print(f"n = {rounds} rounds; an epoch without a trick takes {cpu[PLAIN].median:.2f} CPU seconds, "
          f"{wall[PLAIN].median:.2f} by the clock")


def three(r): return f"{r['value']:.3f}", f"{r['low']:.3f} – {r['high']:.3f}"


def main():
    a = parse()
    times = interleave(contenders(a), a.rounds, say=lambda line: print(line.split(":")[0], flush=True))
    show(part(times, lambda s: s.real), part(times, lambda s: s.imag), a.rounds)


if __name__ == "__main__":
    main()

"""Contenders in turns: each round times a slice of every one, so that a busy machine slows all of them."""
import os
from dataclasses import dataclass, field
from statistics import median


def cpu_seconds():
    "CPU seconds so far of this process, its threads, and those of its children that have ended"
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


@dataclass
class Times:
    "Of one contender, a number a round: seconds a batch, and CPU seconds of the whole slice (None: not comparable)"
    seconds: list = field(default_factory=list)
    cpu: list = field(default_factory=list)

    @property
    def median(self): return median(self.seconds)

    def facts(self, batch):
        rates = sorted(batch / s for s in self.seconds)
        return {"n": len(rates), "seconds_a_batch": self.seconds, "images_per_s": batch / self.median, "low": rates[0],
                "high": rates[-1]}


def rotated(xs, r): return [*xs[r % len(xs):], *xs[:r % len(xs)]] if xs else []


def interleave(contenders, rounds, trainer=None, say=print):
    """{name: Times} of `rounds` rounds, each begun by another contender.

    A contender has `name` and `slice()`, which returns seconds a batch; `other_work` where a slice computes something
    else besides. `trainer` is one whole training: its `run(rounds, between)` calls `between(r)` after each epoch but
    the last, and returns Times of epochs 2, 3 …
    """
    times = {c.name: Times() for c in contenders}

    def one(r):
        for c in rotated(contenders, r):
            before = cpu_seconds()
            times[c.name].seconds.append(c.slice())
            times[c.name].cpu.append(None if getattr(c, "other_work", False) else cpu_seconds() - before)
        measured = "  ".join(f"{n} {t.seconds[-1]:.4g}" for n, t in times.items())
        say(f"  round {r + 1} of {rounds}: {measured}  (s a batch)")

    if trainer:
        times[trainer.name] = trainer.run(rounds, one)
    else:
        for r in range(rounds):
            one(r)
    return times


def best(kind, variants, say=print):
    "The fastest by one slice each of `kind(variant)`: a rival is timed at its best"
    if len(variants) == 1:
        return kind(variants[0])
    tried = [(c.slice(), i, c) for i, c in enumerate(map(kind, variants))]
    say("  " + ", ".join(f"{c.name} {c.how}: {s:.4g} s a batch" for s, _, c in tried))
    return min(tried)[2]


def ratios(a, b):
    "a / b of each round, with the median, the least and the greatest; `cpu`: the median of their CPU seconds' ratios"
    rs = sorted(x / y for x, y in zip(a.seconds, b.seconds, strict=True))
    return {"value": median(rs), "low": rs[0], "high": rs[-1], "n": len(rs), "cpu": cpu_ratio(a, b)}


def cpu_ratio(a, b):
    "None where one of them has no CPU seconds that can be compared"
    pairs = [*zip(a.cpu, b.cpu, strict=False)]
    return median(x / y for x, y in pairs) if pairs and all(x and y for x, y in pairs) else None

"""Do tricks add up? A row of several tricks against the sum of what each of them gains alone.

Of k parts the excess is (row − base) − Σ (part − base) = (row + (k − 1)·base) − Σ part, seed by seed and image by
image: for two tricks the interaction of a 2 × 2 factorial design.
"""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.words import none, signed, with_interval
from ...recipe.registry import build_tricks
from ..runs import FinishedRun, Metric
from .effects import FEWEST_SEEDS, Effect, effect_of
from .pairing import Samples, setting_of
from .rows import ComparisonRow
from .samples import Floats, Sample, moments

TrickSet = frozenset[tuple[str, str]]  # (name, its text)


@dataclass(frozen=True)
class Together:
    "A row of several tricks and its parts, over the seeds that all of them have"
    label: str
    parts: tuple[str, ...]   # labels of their rows
    gain: float              # of the row, to the baseline
    alone: float             # the sum of the parts' gains
    excess: Effect           # gain − alone


def together_of(rows: Sequence[ComparisonRow], samples: Samples) -> tuple[Together, ...]:
    "The Together of each row whose parts are rows too; the baseline is the first row"
    found = [(row, parts) for row in rows[1:] if (parts := parts_of(row, rows))]
    return tuple(t for row, parts in found if (t := set_against(row, parts, rows[0], samples)))


def parts_of(row: ComparisonRow, rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    "Rows that have the row's tricks between them, each trick once; none where there are no such rows"
    base, whole = rows[0], added_tricks(row, rows[0])
    inside = {other.label: (other, added_tricks(other, base)) for other in rows[1:] if others_equal(other, row, base)}
    within = [(other, own) for other, own in inside.values() if own and own < whole]
    least = [(other, own) for other, own in within if not any(o < own for _, o in within)]
    found = [own for _, own in least]
    is_once = sum(map(len, found)) == len(whole)
    fits = is_once and frozenset().union(*found) == whole
    return [other for other, _ in least] if fits and len(least) > 1 else []


def added_tricks(row: ComparisonRow, base: ComparisonRow) -> TrickSet: return tricks_of(row) - tricks_of(base)


def tricks_of(row: ComparisonRow) -> TrickSet:
    return frozenset((t.name, str(t)) for t in build_tricks(row.runs[0].recipe.tricks))


def others_equal(a: ComparisonRow, b: ComparisonRow, base: ComparisonRow) -> bool:
    "Do two rows, and the baseline, differ in nothing but tricks and the schedule that is one?"
    apart = {"tricks", "schedule", "teacher"}
    rest = [{k: v for k, v in row.varies.items() if k not in apart} for row in (a, b, base)]
    return tricks_of(base) <= tricks_of(a) and rest[0] == rest[1] == rest[2]


def set_against(row: ComparisonRow, parts: Sequence[ComparisonRow], base: ComparisonRow,
                samples: Samples) -> Together | None:
    "None with fewer than 3 seeds in common, or without the images"
    arms = [*common([row, base, *parts])]
    if len(arms) < FEWEST_SEEDS:
        return None
    value = lambda run: run.value(samples.metric, samples.split)
    values = [np.array([value(run) for run in runs]) for runs in zip(*arms, strict=True)]
    images = arm_images(arms, samples)
    whole, alone = combined(values)
    of_images = combined(images) if images else (None, None)
    effect = effect_of(moments(Sample(whole, alone, *of_images)))
    gains = [float(np.mean(v - values[1])) for v in values]
    labels = tuple(p.label for p in parts)
    return Together(row.label, labels, gains[0], sum(gains[2:]), effect)


def common(rows: Sequence[ComparisonRow]) -> Iterator[list[FinishedRun]]:
    "The runs of each seed that all rows have, of one machine and one set of versions"
    by_key = [{(r.seed, setting_of(r)): r for r in row.runs} for row in rows]
    for key in by_key[0]:
        if all(key in runs for runs in by_key):
            yield [runs[key] for runs in by_key]


def arm_images(arms: Sequence[Sequence[FinishedRun]], samples: Samples) -> list[Floats]:
    "[seeds, images] of row, baseline and parts; empty where a run has no line for each image"
    if not samples.images or not samples.metric.of_images:
        return []
    found: list[list[Any]] = [[samples.values(run) for run in runs] for runs in zip(*arms, strict=True)]
    return [] if any(x is None for runs in found for x in runs) else [np.array(runs) for runs in found]


def combined(values: Sequence[Floats]) -> tuple[Floats, Floats]:
    "(row + (k − 1)·base, Σ part) of row, base, parts"
    row, base, *parts = values
    return row + (len(parts) - 1) * base, np.sum(parts, 0)


def sum_words(t: Together, metric: Metric, margin: float) -> str:
    "`mixup+cosine: +1.20 together, +1.50 the sum of its 2 parts alone; the difference, -0.30 [-0.80, +0.20], is open`"
    e, k = t.excess, metric.digits
    difference = with_interval(e.delta, e.low, e.high, k)
    return (f"{t.label}: {signed(t.gain, k)} together, {signed(t.alone, k)} the sum of its {len(t.parts)} parts alone; "
            f"{ending_words(e, metric, margin)} ({difference})")


def ending_words(e: Effect, metric: Metric, margin: float) -> str:
    if e.same:
        return "they add up exactly"
    if none(e.low):
        return "too few seeds to say more"
    if e.low > 0 or e.high < 0:
        return f"{'more' if metric.sign * e.delta > 0 else 'less'} than they promise alone"
    if -margin < e.low and e.high < margin:
        return "they add up"
    return "whether they add up is open"

"""Recipes compared with a baseline, over seeds and images: verdicts as plain data.

Needs nothing but run folders, and no torch.
"""
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.errors import UserError, nearest, one_of, plural
from ...recipe.registry import make
from ..runs import SPLIT_WORD, FinishedRun, Metric, device, load_runs, metric_of
from . import stats
from .rows import NAN, ComparisonRow, check_comparable, choose_baseline, comparison_rows


@dataclass(frozen=True, repr=False)
class Comparison:
    "Recipes compared with a baseline: plain data for tables and pictures"
    rows: tuple[ComparisonRow, ...]   # the baseline's is the first
    metric: Metric
    split: str                        # whose numbers they are: test or valid
    margin: float
    notes: tuple[str, ...]            # lines: what was left out, what to beware of

    @property
    def baseline(self) -> ComparisonRow: return self.rows[0]
    @property
    def runs(self) -> list[FinishedRun]: return [r for row in self.rows for r in row.runs]
    @property
    def n_images(self) -> int: return self.baseline.runs[0].numbers(self.split)["n"]
    @property
    def tests(self) -> list[str]:
        "The tests that the differences rest on, each once"
        return list(dict.fromkeys(r.diff.test for r in self.rows if r.diff and not r.diff.why))
    @property
    def family(self) -> int:
        "How many p-values Holm's adjustment is over"
        return sum(not np.isnan(r.diff.p) for r in self.rows if r.diff)
    @property
    def warnings(self) -> list[str]:
        return [n.removeprefix("warning: ") for n in self.notes if n.startswith("warning: ")]
    @property
    def data_name(self) -> str: return self.baseline.runs[0].data["name"]

    def row(self, name: str) -> ComparisonRow: return choose_baseline(self.rows, name)

    def records(self) -> list[dict]:
        "A flat dict a row; every one says what its numbers are of"
        about = {"metric": self.metric.name, "unit": self.metric.unit, "split": self.split, "n_images": self.n_images,
                 "data": self.data_name, "baseline": self.baseline.label, "margin": self.margin,
                 "warning": "; ".join(self.warnings) or None}
        return [{**row.record(), **without(about, row.varies)} for row in self.rows]

    def frame(self):
        "A pandas DataFrame, a row a recipe"
        import pandas as pd
        return pd.DataFrame(self.records())

    def __repr__(self):
        from .terminal import lines
        return "\n".join(lines(self))

    def _repr_html_(self):
        from .page import notebook_html
        return notebook_html(self)


def without(d, keys): return {k: v for k, v in d.items() if k not in keys}


def compare(runs, baseline: str | None = None, margin: float | None = None, metric: str = "top1", by: str | None = None,
            anyway: bool = False, notes=()) -> Comparison:
    """The Comparison of runs: FinishedRuns of `load_runs`, or what it takes.

    `baseline`: a row's label, tricks, recipe or run (default: the row without tricks); `margin`: the difference that
    matters, in points (loss: nats); `by`: test or valid (default: the split that the runs' own numbers are of);
    `notes`: lines to carry along.
    Raises UserError for what is not comparable, unless `anyway`, and where the baseline is not clear.
    """
    metric, notes = metric_of(metric), list(notes)
    margin = metric.margin if margin is None else margin
    if not margin > 0: raise UserError(f"--margin {margin:g} is out of range: it must be above 0")
    if by not in (None, *SPLIT_WORD):
        raise UserError(f"--by {by} is not one of {one_of(SPLIT_WORD)}{nearest(by, SPLIT_WORD)}")
    if isinstance(runs, str | Path) or not all(isinstance(r, FinishedRun) for r in runs):
        runs = load_runs(runs, notes.append)
    if not runs: raise UserError("there are no runs to compare")
    rows = comparison_rows(runs, notes.append, anyway)
    notes += check_comparable(rows, by, anyway)
    base = choose_baseline(rows, baseline)
    split = by or base.runs[0].metrics["split"]
    rows = [summed_up(row, metric, split, row is base) for row in [base, *(row for row in rows if row is not base)]]
    shared = same_images(rows, split, notes.append)
    done = [against(row, rows[0], metric, split, shared) for row in rows[1:]]
    for row in done: notes += pair_notes(row, rows[0])
    rows = [with_own_agreement(rows[0], split, shared), *judged(done, metric, margin)]
    return Comparison(tuple(rows), metric, split, margin, (*notes, *cautions(rows, split)))


def summed_up(row, metric, split, baseline):
    values = list(row.values(metric, split).values())
    seconds = float(np.mean([r.seconds for r in row.runs]))
    return replace(row, summary=stats.summary(values), seconds=seconds, baseline=baseline)


def same_images(rows, split, say):
    "Have all runs a line for each of the same images? If not, nothing is said of images"
    first = rows[0].runs[0]
    for run in (r for row in rows for r in row.runs):
        why = why_other_images(run, first, split)
        if not why: continue
        say(f"no interval over images and no agreement: {why}")
        return False
    return True


def why_other_images(run, first, split):
    "What keeps a run's images from being compared with those of the first run, one by one; empty if nothing does"
    got, want = run.images(split), first.images(split)
    if got is None: return f"{run.name} has no predictions that fit its metrics.json"
    if np.array_equal(got.names, want.names) and np.array_equal(got.labels, want.labels): return ""
    return f"{run.name} is evaluated on other images than {first.name}"


def against(row, base, metric, split, images=True):
    "The row with all that its and the baseline's seeds and images say of their difference"
    diff = stats.difference(row.values(metric, split), base.values(metric, split))
    row = replace(row, diff=diff, ratio=stats.ratio(row.times(), base.times()))
    return over_images(row, base, metric, split) if images else row


def over_images(row, base, metric, split):
    "The row with what the images say of the difference, one by one: over the seeds in common, or over all of both"
    common = stats.seeds_in_common(dict.fromkeys(row.seeds, 0), dict.fromkeys(base.seeds, 0))
    both = images_of_seeds(row, split, common), images_of_seeds(base, split, common)
    values = [np.array([i.of(metric) for i in images]) for images in both]
    predicted = [np.array([i.predicted for i in images]) for images in both]
    hits = [np.array([i.rank == 0 for i in images]) for images in both]
    gained, lost = stats.gained_lost(*hits, bool(common))
    agreement = stats.agreement(*predicted, bool(common))
    return replace(row, images=stats.with_images(row.diff, *values), agreement=agreement, gained=gained, lost=lost)


def images_of_seeds(row, split, seeds):
    "The Images of a row's runs with these seeds; of all its runs where there are none"
    return [r.images(split) for r in row.runs if r.seed in seeds or not seeds]


def with_own_agreement(base, split, images):
    "The baseline row with how far its own seeds agree: what the others' agreement is to be measured by"
    agree = stats.own_agreement(np.array([r.images(split).predicted for r in base.runs])) if images else NAN
    return replace(base, agreement=agree, ratio=(1., NAN, NAN), verdict="baseline", words="baseline")


def judged(rows, metric, margin):
    "Rows with Holm's p and the verdict"
    ps = stats.holm([r.diff.p for r in rows])
    return [with_verdict(replace(r, p_holm=float(p)), metric, margin) for r, p in zip(rows, ps, strict=True)]


def with_verdict(row, metric, margin):
    d = row.diff
    verdict = str(stats.decide(metric.sign * d.delta, d.low, d.high, row.p_holm, margin))
    needed = stats.seeds_needed(d, margin) if verdict == stats.OPEN else None
    words = verdict_words(row, verdict, needed, margin, metric.points)
    return replace(row, verdict=verdict, needed=needed, words=words)


def margin_words(margin, unit):
    "`0.5 points`, `1 point`, `0.02 nats`"
    return f"{margin:g} {'point' if margin == 1 and unit == 'points' else unit}"


def verdict_words(row, verdict, needed, margin, unit):
    "The verdict in full: how large the difference is at most, or why there is none"
    d = row.diff
    if verdict == stats.SAME: return f"no difference larger than {margin_words(margin, unit)}"
    if verdict != stats.OPEN:
        small = -margin < d.low and d.high < margin
        return f"{verdict}, by less than {margin_words(margin, unit)}" if small else verdict
    if not row.applied: return f"{verdict}: it was not applied"
    if d.why: return f"{verdict}: {d.why}"
    return f"{verdict}: about {needed:,} seeds would"


# -- what to beware of

def pair_notes(row, base):
    d = row.diff
    if d.test == stats.WELCH and len(row.runs) > 1 and len(base.runs) > 1:
        yield f"{row.label}: fewer than two of its seeds are the baseline's, so it is compared by Welch's t, unpaired"
    if d.test == stats.PAIRED and not d.n == len(row.runs) == len(base.runs):
        own = f"it has {len(row.runs)}, the baseline {len(base.runs)}"
        yield f"{row.label}: Δ is over the {plural(d.n, 'seed')} in common ({own})"


def cautions(rows, split):
    "Lines on what the numbers do not say"
    runs = [r for row in rows for r in row.runs]
    devices = sorted({device(r) for r in runs})
    if len(devices) > 1: yield f"not all trained on the same ({'; '.join(devices)}): times are not comparable"
    if split == "valid" and any(r.recipe.keep == "best" or r.recipe.patience for r in runs):
        yield "weights or epochs were chosen on the validation split: its numbers flatter"
    tricks = [t for row in rows for t in make(row.runs[0].recipe.tricks)]
    yield from dict.fromkeys(line for t in tricks for line in t.caution())

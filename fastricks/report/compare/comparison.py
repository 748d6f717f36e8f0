"""Recipes compared with a baseline, over seeds and images: verdicts as plain data. Needs nothing but run folders, and no torch."""
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.errors import UserError, nearest, one_of, plural
from ...recipe.registry import make
from ..runs import WORD, Metric, Run, device, load_runs, metric_of
from . import stats
from .rows import NAN, check_comparable, choose_baseline, make_rows


@dataclass(frozen=True, repr=False)
class Comparison:
    "Recipes compared with a baseline: plain data for tables and pictures"
    rows: tuple          # the baseline's is the first
    metric: Metric
    split: str           # whose numbers they are: test or valid
    margin: float
    notes: tuple         # lines: what was left out, what to beware of

    @property
    def baseline(self): return self.rows[0]
    @property
    def runs(self): return [r for row in self.rows for r in row.runs]
    @property
    def n_images(self): return self.baseline.runs[0].numbers(self.split)["n"]
    @property
    def tests(self): return list(dict.fromkeys(r.diff.test for r in self.rows if r.diff and not r.diff.why))
    @property
    def family(self):
        "How many p-values Holm's adjustment is over"
        return sum(not np.isnan(r.diff.p) for r in self.rows if r.diff)

    def row(self, name): return choose_baseline(self.rows, name)

    @property
    def warnings(self): return [n.removeprefix("warning: ") for n in self.notes if n.startswith("warning: ")]
    @property
    def data_name(self): return self.baseline.runs[0].data["name"]

    def records(self):
        "A flat dict a row; every one says what its numbers are of"
        of = {"metric": self.metric.name, "unit": self.metric.unit, "split": self.split, "n_images": self.n_images, "data": self.data_name,
              "baseline": self.baseline.label, "margin": self.margin, "warning": "; ".join(self.warnings) or None}
        return [{**r.record(), **{k: v for k, v in of.items() if k not in r.varies}} for r in self.rows]

    def frame(self):
        "A pandas DataFrame, a row a recipe"
        import pandas as pd
        return pd.DataFrame(self.records())

    def __repr__(self):
        from .terminal import lines
        return "\n".join(lines(self))

    def _repr_html_(self):
        from .page import table_html
        return table_html(self)


def compare(runs, baseline=None, margin=None, metric="top1", by=None, anyway=False, notes=()):
    """The Comparison of runs: Runs of `load_runs`, or what it takes.

    `baseline`: a row's label, tricks, recipe or run (default: the row without tricks); `margin`: the difference that matters, in points
    (loss: nats); `by`: test or valid (default: the split that the runs' own numbers are of); `notes`: lines to carry along.
    Raises UserError for what is not comparable, unless `anyway`, and where the baseline is not clear.
    """
    metric, notes = metric_of(metric), list(notes)
    margin = metric.margin if margin is None else margin
    if not margin > 0: raise UserError(f"--margin {margin:g} is out of range: it must be above 0")
    if by not in (None, *WORD): raise UserError(f"--by {by} is not one of {one_of(WORD)}{nearest(by, WORD)}")
    if isinstance(runs, str | Path) or not all(isinstance(r, Run) for r in runs): runs = load_runs(runs, notes.append)
    if not runs: raise UserError("there are no runs to compare")
    rows = make_rows(runs, notes.append, anyway)
    notes += check_comparable(rows, by, anyway)
    base = choose_baseline(rows, baseline)
    split = by or base.runs[0].metrics["split"]
    rows = [summed_up(row, metric, split, row is base) for row in [base, *(row for row in rows if row is not base)]]
    shared = same_images(rows, split, notes.append)
    done = [against(row, rows[0], metric, split, shared) for row in rows[1:]]
    for row in done: notes += pair_notes(row, rows[0])
    rows = [own_agreement(rows[0], split, shared), *judged(done, metric, margin)]
    return Comparison(tuple(rows), metric, split, margin, (*notes, *beware(rows, metric, split)))


def summed_up(row, metric, split, baseline):
    values = list(row.values(metric, split).values())
    return replace(row, summary=stats.summary(values), seconds=float(np.mean([r.seconds for r in row.runs])), baseline=baseline)


def same_images(rows, split, say):
    "Have all runs a line for each of the same images? If not, nothing is said of images"
    first = rows[0].runs[0].images(split)
    for r in (r for row in rows for r in row.runs):
        got = r.images(split)
        if got is None: why = f"{r.name} has no predictions that fit its metrics.json"
        elif not (np.array_equal(got.names, first.names) and np.array_equal(got.labels, first.labels)):
            why = f"{r.name} is evaluated on other images than {rows[0].runs[0].name}"
        else: continue
        say(f"no interval over images and no agreement: {why}")
        return False
    return True


def against(row, base, metric, split, images=True):
    "The row with all that its and the baseline's seeds and images say of their difference"
    diff = stats.difference(row.values(metric, split), base.values(metric, split))
    row = replace(row, diff=diff, ratio=stats.ratio(*({r.seed: r.seconds for r in x.runs} for x in (row, base))))
    return over_images(row, base, metric, split) if images else row


def over_images(row, base, metric, split):
    both = stats.seeds_in_common(dict.fromkeys(row.seeds, 0), dict.fromkeys(base.seeds, 0))
    a, b = ([r.images(split) for r in x.runs if r.seed in both or not both] for x in (row, base))
    values = [np.array([i.of(metric) for i in x]) for x in (a, b)]
    words, hits = ([np.array([f(i) for i in x]) for x in (a, b)] for f in (lambda i: i.predicted, lambda i: i.rank == 0))
    agree, (gained, lost) = stats.agreement(*words, bool(both)), stats.gained_lost(*hits, bool(both))
    return replace(row, images=stats.with_images(row.diff, *values), agreement=agree, gained=gained, lost=lost)


def own_agreement(base, split, images):
    "The baseline row with how far its own seeds agree: what the others' agreement is to be measured by"
    agree = stats.own_agreement(np.array([r.images(split).predicted for r in base.runs])) if images else NAN
    return replace(base, agreement=agree, ratio=(1., NAN, NAN), verdict="baseline", words="baseline")


def judged(rows, metric, margin):
    "Rows with Holm's p and the verdict"
    ps = stats.holm([r.diff.p for r in rows])
    return [verdict(replace(r, p_holm=float(p)), metric, margin) for r, p in zip(rows, ps, strict=True)]


def verdict(row, metric, margin):
    d = row.diff
    word = str(stats.decide(metric.sign * d.delta, d.low, d.high, row.p_holm, margin))
    needed = stats.seeds_needed(d, margin) if word == stats.OPEN else None
    return replace(row, verdict=word, needed=needed, words=in_words(row, word, needed, metric, margin))


def in_words(row, word, needed, metric, margin):
    d, x = row.diff, f"{margin:g} {metric.points if margin != 1 or metric.points != 'points' else 'point'}"
    if word == stats.SAME: return f"no difference larger than {x}"
    if word in (stats.HELPS, stats.HURTS): return word + (f", by less than {x}" if -margin < d.low and d.high < margin else "")
    if not row.applied: return f"{word}: it was not applied"
    if d.why: return f"{word}: {d.why}"
    return f"{word}: about {needed:,} seeds would"


# -- what to beware of

def pair_notes(row, base):
    d = row.diff
    if d.test == stats.WELCH and len(row.runs) > 1 and len(base.runs) > 1:
        yield f"{row.label}: fewer than two of its seeds are the baseline's, so it is compared by Welch's t, unpaired"
    if d.test == stats.PAIRED and not d.n == len(row.runs) == len(base.runs):
        yield f"{row.label}: Δ is over the {plural(d.n, 'seed')} in common (it has {len(row.runs)}, the baseline {len(base.runs)})"


def beware(rows, metric, split):
    runs = [r for row in rows for r in row.runs]
    where = sorted({device(r) for r in runs})
    if len(where) > 1: yield f"not all trained on the same ({'; '.join(where)}): times are not comparable"
    if split == "valid" and any(r.recipe.keep == "best" or r.recipe.patience for r in runs):
        yield "weights or epochs were chosen on the validation split: its numbers flatter"
    yield from dict.fromkeys(line for r in runs for t in make(r.recipe.tricks) for line in t.caution())

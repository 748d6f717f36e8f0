"""Recipes compared with a baseline, over seeds and images: verdicts as plain data.

Needs nothing but run folders, and no torch.
"""
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import UserError, nearest, one_of
from ...core.words import Say, duration
from ...recipe.registry import build_tricks
from ..find import load_runs
from ..runs import SPLIT_WORD, DivergedRun, FinishedRun, Metric, device, metric_of
from . import stats
from .agreement import agreement, gained_lost, own_agreement
from .effects import FEWEST_SEEDS, NO_POOL, Effect, Pool, effects_of, pool_of
from .families import Family, families_beside, family_of
from .ladder import RUNGS, SPEND, Call, Terms, chances_to_settle, climb_ladder, look_once, next_rung
from .outcome import Looked, Outcome
from .pairing import Arms, Samples, arms_of, pair_notes
from .power import smallest_effect
from .rows import NAN, ComparisonRow, check_comparable, choose_baseline, comparison_rows, key_of_row, recipe_key
from .sums import together_of
from .times import TimeRatio
from .words import verdict_words


class Comparison(Outcome):
    "Recipes compared with a baseline; it shows itself as a table"
    def __repr__(self) -> str:
        from .terminal import comparison_lines
        return "\n".join(comparison_lines(self))

    def _repr_html_(self) -> str:
        from .page import notebook_html
        return notebook_html(self)


RunsGiven = str | Path | Sequence[FinishedRun | str | Path]
Calls = Mapping[str, Call]
Effects = Mapping[str, Effect]


@dataclass(frozen=True)
class ComparisonRequest:
    "What `compare` was asked for beside the runs"
    metric: Metric
    margin: float | None = None    # None: the family's, or the metric's own
    by: str | None = None
    anyway: bool = False
    plain: bool = False
    once: bool = False
    family: str | None = None
    as_good_in: float = 1.


def compare(runs: RunsGiven, baseline: str | None = None, margin: float | None = None, metric: str = "top1",
            by: str | None = None, anyway: bool = False, notes: Iterable[str] = (),
            diverged: Iterable[DivergedRun] = (), **how: Any) -> Comparison:
    """The Comparison of runs: FinishedRuns of `load_runs`, or what it takes.

    `baseline`: a row's label, tricks, recipe or run (default: the family's, or the row without tricks); `margin`: the
    difference that matters, in points (losses: nats); `by`: test or valid (default: the split that the runs' own
    numbers are of); `notes`: lines to carry along; `diverged`: DivergedRuns. `how`: `plain=True` (no variance is
    steadied), `once=True` (one look at 5% instead of the ladder), `family` (the name of a recorded one),
    `as_good_in=.5` (as good, in at most half of the time). Raises UserError for what is not comparable, unless
    `anyway`, and where the baseline is not clear.
    """
    asked = checked_options(ComparisonRequest(metric_of(metric), margin, by, anyway, **how))
    said, ended = list(notes), list(diverged)
    found = finished_runs(runs, said, ended)
    found = judged_runs(found, asked, said)
    if not found:
        raise UserError("there are no runs to compare")
    rows = comparison_rows(found, said.append, anyway)
    said += check_comparable(rows, by, anyway)
    recorded = families_beside(r.folder for r in found)
    base = choose_baseline(rows, baseline, recorded)
    return against_the_first([base, *(row for row in rows if row is not base)], asked, recorded, ended, said)


def finished_runs(runs: RunsGiven, notes: list[str], diverged: list[DivergedRun]) -> list[FinishedRun]:
    """FinishedRuns as they are; of anything else those that `load_runs` finds, with what it says and the runs that
    diverged
    """
    if not isinstance(runs, str | Path):
        given = [r for r in runs if isinstance(r, FinishedRun)]
        if len(given) == len(runs):
            return given
    return load_runs(runs, notes.append, diverged)


def judged_runs(runs: list[FinishedRun], asked: ComparisonRequest, notes: list[str]) -> list[FinishedRun]:
    "The runs without the soups across seeds: each of those is one model, of which a line is said and no verdict"
    one_of_all = [r for r in runs if r.soup and r.soup.get("across_seeds")]
    for r in one_of_all:
        m, split = asked.metric, asked.by or r.metrics["split"]
        number = f"{r.value(m, split):.{m.digits}f} {m.unit}"
        time = duration(r.seconds)
        notes.append(f"{r.name}: {number} {SPLIT_WORD[split]} {m.title}, "
                     f"a soup of runs of all seeds, {time} of training in all; one model has no verdict")
    return [r for r in runs if r not in one_of_all]


def checked_options(asked: ComparisonRequest) -> ComparisonRequest:
    "Options that make no sense are one sentence"
    if asked.margin is not None and not asked.margin > 0:
        raise UserError(f"--margin {asked.margin:g} is out of range: it must be above 0")
    if not 0 < asked.as_good_in <= 1:
        raise UserError(f"--as-good-in {asked.as_good_in:g} is out of range: it must be above 0 and at most 1")
    if asked.by not in (None, *SPLIT_WORD):
        raise UserError(f"--by {asked.by} is not one of {one_of(SPLIT_WORD)}{nearest(asked.by, SPLIT_WORD)}")
    return asked


def against_the_first(rows: list[ComparisonRow], asked: ComparisonRequest, recorded: list[Family],
                      diverged: list[DivergedRun], notes: list[str]) -> Comparison:
    "The Comparison of rows, the baseline first"
    metric, split = asked.metric, asked.by or rows[0].runs[0].metrics["split"]
    rows = [summed_up(row, metric, split, row is rows[0]) for row in rows]
    base, others = rows[0], rows[1:]
    family = None
    if others:
        family = family_of(recorded, key_of_row(base), map(key_of_row, others), asked.family)
    terms = Terms(margin_of(asked, family), metric.sign, asked.as_good_in, asked.plain)
    shared = all_same_images(rows, split, notes.append)
    arms = {row.label: arms_of(row, base, seeds_diverged(row, diverged)) for row in others}
    for row in others:
        notes += pair_notes(row, base, arms[row.label])
    samples = Samples(arms, metric, split, shared)
    once = asked.once or bool(family and family.once)
    judged, looked = judge(others, samples, terms, once, family)
    if shared:
        judged = [over_images(row, split, arms[row.label]) for row in judged]
    done = (with_own_agreement(base, split, shared), *judged)
    together = together_of(done, samples)
    return Comparison(done, metric, split, terms.margin, (*notes, *cautions(rows, split)), looked, together)


def margin_of(asked: ComparisonRequest, family: Family | None) -> float:
    if asked.margin is not None:
        return asked.margin
    return family.margin if family and family.metric == asked.metric.name else asked.metric.margin


def seeds_diverged(row: ComparisonRow, diverged: list[DivergedRun]) -> list[int]:
    "Seeds of a row that diverged and have not been finished since"
    return sorted({d.seed for d in diverged if recipe_key(d) == key_of_row(row)} - {*row.seeds})


def summed_up(row: ComparisonRow, metric: Metric, split: str, baseline: bool) -> ComparisonRow:
    values = list(row.values(metric, split).values())
    seconds = float(np.mean([r.seconds for r in row.runs]))
    return replace(row, summary=stats.summary(values), seconds=seconds, baseline=baseline)


# -- verdicts

def judge(rows: Sequence[ComparisonRow], samples: Samples, terms: Terms, once: bool,
          family: Family | None) -> tuple[list[ComparisonRow], Looked]:
    "(rows with their verdicts, how they came about)"
    names = [row.label for row in rows]
    hidden = [f"hidden {k}" for k in range(len(family.rows) - len(rows))] if family else []
    everyone = [*names, *hidden]
    calls = look_once(everyone, samples.seen, terms) if once else climb_ladder(everyone, samples.seen, terms)
    seen = {name: s for name in names if (s := samples.seen(name))}
    moments = {name: s.moments for name, s in seen.items() if s.moments}
    effects = effects_of(moments, terms.plain, len(everyone))
    pool = NO_POOL if terms.plain else pool_of(moments)
    looked = looked_at(calls, pool, effects, once, family)
    chances = chances_of(calls, effects, looked, terms)
    done = []
    for row in rows:
        name = row.label
        ratio = seen[name].time or TimeRatio(NAN)
        got = replace(row, diff=effects.get(name), call=calls[name], ratio=ratio, failed=seen[name].failed,
                      chance=chances.get(name, NAN))
        words = verdict_words(got, terms, looked, samples.metric)
        done.append(replace(got, verdict=calls[name].verdict, words=words))
    return done, looked


def looked_at(calls: Calls, pool: Pool, effects: Effects, once: bool, family: Family | None) -> Looked:
    "The Looked of a comparison"
    shown = [c for name, c in calls.items() if not name.startswith("hidden ")]
    rung = max((c.rung for c in shown if c.rung), default=None)
    have = [min(e.n, e.n_base) for name, e in effects.items() if calls[name].verdict == stats.OPEN]
    following = next_rung(min(have)) if have and not once else None
    name, tuned = (family.name, family.tuned) if family else ("", "")
    found = Looked(once, rung, len(calls), len(shown), NAN, pool, name, tuned, following)
    sds = [e.sd for e in effects.values() if e.sd > 0]
    if not rung or not sds or rung < 2:
        return found
    least = smallest_effect(rung, len(calls), found.alpha, not pool.steadies)
    return replace(found, sees=least * float(np.median(sds)))


def chances_of(calls: Calls, effects: Effects, looked: Looked, terms: Terms) -> dict[str, float]:
    "name -> chance that the next rung settles it, of open rows whose spread is known"
    if not looked.next:
        return {}
    open_rows = {name: e for name, e in effects.items() if calls[name].verdict == stats.OPEN
                 and min(e.n, e.n_base) >= FEWEST_SEEDS}
    sure = sum(c.verdict in (stats.HELPS, stats.HURTS) for c in calls.values())
    alpha = SPEND[RUNGS.index(looked.next)]
    return chances_to_settle(open_rows, looked.next, alpha, len(calls) - sure, terms.margin)


# -- images

def all_same_images(rows: Sequence[ComparisonRow], split: str, say: Say) -> bool:
    "Have all runs a line for each of the same images? If not, nothing is said of images"
    first = rows[0].runs[0]
    for run in (r for row in rows for r in row.runs):
        why = why_other_images(run, first, split)
        if not why:
            continue
        say(f"no images in the intervals and no agreement: {why}")
        return False
    return True


def why_other_images(run: FinishedRun, first: FinishedRun, split: str) -> str:
    "What keeps a run's images from being compared with those of the first run, one by one; empty if nothing does"
    got, want = run.images(split), first.images(split)
    if got is None:
        return f"{run.name} has no predictions that fit its metrics.json"
    named = not (got.nameless or want.nameless)  # stored runs have the order of the names, and the data's fingerprint
    same = np.array_equal(got.names, want.names) if named else run.data["fingerprint"] == first.data["fingerprint"]
    if same and np.array_equal(got.labels, want.labels):
        return ""
    return f"{run.name} is evaluated on other images than {first.name}"


def over_images(row: ComparisonRow, split: str, arms: Arms) -> ComparisonRow:
    "The row with what its predictions share with the baseline's, image by image: over the pairs, or over all of both"
    both = [[r.images(split) for r in runs] for runs in (arms.row, arms.base)]
    predicted = [np.array([i.predicted for i in images]) for images in both]
    hits = [np.array([i.rank == 0 for i in images]) for images in both]
    gained, lost = gained_lost(hits[0], hits[1], arms.paired)
    agreed = agreement(predicted[0], predicted[1], arms.paired)
    return replace(row, agreement=agreed, gained=gained, lost=lost)


def with_own_agreement(base: ComparisonRow, split: str, images: bool) -> ComparisonRow:
    "The baseline row with how far its own seeds agree: what the others' agreement is to be measured by"
    agree = own_agreement(np.array([r.images(split).predicted for r in base.runs])) if images else NAN
    return replace(base, agreement=agree, ratio=TimeRatio(1.), verdict="baseline", words="baseline")


# -- what to beware of

def cautions(rows: Sequence[ComparisonRow], split: str) -> Iterator[str]:
    "Lines on what the numbers do not say"
    runs = [r for row in rows for r in row.runs]
    devices = sorted({device(r) for r in runs})
    if len(devices) > 1:
        yield f"not all trained on the same ({'; '.join(devices)}): times are not comparable"
    if split == "valid" and any(r.chosen_by_validation or r.recipe.patience for r in runs):
        yield "weights or epochs were chosen on the validation split: its numbers are optimistically biased"
    tricks = [t for row in rows for t in build_tricks(row.runs[0].recipe.tricks)]
    yield from dict.fromkeys(line for t in tricks for line in t.caution())

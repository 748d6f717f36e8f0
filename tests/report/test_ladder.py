"""Verdicts at fixed rungs: how often they are false however one stops, how soon table 8's effects are settled, what is
called stays called.
"""
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats as sp
from support.kept_runs import kept_rows
from support.marks import slow
from support.simulated import look_at, null_table

from fastricks.report.compare import stats
from fastricks.report.compare.effects import effects_of
from fastricks.report.compare.ladder import RUNGS, SPEND, Climb, Terms, bar, climb_ladder

TABLE8 = {  # Δ, sd, the images' luck, the images' own variance: docs/results/table8.json's five seeds
    "one_cycle": (1.11, .48, .459, .0097), "four": (1.11, .67, .442, .0211), "cosine": (.90, .62, .390, .0094),
    "distill": (.50, .36, .313, .0046),
    "warmup": (.18, .26, .353, .0013), "bf16": (-.04, .18, .161, 0.), "label_smoothing": (.09, .10, .175, 0.),
    "mixup": (-.80, .47, .379, .0099)}


def at_most(k, n, rate): assert sp.binomtest(int(k), n, rate, "greater").pvalue > .001, (k / n, rate)


def climbed(look, names, stop=lambda climb: False, terms=Terms()):
    "A Climb that ends where `stop(climb)` says so"
    climb = Climb(names, terms)
    for rung, alpha in zip(RUNGS, SPEND, strict=True):
        seen = {n: s for n in climb.open if (s := look(n, rung))}
        if seen: climb.look(seen, alpha, rung)
        if stop(climb): break
    return climb


def false_calls(stop, tables, seed=0, rows=8, R=1.5):
    "In how many of so many tables of null rows something is called that is not"
    rng, names, wrong = np.random.default_rng(seed), [*map(str, range(rows))], 0
    for _ in range(tables):
        d = null_table(rng, rows, RUNGS[-1], R)
        wrong += bool(climbed(look_at(d, .16), names, stop, Terms(.3)).sure)
    return wrong


STOPS = {"to the end": lambda climb: not climb.open, "at the first verdict": lambda climb: bool(climb.sure),
         "at the first settled row": lambda climb: len(climb.open) < len(climb.names)}


@pytest.mark.parametrize("stop", [o if o == "at the first verdict" else slow(o) for o in STOPS])
def test_null_rows_are_rarely_called_however_one_stops(stop):
    at_most(false_calls(STOPS[stop], 300), 300, .05)


@pytest.mark.slow
@pytest.mark.parametrize("R", [1, 2, 4])
@pytest.mark.parametrize("stop", STOPS)
def test_null_rows_at_length(stop, R): at_most(false_calls(STOPS[stop], 4000, R=R), 4000, .05)


def table8_climb(rng):
    "(climb, runs trained): the baseline's and those of the rows that were open at each rung"
    delta, sd, luck, own = np.array([*TABLE8.values()]).T
    d = delta[:, None] + np.sqrt(own)[:, None] * rng.normal(size=(8, 1)) + sd[:, None] * rng.normal(size=(8, 24))
    climb, runs, before, look = Climb([*map(str, range(8))], Terms()), 0, 0, look_at(d, luck ** 2, own)
    for rung, alpha in zip(RUNGS, SPEND, strict=True):
        if not climb.open: break
        runs += (rung - before) * (1 + len(climb.open))
        before = rung
        climb.look({n: look(n, rung) for n in climb.open}, alpha, rung)
    return climb, runs


def test_table8s_effects_are_settled_in_85_runs():
    rng, tables = np.random.default_rng(1), 150
    found = [table8_climb(rng) for _ in range(tables)]
    assert np.mean([runs for _, runs in found]) <= 85
    assert np.mean([len(climb.open) / 8 for climb, _ in found]) <= .02


def test_bars_fall_from_rung_to_rung():
    "More seeds ask for less, though later rungs may spend less: of helps and hurts, and of no difference"
    for rows in (1, 4, 8):
        k = [bar(n, rows, a, min(4, rows)) for n, a in zip(RUNGS, SPEND, strict=True)]
        half = [bar(n, 1, 2 * a, min(4, rows)) for n, a in zip(RUNGS, SPEND, strict=True)]
        assert all(x > y for x, y in [*pairwise(k), *pairwise(half)])


def test_as_good_in_less_time_is_rarely_said_of_what_is_not():
    "At the boundary: worse by the margin and much faster; as good and no faster"
    rng, n, wrong = np.random.default_rng(0), 400, 0
    for i in range(n):
        d = null_table(rng, 4, 5, effects=np.full(4, -.5 if i % 2 else 0.))
        seconds = {str(k): np.exp(rng.normal(-.5 if i % 2 else 0., .05, 5))
                   for k in range(4)} | {"baseline": np.exp(rng.normal(0, .05, 5))}
        wrong += any(v.verdict == stats.AS_GOOD for v in once_at(d, seconds).values())
    at_most(wrong, n, .03)


def once_at(d, seconds):
    from fastricks.report.compare.ladder import SeenRow, look_once
    look = look_at(d, .16)
    timed = lambda name, n: SeenRow(look(name, n).moments, stats.time_ratio(seconds[name], seconds["baseline"]))
    return look_once([str(i) for i in range(len(d))], timed, Terms())


def test_what_is_called_stays_called_and_later_seeds_change_nothing_before():
    "A row that helps at 5 seeds helps at 8, whatever the three say"
    d = np.array([[1., 1.1, .9, 1.2, 1.1, -9., -9., -9.], [0., .3, -.2, .1, -.4, .2, -.1, .3]])
    calls = climb_ladder(["0", "1"], look_at(d, .04), Terms())
    assert (calls["0"].verdict, calls["0"].rung) == (stats.HELPS, 5)
    assert climb_ladder(["0", "1"], look_at(d[:, :5], .04), Terms())["0"].p == calls["0"].p


def test_rows_that_stopped_stay_in_the_count():
    "A row that reaches no further rung still counts there; one that helps does not"
    rng = np.random.default_rng(0)
    d = null_table(rng, 4, 8)
    look = look_at(d, .16)
    cut = lambda name, n: None if name in "12" and n and n > 5 else look(name, n)
    got = climb_ladder([*"0123"], cut, Terms(.01))
    assert [got[k].rung for k in "0123"] == [8, 5, 5, 8]
    alone = effects_of({k: look(k, 8).moments for k in "03"}, count=4)
    assert got["0"].p_holm == pytest.approx(alone["0"].p_holm)


def test_fewer_seeds_than_the_first_rung_say_nothing():
    rows, _ = kept_rows("table8", range(4))
    v = stats.ladder({"one_cycle": rows["one_cycle"]}, rows["baseline"])["one_cycle"]
    assert (v.verdict, v.rung) == (stats.OPEN, None) and v.low < v.delta < v.high


def test_between_rungs_the_interval_is_of_all_seeds_and_the_verdict_of_the_last_rung():
    hits, _ = kept_rows("table8", range(5))
    ten = {k: np.concatenate([x, x[::-1]]) for k, x in hits.items()}
    base = ten.pop("baseline")
    got = stats.ladder(ten, base)
    assert got["distill"].rung == 8 and got["distill"].effect.n == 10
    assert got["distill"].p == pytest.approx(stats.ladder({k: x[:8] for k, x in ten.items()}, base)["distill"].p)


def test_a_diverged_seed_is_a_result():
    hits, _ = kept_rows("table8", range(5))
    base, row = hits["baseline"].astype(float), hits["one_cycle"].astype(float)
    row[1] = np.nan
    v = stats.ladder({"one_cycle": row, "cosine": hits["cosine"]}, base)["one_cycle"]
    assert (v.verdict, v.failed, v.effect.n) == (stats.FAILED, 1, 4)
    row[:] = np.nan
    assert stats.ladder({"one_cycle": row}, base)["one_cycle"].verdict == stats.FAILED


def test_the_chance_that_the_next_rung_settles_is_calibrated():
    rng, tables, said, came = np.random.default_rng(4), 400, [], []
    for _ in range(tables):
        delta, sd, luck, own = np.array([*TABLE8.values()]).T
        d = delta[:, None] + sd[:, None] * rng.normal(size=(8, 8))
        names, look = [*map(str, range(8))], look_at(d, luck ** 2, own)
        first = climbed(look, names, lambda climb: True)
        after = climb_ladder(names, look, Terms())
        effects = effects_of({n: look(n, 5).moments for n in names})
        chances = stats.chances_to_settle({n: effects[n] for n in first.open}, 8, SPEND[1], 8 - len(first.sure), .5)
        said += chances.values()
        came += [after[n].verdict != stats.OPEN for n in chances]
    said, came = np.array(said), np.array(came)
    for low in (0., .2, .4, .6, .8):
        own = (said >= low) & (said < low + .2)
        if own.sum() > 30:
            assert abs(said[own].mean() - came[own].mean()) < .12, (low, said[own].mean(), came[own].mean())

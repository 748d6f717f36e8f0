"""The statistics: the tutorial's table, what scipy says, and how often intervals and verdicts are right in simulated ablations."""
import time

import numpy as np
import pytest
from scipy import stats as sp
from support.fake_runs import population, right
from support.table8 import WELCH_P, table8_rows

from fastricks.report.compare import stats

NAN = float("nan")


def table8():
    "experiment -> three values with the published mean and sd"
    return {r["experiment"]: np.array([float(r["mean"]) + d * float(r["sd"]) for d in (-1, 0, 1)]) for r in table8_rows()}


@pytest.mark.parametrize("name", WELCH_P)
def test_the_tutorials_table_by_welch(name):
    t, want = table8(), WELCH_P[name]
    d = stats.welch(t[name], t["Baseline"])
    assert d.p == pytest.approx(want, abs=.005 if want > .1 else .0005)
    r = sp.ttest_ind_from_stats(t[name].mean(), t[name].std(ddof=1), 3, t["Baseline"].mean(), t["Baseline"].std(ddof=1), 3, equal_var=False)
    assert d.p == pytest.approx(r.pvalue) and (d.test, d.n, d.n_base) == ("Welch", 3, 3)
    assert d.low < d.delta < d.high and (d.low > 0) == (d.p < .05)


def test_after_holm_only_all_together_is_left_of_the_tutorials_table():
    t = table8()
    p = dict(zip(WELCH_P, stats.holm([stats.welch(t[k], t["Baseline"]).p for k in WELCH_P]), strict=True))
    assert [k for k in p if p[k] < .05] == ["Warm-up+CS+LS+KD"]
    assert p["Label Smoothing"] == pytest.approx(6 * stats.welch(t["Label Smoothing"], t["Baseline"]).p)


def test_and_it_is_not_distinguishable_from_label_smoothing():
    t = table8()
    assert stats.welch(t["Warm-up+CS+LS+KD"], t["Label Smoothing"]).p == pytest.approx(.66, abs=.005)


# -- the parts

def test_summary():
    s = stats.summary([1., 2., 3.])
    assert (s.n, s.mean, s.sd, s.min, s.max) == (3, 2, 1, 1, 3)
    assert (s.low, s.high) == pytest.approx((2 - 4.30265 / 3 ** .5, 2 + 4.30265 / 3 ** .5), rel=1e-5)
    assert np.isnan([stats.summary([1.]).sd, stats.summary([1.]).low, stats.summary([2., 2.]).low]).all()


def test_pairs_are_tested_as_pairs():
    d = stats.difference({0: 1., 1: 5., 2: 9.}, {2: 8., 1: 4.5, 0: .1})
    x = np.array([.9, .5, 1.])
    assert d.test == "paired t" and d.delta == pytest.approx(.8) and d.sd == pytest.approx(x.std(ddof=1)) and d.df == 2
    assert d.p == pytest.approx(sp.ttest_1samp(x, 0).pvalue) and (d.high - d.delta) / d.se == pytest.approx(4.30265, rel=1e-5)


def test_only_seeds_in_common_pair():
    a, b = {0: 1., 1: 2., 2: 4.}, {1: 1., 2: 2., 3: 100., 4: 100.}
    assert (d := stats.difference(a, b)).test == "paired t" and (d.n, d.n_base, d.delta) == (2, 2, 1.5)
    b = {2: 2., 3: 100., 4: 101.}
    assert (d := stats.difference(a, b)).test == "Welch" and (d.n, d.n_base) == (3, 3)


@pytest.mark.parametrize("a, b, test, why", [
    ({0: 1.}, {0: 2.}, "paired t", "one seed"), ({0: 1.}, {1: 2., 2: 3.}, "Welch", "one seed"),
    ({0: 1., 1: 2.}, {0: 1., 1: 2.}, "paired t", "no difference in any pair"),
    ({0: .3, 1: .5}, {0: .2, 1: .4}, "paired t", "the 2 differences are equal"),
    ({0: 1., 1: 1.}, {2: 2., 3: 2.}, "Welch", "values are equal")])
def test_no_interval_without_a_spread(a, b, test, why):
    d = stats.difference(a, b)
    assert d.test == test and why in d.why and np.isnan([d.low, d.high, d.p, d.se]).all() and not np.isnan(d.delta)
    assert stats.seeds_needed(d, .5) is None and np.isnan(stats.with_images(d, np.ones((1, 4)), np.ones((1, 4)))).all()


def test_welch_with_one_arm_that_does_not_vary():
    d = stats.difference({0: 1., 1: 1., 2: 1.}, {3: 2., 4: 2.5, 5: 3.})
    assert not d.why and d.df == pytest.approx(2) and d.low < -1.5 < d.high


def test_holm_leaves_out_what_was_not_tested():
    assert stats.holm([.01, NAN, .04, .03]) == pytest.approx([.03, NAN, .06, .06], nan_ok=True)
    assert np.isnan(stats.holm([NAN])).all() and len(stats.holm([])) == 0


def test_ratio_is_geometric():
    r, low, high = stats.ratio({0: 2., 1: 8., 2: 4.5}, {0: 1., 1: 2., 2: 1.5})
    assert r == pytest.approx((2 * 4 * 3) ** (1 / 3)) and low < r < high
    assert stats.ratio({0: 3.}, {1: 2.}) == pytest.approx((1.5, NAN, NAN), nan_ok=True)


def test_agreement_and_mcnemars_counts():
    a, b = np.array([["x", "y", "z", "z"], ["x", "y", "y", "z"]]), np.array([["x", "x", "z", "z"], ["y", "y", "y", "y"]])
    assert stats.agreement(a, b) == pytest.approx((3 / 4 + 2 / 4) / 2) and stats.agreement(a, b[:1], False) == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert stats.own_agreement(a) == 3 / 4 and np.isnan(stats.own_agreement(a[:1]))
    x, y = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool), np.array([[0, 1, 1, 0], [0, 0, 1, 0]], bool)
    assert stats.gained_lost(x, y) == (1.5, .5)


@pytest.mark.parametrize("delta, low, high, p, word", [
    (1., .2, 1.8, .01, "helps"), (-1., -1.8, -.2, .01, "hurts"), (.1, .05, .15, .01, "helps"), (.1, -.3, .49, .5, "no difference"),
    (.1, -.3, .5, .5, "not resolved"), (.1, -.5, .3, .5, "not resolved"), (1., .1, 1.9, .06, "not resolved"), (1., NAN, NAN, NAN, "not resolved")])
def test_verdicts(delta, low, high, p, word): assert stats.decide(delta, low, high, p, .5) == word


@pytest.mark.parametrize("effect, pairs, arms", [(.3, 90, 176), (.5, 34, 64), (1., 10, 17)])
def test_seeds_for_80_percent_power(effect, pairs, arms):
    "Cohen's tables: two-sided .05"
    assert (stats.seeds_for("paired t", effect), stats.seeds_for("Welch", effect)) == (pairs, arms)


def test_seeds_needed_is_more_than_there_are():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 10)
    d = stats.paired(x - x.mean() + .4, np.zeros(10))
    assert stats.seeds_needed(d, .5) == stats.seeds_for("paired t", .5 / x.std(ddof=1)) > 10
    assert stats.seeds_needed(d, 2.) == 11 and stats.seeds_needed(stats.paired([1., 2.], [0., 0.]), 1e-5) == stats.MOST


# -- simulated ablations

def nominal(k, n, rate): assert sp.binomtest(int(k), n, rate).pvalue > .001, (k / n, rate)
def at_most(k, n, rate): assert sp.binomtest(int(k), n, rate, "greater").pvalue > .001, (k / n, rate)


N = 4000


def simulated(rng, seeds, effects, sd=.2, shared=.3, paired=True):
    "values of rows [N, R, seeds] and of their baseline [N, 1, seeds], in points; `shared`: what a seed does to all rows alike"
    luck = rng.normal(0, shared, (N, 1, seeds))
    base = 90 + luck + rng.normal(0, sd, (N, 1, seeds))
    rows = 90 + np.array(effects)[:, None] + rng.normal(0, sd, (N, len(effects), seeds))
    return rows + (luck if paired else rng.normal(0, shared, (N, 1, seeds))), base


def differ(rows, base, paired): return stats.paired(rows, np.broadcast_to(base, rows.shape)) if paired else stats.welch(rows, base)


def verdicts(d, margin=.5):
    "[N, R]: Holm is over an ablation's rows"
    return stats.decide(d.delta, d.low, d.high, np.array([stats.holm(p) for p in d.p]), margin)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("paired", [True, False])
def test_intervals_cover_at_the_nominal_rate(seeds, paired):
    rows, base = simulated(np.random.default_rng(seeds), seeds, [.3], paired=paired)
    d = differ(rows, base, paired)
    inside = ((d.low <= .3) & (d.high >= .3)).sum()
    nominal(inside, N, .95) if paired else at_most(N - inside, N, .05)  # Welch errs on the safe side


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("paired", [True, False])
def test_holm_controls_the_family_wise_error_over_five_null_rows(seeds, paired):
    v = verdicts(differ(*simulated(np.random.default_rng(10 + seeds), seeds, [0.] * 5, paired=paired), paired))
    at_most(((v == "helps") | (v == "hurts")).any(1).sum(), N, .05)
    at_most((v == "helps").any(1).sum(), N, .025)
    assert (v == "helps").any(1).mean() > .003  # and it is not for want of tests


@pytest.mark.parametrize("seeds", [3, 5, 20])
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("effect", [.5, -.5])
def test_false_no_difference_is_rare(seeds, paired, effect):
    "A trick whose effect is just the margin is said to be smaller in 1 of 40 ablations at most"
    v = verdicts(differ(*simulated(np.random.default_rng(20 + seeds), seeds, [effect], paired=paired), paired))
    at_most((v == "no difference").sum(), N, .025)
    at_most((v == ("hurts" if effect > 0 else "helps")).sum(), N, .025)


def test_true_effects_are_found_and_true_nothings_too():
    rng = np.random.default_rng(3)
    v = verdicts(differ(*simulated(rng, 5, [1., 0., 0., 0., -1.], sd=.12), True))
    assert (v[:, 0] == "helps").mean() > .9 and (v[:, 4] == "hurts").mean() > .9
    assert (v[:, 1:4] == "no difference").mean() > .9


@pytest.mark.parametrize("n", [4, 8])
def test_the_seeds_said_to_be_needed_have_the_power(n):
    "With the true sd: 80% at the margin"
    rng, sd = np.random.default_rng(n), .5 / {4: 2.0, 8: 1.13}[n]
    need = stats.seeds_for("paired t", .5 / sd)
    x = 90 + rng.normal(.5, sd, (N, need))
    p = stats.paired(x, np.full_like(x, 90)).p
    at_most((p >= .05).sum(), N, .2)


# -- seeds and images

def truth(gain, own, luck):
    "The mean difference over all images and seeds there could be, in points"
    rng, n = np.random.default_rng(99), 2_000_000
    d = population(n, rng)
    return 100 * (right(d + luck * rng.normal(size=n), 1, rng, gain, own).mean() - right(d + luck * rng.normal(size=n), 1, rng).mean())


@pytest.mark.parametrize("seeds, images, own, luck, paired", [
    (3, 400, 1., 0., True), (5, 2000, 1., 0., True), (5, 400, 0., .3, True), (3, 2000, 1., .3, True), (5, 400, 1., .3, False)])
def test_the_second_interval_covers_when_images_are_drawn_too(seeds, images, own, luck, paired):
    rng, want, n = np.random.default_rng(seeds + images), truth(.3, own, luck), 400
    first = second = 0
    for _ in range(n):
        d = population(images, rng)
        a, b = 100. * right(d, seeds, rng, .3, own, luck), 100. * right(d, seeds, rng, luck=luck)
        diff = (stats.paired if paired else stats.welch)(a.mean(1), b.mean(1))
        low, high = stats.with_images(diff, a, b, 1000)
        first, second = first + (diff.low <= want <= diff.high), second + (low <= want <= high)
    at_most(n - second, n, .05)
    assert second / n < .985 and second >= first


def test_the_first_interval_alone_does_not_cover_images():
    "Few noisy seeds, many differences of their own: what the second interval is for"
    rng, want, n, first, second = np.random.default_rng(8), truth(.3, 3., 0.), 200, 0, 0
    for _ in range(n):
        d = population(400, rng)
        a, b = 100. * right(d, 5, rng, .3, 3.), 100. * right(d, 5, rng)
        diff = stats.paired(a.mean(1), b.mean(1))
        low, high = stats.with_images(diff, a, b, 1000)
        first, second = first + (diff.low <= want <= diff.high), second + (low <= want <= high)
    assert first / n < .85 and second / n > .92


def test_the_second_interval_is_repeatable_never_narrower_and_quick():
    rng = np.random.default_rng(0)
    d = population(25_000, rng)
    a, b = 100. * right(d, 5, rng, .3, 1.), 100. * right(d, 5, rng)
    diff = stats.paired(a.mean(1), b.mean(1))
    start = time.perf_counter()
    got = stats.with_images(diff, a, b)
    assert time.perf_counter() - start < 2
    assert got == stats.with_images(diff, a, b) and got[0] <= diff.low < diff.high <= got[1]


def test_the_second_interval_of_a_loss():
    "Not counts but numbers: resampled one by one"
    rng = np.random.default_rng(0)
    a, b = rng.exponential(1., (4, 2000)), rng.exponential(1.1, (4, 2000))
    diff = stats.paired(a.mean(1), b.mean(1))
    low, high = stats.with_images(diff, a + rng.normal(0, 2, 2000), b)
    assert low < diff.low and high > diff.high


def test_seeds_that_all_err_on_the_same_images_leave_the_images_alone():
    "No spread over seeds: no interval; the same difference for every image: the first interval"
    a = np.array([[3.] * 50, [4.] * 50, [6.] * 50])
    diff = stats.paired(a.mean(1), np.zeros(3))
    assert stats.with_images(diff, a, np.zeros_like(a)) == pytest.approx((diff.low, diff.high), rel=.02)

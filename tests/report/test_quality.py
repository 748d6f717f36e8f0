"""Numbers with their intervals: each formula written out."""
import math

import numpy as np
import pytest
from support.fake_runs import fake_images
from support.marks import slow

from fastricks.core import scores
from fastricks.report.pages import quality
from fastricks.report.pages.quality import confused, measure, wilson, worst

Z = 1.959963984540054  # of a normal distribution, 97.5%


def by_hand(k, n):
    p, shrunk = k / n, 1 + Z**2 / n
    mid = (p + Z**2 / (2 * n)) / shrunk
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / shrunk
    return mid - half, mid + half


@pytest.mark.parametrize("k, n", [(8, 10), (354, 359), (0, 7), (7, 7), (1, 1), (2600, 5250)])
def test_wilsons_interval(k, n):
    low, high = by_hand(k, n)
    assert np.allclose(wilson(k, n), (max(low, 0), min(high, 1)), atol=1e-12)
    v = quality.proportion(k, n)
    assert v.value == k / n and v.low <= v.value <= v.high and np.allclose(v[1:], wilson(k, n))


def test_nothing_of_nothing():
    assert all(map(math.isnan, quality.proportion(0, 0)))
    assert np.isnan(wilson([0, 1], [0, 2])).tolist() == [[True, False], [True, False]]


def test_the_calibration_error():
    "Four images in three of the 15 bins: .9 twice (one right), .5 (right), .62 (right)"
    p, hit = np.array([.9, .9, .5, .62]), np.array([True, False, True, True])
    assert math.isclose(scores.ece(p, hit), (abs(1 - .9 + 0 - .9) + abs(1 - .5) + abs(1 - .62)) / 4)
    assert scores.BINS == 15
    assert scores.bin_of([0, 1 / 15, 1 / 15 + 1e-9, .5, 14 / 15, 1]).tolist() == [0, 0, 1, 7, 13, 14]
    assert scores.ece(np.ones(3), np.array([True] * 3)) == 0


def test_bins_say_what_is_in_them():
    q = measure(fake_images("aaaa", "abaa", p=[.9, .9, .5, .62]), "ab")
    bins = {round(b.low, 4): b for b in q.bins if b.n}
    assert [b.n for b in bins.values()] == [1, 1, 2] and len(q.bins) == 15 and q.bins[0].low == 0
    assert q.bins[-1].high == 1
    last = bins[round(13 / 15, 4)]
    assert math.isclose(last.confidence, .9) and last.accuracy.value == .5
    assert np.allclose(last.accuracy[1:], by_hand(1, 2))
    assert math.isnan(q.bins[0].confidence) and math.isnan(q.bins[0].accuracy.value)


# a: 5 images, 3 right, taken for 5; b: 3, 2 right, for 4; c: 2, 1 right, for 1; d: none
LABELS, PREDICTED = "aaaaabbbcc", "aaabbbbaca"


def test_classes():
    q = measure(fake_images(LABELS, PREDICTED), "abcd")
    a, b, c, d = q.rows
    assert [(r.n, r.predicted, r.hits) for r in q.rows] == [(5, 5, 3), (3, 4, 2), (2, 1, 1), (0, 0, 0)]
    assert np.allclose([a.precision.value, a.recall.value, a.f1.value], [3 / 5, 3 / 5, 3 / 5])
    assert np.allclose([b.precision.value, b.recall.value, b.f1.value], [2 / 4, 2 / 3, 2 * 2 / (3 + 4)])
    assert np.allclose(a.recall[1:], by_hand(3, 5)) and np.allclose(b.precision[1:], by_hand(2, 4))
    j = by_hand(2, 3 + 4 - 2)
    assert np.allclose(b.f1[1:], [2 * x / (1 + x) for x in j]) and c.precision.value == 1
    assert all(math.isnan(x) for v in (d.precision, d.recall, d.f1) for x in v) and q.absent == ["d"] and q.astray == 0
    assert math.isclose(q.f1.value, (3 / 5 + 4 / 7 + 2 / 3) / 3)  # of the classes that have images
    assert q.confusion.tolist() == [[3, 2, 0, 0], [1, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_a_class_without_images_that_was_predicted():
    q = measure(fake_images("aab", "acb"), "abc")
    assert q.absent == ["c"] and q.astray == 1 and q.rows[2].predicted == 1
    assert math.isnan(q.rows[2].precision.value + q.rows[2].recall.value)


def test_all_together():
    q = measure(fake_images(LABELS, PREDICTED, rank=[0, 0, 0, 1, 7, 0, 0, 2, 0, 5], loss=np.arange(10)), "abcd")
    assert (q.n, q.hits, q.top1.value, q.top5.value, q.loss.value) == (10, 6, .6, .8, 4.5)
    assert np.allclose(q.top5[1:], by_hand(8, 10))
    assert q.loss.low < 4.5 < q.loss.high and q.f1.low < q.f1.value < q.f1.high and 0 <= q.ece.low <= q.ece.high <= 1
    assert measure(fake_images(LABELS, PREDICTED), "abcd", loss=.123456789).loss.value == .123456789


def test_equal_images_equal_intervals():
    q, again = (measure(fake_images(LABELS, PREDICTED, loss=np.arange(10)), "abcd") for _ in range(2))
    assert (q.loss, q.f1, q.ece) == (again.loss, again.f1, again.ece) and q.draws == 1000


def test_the_bootstrap_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(3).exponential(size=2000)
    q = measure(fake_images("ab" * 1000, "ab" * 1000, loss=x), "ab")
    assert np.allclose([q.loss.value - q.loss.low, q.loss.high - q.loss.value], Z * x.std() / math.sqrt(2000), rtol=.1)


def test_the_interval_of_ece_is_reflected():
    "Resamples lie above the estimate, as that lies above the truth: the interval goes the other way, and not below 0"
    none, all_ = np.zeros(100), np.ones(100)
    assert quality.reflected(.1, np.full(100, .12), none) == pytest.approx((.08, .08))
    assert quality.reflected(.1, np.full(100, .25), none) == (0, 0)
    assert quality.reflected(.1, np.full(100, .12), all_) == pytest.approx((0, .08))


@pytest.mark.parametrize("gap", [0, slow(.1)])
def test_the_interval_of_ece_covers_the_truth(gap):
    "Answers that are right as often as their probabilities say, or by a tenth less: the truth is known"
    rng, found = np.random.default_rng(1), []
    for _ in range(60):
        p = .3 + .6 * rng.random(300)
        hit = rng.random(300) < p - gap
        q = measure(fake_images("a" * 300, ["a" if h else "b" for h in hit], p=[*p]), "ab")
        found.append(q.ece.low <= gap <= q.ece.high)
    assert np.mean(found) > .8


def test_mistakes_and_losses_in_order():
    q = measure(fake_images(LABELS, PREDICTED), "abcd")
    assert confused(q) == [("a", "b", 2), ("b", "a", 1), ("c", "a", 1)] and confused(q, 1) == [("a", "b", 2)]
    assert worst(fake_images("abc", "abc", loss=[1, 3, 3]), 2) == [1, 2] and worst(
        fake_images("abc", "abc", loss=[1, 3, 3]), None
    ) == [1, 2, 0]
    assert confused(measure(fake_images("ab", "ab"), "ab")) == []


def test_what_is_no_answer():
    for args in ((fake_images("ab", "ab", p=[.5, 1.5]), "ab"), (fake_images("ab", "ab", p=[.5, math.nan]), "ab"),
                 (fake_images("ab", "ac"), "ab")):
        with pytest.raises(ValueError, match=r"outside of 0 to 1|no class 'c'"): measure(*args)


def test_one_image():
    q = measure(fake_images("b", "b", p=[1.], loss=[0.]), "ab")
    assert q.top1.value == 1 and 0 < q.top1.low < q.top1.high == 1 and q.ece.value == 0 and q.rows[0].n == 0


def test_few_images_have_wider_intervals_of_the_loss():
    "F14: of 50 images percentiles covered 89 of 100"
    rng, inside, n = np.random.default_rng(0), 0, 300
    for _ in range(n):
        x = rng.exponential(1., 50)
        boot = x[rng.integers(0, 50, (300, 50))].mean(1)
        low, high = quality.ends(x.mean(), boot, 50)
        inside += low <= 1 <= high
        assert quality.ends(x.mean(), boot, 200) == quality.spread(boot)
    assert inside / n > .9

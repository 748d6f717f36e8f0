"""Do the winners add up? Rows of several tricks against the sum of their parts."""
import numpy as np
import pytest
from support.fake_runs import fake_run

from fastricks.core.errors import UserError
from fastricks.grid.plan import make_rows
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.table import explanation

SEEDS, I = 6, 2000


def trained(out, rows, **given):
    "Runs of `rows`: tricks -> rate of images that are right, each image and seed by itself"
    rng = np.random.default_rng(3)
    found = {}
    for tricks, rate in rows.items():
        for seed in range(SEEDS):
            found[tricks, seed] = rng.random(I) < rate
            fake_run(out, tricks, seed, found[tricks, seed], **given)
    return found


def test_the_excess_is_the_interaction_of_a_factorial_design(tmp_path):
    hits = trained(tmp_path, {"none": .5, "mixup": .55, "cosine": .56, "mixup+cosine": .58})
    (t,) = compare(str(tmp_path)).together
    point = {k: np.array([100 * hits[k, s].mean() for s in range(SEEDS)])
             for k in ("none", "mixup", "cosine", "mixup+cosine")}
    inter = point["mixup+cosine"] - point["mixup"] - point["cosine"] + point["none"]
    assert t.excess.delta == pytest.approx(inter.mean()) and t.gain - t.alone == pytest.approx(inter.mean())
    of = {k: np.array([hits[k, s].astype(int) for s in range(SEEDS)]) for k in point}
    image = 100. * (of["mixup+cosine"] + of["none"] - of["mixup"] - of["cosine"])
    of_seeds = inter.var(ddof=1) / SEEDS
    own = max(0, (image.mean(0).var(ddof=1) - image.var(0, ddof=1).mean() / SEEDS) / I)
    assert t.excess.own == pytest.approx(own)
    from scipy.stats import t as student
    assert t.excess.seeds_high - t.excess.seeds_low == pytest.approx(2 * student.ppf(.975, SEEDS - 1) * of_seeds ** .5)
    assert t.excess.low <= t.excess.seeds_low and {*t.parts} == {"mixup", "cosine"}


def words_of(tmp_path, together):
    trained(tmp_path, {"none": .3, "mixup": .5, "cosine": .5, "mixup+cosine": together})
    return " ".join(explanation(compare(str(tmp_path), margin=4.)))


def test_words_less(tmp_path): assert "less than they promise alone" in words_of(tmp_path, .55)
@pytest.mark.slow
def test_words_more(tmp_path): assert "more than they promise alone" in words_of(tmp_path, .85)
def test_words_add_up(tmp_path): assert "they add up" in words_of(tmp_path, .7)


def test_three_parts_are_the_least_ones(tmp_path):
    "mixup+cosine+warmup is made of three rows, not of mixup+cosine and warmup"
    trained(tmp_path, {"none": .5, "mixup": .55, "cosine": .56, "warmup": .5, "mixup+cosine": .58,
                       "cosine+mixup+warmup": .6})
    found = {len(t.parts): t for t in compare(str(tmp_path)).together}
    assert sorted(found) == [2, 3] and {*found[3].parts} == {"mixup", "cosine", "warmup"}


def test_no_word_where_a_part_is_missing_or_differs_in_more(tmp_path):
    trained(tmp_path / "a", {"none": .5, "mixup": .55, "mixup+cosine": .58})
    assert not compare(str(tmp_path / "a")).together
    trained(tmp_path / "b", {"none": .5, "mixup": .55, "cosine": .5})
    trained(tmp_path / "b", {"mixup+cosine": .58}, lr=.1)
    assert not compare(str(tmp_path / "b")).together


def test_rows_of_mode_all():
    names = lambda *texts: [r.name for r in make_rows("all", {}, None, [*texts])]
    assert names("mixup", "cosine") == ["baseline", "mixup", "cosine", "mixup+cosine"]
    three = names("mixup", "cosine", "label_smoothing")
    assert len(three) == 8 and three[-1] == "mixup+cosine+label_smoothing"
    for texts in (["mixup"], ["mixup", "cosine", "label_smoothing", "warmup"]):
        with pytest.raises(UserError, match="two or three"): make_rows("all", {}, None, texts)

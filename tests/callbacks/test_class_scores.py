"""Macro F1 and balanced accuracy: of the validation split each epoch, in metrics.json, and what --keep and --patience
go by.
"""
import csv

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score
from support.run_files import read
from support.small import recipe_of, same, trained, weights

from fastricks.callbacks.class_scores import class_scores
from fastricks.core.errors import UserError
from fastricks.core.scores import balanced_accuracy
from fastricks.core.words import silent
from fastricks.recipe.recipe import CHOSEN_BY
from fastricks.training.learner import choosers
from fastricks.training.training import train

pytestmark = pytest.mark.usefixtures("undrawn")
SCORES = "macro_f1", "balanced_accuracy"


class Seen:
    "What a metric looks at"
    def __init__(self, y, k, K=6): self.yb, self.pred = (torch.tensor(y),), torch.eye(K)[k]


def scored(metric, *batches):
    metric.reset()
    for b in batches: metric.accumulate(Seen(*b))
    return metric.value


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_they_are_scikit_learns_over_the_classes_that_have_images():
    rng = np.random.default_rng(0)
    y, k = rng.integers(0, 4, 60), rng.integers(0, 6, 60)  # two classes are predicted alone
    f1, balanced = class_scores()
    batches = [(y[i:i + 16].tolist(), k[i:i + 16].tolist()) for i in range(0, 60, 16)]
    assert scored(f1, *batches) == pytest.approx(f1_score(y, k, labels=range(4), average="macro"))
    assert scored(balanced, *batches) == pytest.approx(balanced_accuracy_score(y, k))
    assert scored(balanced, *batches) == pytest.approx(balanced_accuracy(y, k))
    assert scored(f1) is None and scored(balanced, ([1, 1, 2], [1, 1, 0])) == .5


@pytest.fixture(scope="module")
def run(tmp_path_factory, undrawn):
    r = recipe_of(lr=3e-3, valid=.3, per_class=20, keep="best:macro_f1", out=str(tmp_path_factory.mktemp("runs")))
    return train(r, silent, bar=False)


def test_history_has_them_each_epoch(run):
    rows = list(csv.DictReader((run.folder / "history.csv").read_text().splitlines()))
    assert len(rows) == 2 and all(0 < float(r[k]) < 1 for r in rows for k in SCORES)
    assert list(rows[0])[3:7] == ["valid_loss", "accuracy", *SCORES]


@pytest.mark.parametrize("split", ["test", "valid"])
def test_metrics_json_has_them_of_both_splits(run, split):
    m = read(run.folder, "metrics.json")
    m = m if split == "test" else m["valid"]
    file = run.folder / ("predictions.csv" if split == "test" else "predictions-valid.csv")
    table = list(csv.DictReader(file.read_text().splitlines()))
    y, k = ([r[c] for r in table] for c in ("label", "predicted"))
    assert m["macro_f1"] == pytest.approx(f1_score(y, k, labels=sorted({*y}), average="macro"))
    of_class = lambda c: np.mean([b == c for a, b in zip(y, k, strict=True) if a == c])
    assert m["balanced_accuracy"] == pytest.approx(np.mean([of_class(c) for c in {*y}]))


def test_the_validation_numbers_are_those_of_the_kept_epoch(run):
    f1, m = [r["macro_f1"] for r in run.learn.history.rows], run.metrics
    assert m["valid"]["macro_f1"] == pytest.approx(max(f1))
    assert m["kept_epoch"] == m["best_epoch"] == f1.index(max(f1)) + 1


def test_the_screens_rows_have_the_number_that_is_gone_by(run):
    log = (run.folder / "log.txt").read_text()
    assert "accuracy  macro F1" in log and "balanced" not in log


@pytest.mark.parametrize("keep, monitor", [("last", "accuracy"), ("best", "accuracy"), ("best:macro_f1", "macro_f1"),
                                           ("best:balanced_accuracy", "balanced_accuracy"),
                                           ("best:loss", "valid_loss")])
def test_keep_and_patience_go_by_the_same_number(keep, monitor):
    cbs = choosers(recipe_of(keep=keep, patience=2))
    assert [type(c).__name__ for c in cbs] == ["KeepBest"] * (keep != "last") + ["EarlyStoppingCallback"]
    assert {c.monitor for c in cbs} == {monitor}


@pytest.mark.parametrize("keep, better", [("best:macro_f1", max), ("best:balanced_accuracy", max), ("best:loss", min)])
def test_the_weights_are_those_of_the_first_best_epoch(keep, better):
    given = {"lr": 2e-2, "valid": .3, "per_class": 20, "epochs": 4}
    learn, name = trained(keep=keep, **given), CHOSEN_BY[keep]
    values = [r[name] for r in learn.history.rows]
    names = list(learn.recorder.metric_names[2:-1])
    assert dict(zip(names, learn.validate(), strict=True))[name] == pytest.approx(better(values))


def test_of_one_epoch_all_keep_the_same_weights():
    given = {"valid": .3, "epochs": 1}
    assert all(same(weights(trained(keep=keep, **given)), weights(trained(**given)))
               for keep in ("best:macro_f1", "best:loss"))


@pytest.mark.parametrize("keep, words", [("best:f1", "is not one of last, best, best:macro_f1, best:balanced_accuracy"),
                                         ("best:accuracy", "did you mean"), ("best:", "is not one of")])
def test_another_number_is_refused(keep, words):
    with pytest.raises(UserError, match=words): recipe_of(keep=keep)


def test_it_needs_a_validation_split():
    with pytest.raises(UserError, match="--keep best:macro_f1 chooses by the validation split"):
        recipe_of(keep="best:macro_f1", valid=0.)

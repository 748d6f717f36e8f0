"""head_first: the head fitted on the frozen network's features, alone and before a training."""
import csv

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.kills import compare, left
from support.marks import slow
from support.run_files import read
from support.several import losses, several
from support.small import TINY, learner, recipe_of, trained, weights
from support.stopped import EACH, resumed, stopped

from fastricks.callbacks.head_first import fitted_head
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.recipe.recipe import resolve
from fastricks.training.learner import fit
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
ONLY = "head_first:only=true"


@pytest.mark.parametrize("K, C", [(2, 1.), (3, 1.), (2, .01), (3, .01)])
def test_the_head_is_where_the_objective_has_no_slope(K, C):
    "Σ CE(Wφ + b) + ‖W‖²/2C on standardised features φ, by autograd"
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 5, (60, 4)).astype(np.float32), rng.integers(0, K, 60)
    weight, bias = (torch.from_numpy(o) for o in fitted_head(x, y, K, C, pytest.fail))
    mean, std = torch.tensor(x, dtype=torch.double).mean(0), torch.tensor(x, dtype=torch.double).std(0, correction=0)
    w, b = (weight * std).requires_grad_(), (bias + weight @ mean).requires_grad_()
    phi = (torch.tensor(x, dtype=torch.double) - mean) / std
    (F.cross_entropy(phi @ w.T + b, torch.tensor(y), reduction="sum") + w.square().sum() / (2 * C)).backward()
    assert w.grad.abs().max() < .01 and b.grad.abs().max() < .01
    assert torch.allclose(phi @ w.T + b, torch.tensor(x, dtype=torch.double) @ weight.T + bias)


def test_only_leaves_all_but_the_head_as_it_was_and_knows_the_training_images():
    learn, parts = learner(ONLY, per_class=20)
    before = weights(learn)
    fit(learn, parts)
    assert {k for k, v in weights(learn).items() if not torch.equal(v, before[k])} == {"fc.weight", "fc.bias"}
    assert len(learn.history.rows) == 1 and learn.history.rows[0]["accuracy"] > .3
    assert learn.history.rows[0]["seconds"] > 0


def test_a_run_that_is_only_that_is_a_run(tmp_path):
    done = train(recipe_of(ONLY, out=str(tmp_path), per_class=20), silent)
    assert read(done.folder, "status.json")["status"] == "finished" and done.metrics["epochs"] == 1
    assert done.metrics["top1"] > .3


def test_a_smaller_C_keeps_the_head_small():
    def size(w): return (w["fc.weight"]).norm()
    assert size(weights(trained(f"{ONLY},C=.01"))) < size(weights(trained(ONLY)))


def test_then_all_is_trained():
    probe, both, plain = (weights(trained(t) if t else trained()) for t in (ONLY, "head_first", ""))
    assert not torch.equal(both["conv1.0.weight"] if "conv1.0.weight" in both else both["conv1.weight"],
                           probe["conv1.0.weight"] if "conv1.0.weight" in probe else probe["conv1.weight"])
    assert (both["fc.weight"] - probe["fc.weight"]).abs().max() < (plain["fc.weight"] - probe["fc.weight"]).abs().max()


def test_other_tricks_beside_only_are_refused():
    with pytest.raises(UserError, match="takes no step, and mixup"): resolve({}, [f"{ONLY}+mixup"])


@pytest.mark.parametrize("selection", [slow("head_first+ema:half_life=.4"), "head_first+mixup"])
def test_a_stopped_run_goes_on_bit_for_bit(selection, tmp_path, monkeypatch):
    folder = stopped(tmp_path / "a", monkeypatch, selection)
    whole = train(recipe_of(selection, **EACH, out=str(tmp_path / "whole")), silent).folder
    assert not compare({"a": left(resumed(folder).folder)}, {"a": left(whole)})


def test_processes_have_the_same_head():
    a, b = several(2, losses, "head_first", {"per_class": 10, "batch_size": 12, "epochs": 1})
    assert a == b


def test_a_probe_has_no_rate_and_no_training_loss(tmp_path, capsys):
    words = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items() if k != "workers"]
    assert run(["train", *words, "-t", "head_first:only=true", "--out", str(tmp_path), "--name", "probe"]) == 0
    said = capsys.readouterr()
    row, = csv.DictReader((tmp_path / "probe/history.csv").read_text().splitlines())
    assert row["lr"] == row["train_loss"] == "" and float(row["valid_loss"]) > 0
    assert not (tmp_path / "probe/lr.png").exists() and "no lr.png" not in said.out + said.err

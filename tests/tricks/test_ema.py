"""ema: the running mean of the weights, and where it stands in for them."""
import os
import signal

import pytest
import torch
from fastai.callback.core import Callback
from safetensors.torch import load_file
from support.kills import compare, left
from support.marks import slow
from support.several import losses, several
from support.small import learner, recipe_of, same, trained, weights
from support.stopped import EACH, resumed, stopped

from fastricks.callbacks.checkpoint import Checkpoint
from fastricks.callbacks.ema import Ema
from fastricks.core import stop
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.training.learner import fit
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
LONG = "ema:half_life=.4"  # of the run


class Trajectory(Callback):
    "Weights before the first step and after each"
    order = 6
    def before_fit(self): self.seen = [weights(self.learn)]
    def after_step(self): self.seen.append(weights(self.learn))


def mean_of(seen, h, start=0):
    "The recursion, written out over all steps"
    d, mean = 2 ** (-1 / h), {k: v.double() for k, v in seen[start].items()}
    for w in seen[start + 1:]: mean = {k: d * mean[k] + (1 - d) * w[k].double() for k in mean}
    return mean


def near(got, want):
    return all(torch.allclose(got[k].double(), want[k], atol=1e-6) for k in got if got[k].is_floating_point())


@pytest.mark.parametrize("selection, h, start",
                         [("ema:half_life=.4", 4., 0), ("ema:half_life=1", 5., 0), ("ema:half_life=.3,start=.4", 3., 4),
                                                 ("ema:half_life=.4,start=1", 4., 5),
                          ("ema:half_life=.4+accumulate:n=2", 2.4, 0)])
def test_the_run_ends_with_the_mean_of_the_formula(selection, h, start):
    "70 images in 5 batches of 16, 2 epochs"
    spy = Trajectory()
    learn = trained(selection, lr=1e-2, cbs=[spy])
    assert near(weights(learn), mean_of(spy.seen, h, start)) and not near(weights(learn), mean_of(spy.seen, 1e-3))
    without = trained(*selection.split("+")[1:], lr=1e-2)
    assert same(spy.seen[-1], weights(without))  # the training itself is untouched


def test_the_mean_is_validated_and_the_best_mean_kept():
    class At(Callback):
        order = 56
        def before_fit(self): self.seen = []
        def after_validate(self): self.seen.append(weights(self.learn))
    spy, at = Trajectory(), At()
    learn = trained(LONG, lr=3e-2, epochs=3, keep="best", cbs=[spy, at])
    for n, got in enumerate(at.seen, 1): assert near(got, mean_of(spy.seen[:5 * n + 1], 6.))
    best = max(range(3), key=lambda i: learn.history.rows[i]["accuracy"])
    assert same(weights(learn), at.seen[best])


def test_a_step_that_is_left_out_leaves_the_mean():
    "As if the batch had not been: the mean of the others"
    class Bad(Callback):
        order = -50
        def before_batch(self):
            if self.training and self.learn.iter == 2: self.learn.xb = (self.x * float("nan"),)
    spy = Trajectory()
    learn = trained(LONG, epochs=1, lr=1e-2, cbs=[Bad(), spy])
    assert learn.guard.skipped == 1
    assert near(weights(learn), mean_of([w for i, w in enumerate(spy.seen) if i != 3], 2.))


@pytest.mark.parametrize("selection, words", [("ema:half_life=.05", "is 0.5 of a step"),
                                              ("ema:half_life=.5,start=2", "not before the end")])
def test_what_changes_nothing_is_refused(selection, words):
    with pytest.raises(UserError, match=words): learner(selection)
    with pytest.raises(UserError, match="out of range"): Ema(0)


@pytest.mark.parametrize("selection, at", [slow(LONG, (1, 1)), slow("ema:half_life=.4,start=.6", (1, 0)),
                                           (f"{LONG}+mixup:partner=previous", (0, 2))])
def test_a_stopped_run_goes_on_bit_for_bit(selection, at, tmp_path, monkeypatch):
    folder = stopped(tmp_path / "a", monkeypatch, selection, at=at, epochs=3)
    whole = train(recipe_of(selection, **EACH, epochs=3, out=str(tmp_path / "whole")), silent).folder
    assert not compare({"a": left(resumed(folder).folder)}, {"a": left(whole)})


@pytest.mark.parametrize("epoch, keep", [(0, "best"), (1, "last"), slow(0, "last"), slow(1, "best")])
def test_a_run_stopped_while_it_validates_goes_on_bit_for_bit(epoch, keep, tmp_path, monkeypatch):
    after = Checkpoint.after_batch

    def after_batch(self):
        if not self.training and self.trained and self.learn.epoch == epoch: os.kill(os.getpid(), signal.SIGTERM)
        after(self)
    given = dict(lr=1e-2, epochs=3, keep=keep, batch_size=24)
    with monkeypatch.context() as m:
        m.setattr(Checkpoint, "after_batch", after_batch)
        with pytest.raises(stop.Stopped): train(recipe_of(LONG, **given, out=str(tmp_path / "a")), silent)
    folder = next((tmp_path / "a").glob("*/recipe.json")).parent
    whole = train(recipe_of(LONG, **given, out=str(tmp_path / "whole")), silent).folder
    end = resumed(folder).folder
    assert same(load_file(end / "model.safetensors"),
                load_file(whole / "model.safetensors")) and not compare({"a": left(end)}, {"a": left(whole)})


def test_processes_have_the_same_mean():
    given = {"per_class": 10, "batch_size": 12, "epochs": 2}
    a, b = several(2, losses, LONG, given)
    assert a == b and a["weights"] != several(2, losses, "", given)[0]["weights"]


def test_a_second_fit_begins_with_the_mean():
    learn, parts = learner(LONG)
    fit(learn, parts)
    end = weights(learn)
    spy = Trajectory()
    learn.add_cb(spy)
    fit(learn, parts)
    assert same(spy.seen[0], end)

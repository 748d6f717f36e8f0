"""sam: the gradient at the worst point nearby, and everything else as if the network had seen its batch once."""
from copy import deepcopy

import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientAccumulation
from support.kills import compare, left
from support.marks import slow
from support.several import losses, several
from support.small import learner, recipe_of, same, trained, weights
from support.stopped import EACH, resumed, stopped

from fastricks.callbacks.amp import CPUMixedPrecision
from fastricks.callbacks.distill import Distill, kl_term
from fastricks.callbacks.sam import Sam
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.recipe.recipe import resolve
from fastricks.training.learner import fit
from fastricks.training.training import train

RHO = .5
LARGER = dict(arch="resnet18", size=32, resize=32)  # it has branches to leave out


class Watch(Callback):
    """The second step of a training, on which `sam` acts: the batch, the network before and after, and what the paper's
    formula makes of it
    """
    order = 99

    def before_batch(self):
        if self.learn.train_iter == 1:
            self.images, self.before, self.draws = self.learn.x, deepcopy(self.learn.model), torch.get_rng_state()

    def before_step(self):
        if self.learn.train_iter != 1: return
        self.g = {n: p.grad.clone() for n, p in self.learn.model.named_parameters() if p.grad is not None}
        self.after, self.told = weights(self.learn), self.learn.loss.clone()
        self.once = deepcopy(self.before)
        self.at_once, self.at_w = self.loss_of(self.once), self.gradient(deepcopy(self.before))
        self.want = self.gradient(self.moved(deepcopy(self.before)))

    def loss_of(self, model):
        "The training loss of that batch, with the same draws"
        torch.set_rng_state(self.draws)
        z = model(self.images)
        loss = self.learn.loss_func(z, *self.learn.yb)
        if "distill" not in vars(self.learn): return loss
        return .5 * loss + .5 * kl_term(z, self.learn.distill.teacher(self.images), 20.)

    def gradient(self, model):
        params = {n: p for n, p in model.named_parameters() if p.requires_grad}
        return dict(zip(params, torch.autograd.grad(self.loss_of(model), params.values()), strict=True))

    @torch.no_grad()
    def moved(self, model):
        "w + ρ g/‖g‖"
        norm = sum(t.double().square().sum() for t in self.at_w.values()).sqrt()
        for n, p in model.named_parameters():
            if n in self.at_w: p += (RHO * self.at_w[n].double() / norm).float()
        return model


def near(a, b):
    "Gradients but for float32's rounding, which goes by the largest of a tensor"
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], 1e-4, 1e-5 * max(1, b[k].abs().max())) for k in a)


@pytest.mark.parametrize("selection, given", [
    ("", {}), ("label_smoothing+mixup", {}), ("cutmix+bce", {}), ("mixup:per=sample", {}),
    ("drop_path:rate=.5", LARGER),
    ("freeze", {}), ("layer_decay+no_bias_decay", {"wd": .1}), ("distill:teacher={}+mixup", {})])
def test_the_gradient_is_the_papers(selection, given, teacher):
    "BatchNorm's averages are those of one pass, w and the loss that is recorded as before it"
    watch = Watch()
    tricks = [s.format(teacher) for s in selection.split("+") if s]
    fit(*learner(f"sam:rho={RHO},every=2", *tricks, cbs=[watch], epochs=1, **given))
    assert near(watch.g, watch.want) and not near(watch.g, watch.at_w)
    assert same(watch.after, watch.once.state_dict()) and torch.allclose(watch.told, watch.at_once, atol=1e-6)


def test_only_every_nth_step_is_another():
    class Steps(Callback):
        order = 50
        def before_fit(self): self.seen = []
        def after_step(self): self.seen.append(weights(self.learn))
    plain, sam = Steps(), Steps()
    trained(cbs=[plain])
    trained("sam:every=4", cbs=[sam])
    assert [same(a, b) for a, b in zip(plain.seen, sam.seen, strict=True)] == [True] * 3 + [False] * 7


@pytest.mark.slow
def test_the_second_pass_has_the_draws_of_the_first():
    "At a point that rounds to w it has the very gradient, though half of the branches are left out"
    given = dict(epochs=1, **LARGER)
    a, b = (weights(trained("drop_path:rate=.5", *more, **given)) for more in ([], ["sam:rho=1e-20,every=1"]))
    assert same(a, b)


class Scaled(CPUMixedPrecision):
    "fp16's loss scaling without fp16: a power of two is exact"
    def before_fit(self):
        super().before_fit()
        self.autocast = torch.autocast("cpu", enabled=False)
        self.learn.scaler = torch.amp.GradScaler("cpu", init_scale=2.**10)


def test_loss_scaling_changes_nothing():
    assert same(weights(trained("sam:every=1", cbs=[Scaled()], epochs=1)), weights(trained("sam:every=1", epochs=1)))


def test_an_overflow_of_the_first_gradient_is_loss_scalings_to_leave_out():
    class Overflow(Callback):
        order = 11
        def before_backward(self):
            if self.learn.iter == 2 and not self.learn.sam.second:
                self.learn.loss_grad = self.learn.loss_grad * float("inf")
    learn = trained("sam:every=1", cbs=[Scaled(), Overflow()], epochs=1)
    assert (learn.guard.rescaled, learn.guard.skipped) == (1, 0)
    assert all(v.isfinite().all() for v in weights(learn).values())


def test_a_step_that_is_not_finite_is_left_out():
    class Bad(Callback):
        order = -50
        def before_batch(self):
            if self.training and self.learn.iter == 2: self.learn.xb = (self.x * float("nan"),)
    learn = trained("sam:every=1", epochs=1, cbs=[Bad()])
    assert learn.guard.skipped == 1 and all(v.isfinite().all() for v in weights(learn).values())


@pytest.mark.parametrize("store", ["", ",store=true"])
def test_a_teacher_answers_once_a_batch(store, teacher, monkeypatch):
    asked, ask = [], Distill.ask
    monkeypatch.setattr(Distill, "ask", lambda self: (asked.append(0), ask(self))[1])
    learn = trained(f"distill:teacher={teacher}{store}", "sam:every=1", epochs=1, seed=11)
    assert len(asked) == len(learn.dls.train)


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match=r"sam.*accumulat"): resolve({}, ["sam+accumulate"])
    with pytest.raises(UserError, match="sam:every=11 changes nothing in a run of 10 steps"): learner("sam:every=11")
    with pytest.raises(UserError, match="takes no step, and sam would change nothing"):
        resolve({}, ["sam+head_first:only=true"])
    learn, _ = learner(cbs=[Sam(), GradientAccumulation()])
    with pytest.raises(UserError, match="Sam: the batches of an accumulated step"): learn.fit(1)
    for wrong in (dict(rho=0), dict(every=0), dict(every=.5)):
        with pytest.raises(UserError, match="Sam: "): Sam(**wrong)


@pytest.mark.parametrize("selection", [slow("sam:every=2"), "sam:every=3+mixup:partner=previous+ema:half_life=.4"])
def test_a_stopped_run_goes_on_bit_for_bit(selection, tmp_path, monkeypatch):
    folder = stopped(tmp_path / "a", monkeypatch, selection)
    whole = train(recipe_of(selection, **EACH, out=str(tmp_path / "whole")), silent).folder
    assert not compare({"a": left(resumed(folder).folder)}, {"a": left(whole)})


def test_several_processes_go_to_the_point_of_one():
    """The gradient of all images says where to; a network without BatchNorm, so that shares of a batch are as good as
    the batch
    """
    given = dict(arch="test_convnext", size=32, resize=32, opt="adam", lr=1e-3, per_class=10, batch_size=12, epochs=1)
    a, b = several(2, losses, f"sam:rho={RHO},every=2", given)
    (one,) = several(1, losses, f"sam:rho={RHO},every=2", {**given, "batch_size": 24})
    (plain,) = several(1, losses, "", {**given, "batch_size": 24})
    assert (
        a == b
        and a["losses"] == pytest.approx(one["losses"], abs=1e-4)
        and one["losses"] != pytest.approx(plain["losses"], abs=1e-4)
    )

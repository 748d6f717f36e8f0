"""Non-finite losses and gradients: the step is left out to the bit, counted, and many in a row end the training."""
import csv
import json
import math
from functools import cache

import pytest
import torch
from fastai.callback.core import Callback
from safetensors.torch import load_file, save_file
from support.commands import fails
from support.marks import crossed, slow
from support.run_files import read
from support.small import TINY, learner, recipe_of, same, trained, weights
from support.stopped import EACH, resumed, stopped

from fastricks.callbacks.guard import Guard
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.model.probe import cpu_has_bf16
from fastricks.training.learner import fit
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
ARGS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]
BAD = [math.nan, math.inf, -math.inf]
WHAT = "loss", "gradient", "image"


class Spoil(Callback):
    "Spoils `what` (loss, gradient, image) of some (epoch, batch)es with a number"
    order, run_valid = 4, False

    def __init__(self, what, where, x=math.nan): self.what, self.where, self.x, self.hit = what, where, x, 0

    @property
    def now(self): return (self.learn.epoch, self.learn.iter) in self.where

    def before_batch(self):
        if self.now: self.hit += 1
        if self.now and self.what == "image":
            x = self.learn.xb[0].clone()
            x[1, 0, 3, 3] = self.x
            self.learn.xb = (x,)

    def after_loss(self):
        if self.now and self.what == "loss": self.learn.loss = self.learn.loss_grad = self.learn.loss_grad * self.x

    def before_step(self):
        if self.now and self.what == "gradient": put(last_weight(self.learn).grad, -1, self.x)


def put(t, i, x):
    "Set the i-th number of a tensor of any layout"
    t[torch.unravel_index(torch.tensor(i % t.numel()), t.shape)] = x


def last_weight(learn): return [p for p in learn.model.parameters() if p.ndim == 4][-1]


class Omit(Callback):
    "The same training without those steps: the batch is loaded and no more"
    order, run_valid = -90, False
    def __init__(self, where): self.where = where
    def before_batch(self):
        from fastai.callback.core import CancelBatchException
        if (self.learn.epoch, self.learn.iter) in self.where: raise CancelBatchException


def momenta(learn):
    return [v.clone() for s in learn.opt.state_dict()["state"].values() for v in s.values() if torch.is_tensor(v)]


def spoiled(spoil, *selection, lazy=None, **given):
    learn, parts = learner(*selection, cbs=[spoil], **given)
    learn.guard.lazy = lazy
    return fit(learn, parts)


WHERE = (0, 0), (0, 3), (1, 4)


@cache
def without_them(opt):
    "(weights, momenta) of the training that omits the batches of WHERE"
    learn = trained(opt=opt, wd=.01, cbs=[Omit(WHERE)])
    return weights(learn), momenta(learn)


@pytest.mark.parametrize("what, opt, lazy", crossed(WHAT, ["adam", "adamw", "sgd"], [None, False], plain=[
    ("loss", "adamw", None), ("gradient", "sgd", None), ("image", "adam", None), ("loss", "adam", False)]))
def test_a_bad_step_is_as_if_it_had_not_been(what, opt, lazy):
    """Weights, BatchNorm's averages, optimizer state: the bits of the training that omits those batches; the first step
    among them
    """
    spoil = Spoil(what, WHERE)
    got = spoiled(spoil, opt=opt, wd=.01, lazy=lazy)
    want, want_momenta = without_them(opt)
    assert spoil.hit == 3 and got.guard.skipped == 3 and [r["skipped_steps"] for r in got.history.rows] == [2, 1]
    a, b = ({k: v for k, v in o.items() if "num_batches" not in k} for o in (weights(got), want))
    assert same(a, b) and all(torch.equal(x, y) for x, y in zip(momenta(got), want_momenta, strict=True))
    assert all(v.isfinite().all() for v in weights(got).values())
    assert all(math.isfinite(r["train_loss"]) for r in got.history.rows)


@pytest.mark.parametrize("what, x", crossed(WHAT, BAD, plain=[
    ("loss", math.nan), ("gradient", math.inf), ("image", -math.inf)]))
def test_every_kind_of_number(what, x):
    learn = spoiled(Spoil(what, [(0, 2)], x))
    assert learn.guard.skipped == 1 and all(v.isfinite().all() for v in weights(learn).values())
    assert math.isfinite(float(learn.recorder.smooth_loss.value))


@pytest.mark.parametrize("name, index", [slow("fc.bias", 0), slow("conv1.0.weight", -1), slow("bn1.weight", 3),
                                         ("layer2.0.conv1.weight", 1234)])
def test_one_number_anywhere_in_the_gradient_is_found(name, index):
    class One(Callback):
        def before_step(self):
            if self.learn.iter == 1: put(dict(self.learn.model.named_parameters())[name].grad, index, math.nan)
    learn = trained(cbs=[One()])
    assert learn.guard.skipped == 2


TRICKS = ["mixup", "label_smoothing+cosine", "mixup:partner=previous", "distill:teacher={}",
          "distill:teacher={},store=true", "no_bias_decay",
          "amp:dtype=bf16", "amp:dtype=bf16+accumulate:n=2+mixup", "one_cycle"]


@pytest.mark.parametrize("what, trick", crossed(WHAT, TRICKS, plain=[*zip(WHAT * 3, TRICKS, strict=True)]))
def test_with_tricks(what, trick, teacher):
    if "amp" in trick and not cpu_has_bf16(): pytest.skip("no bf16")
    given = dict(size=32, resize=32) if "amp" in trick else {}
    if trick == "no_bias_decay": given["wd"] = .1
    where = [(0, 1), (1, 3)]
    learn = spoiled(Spoil(what, where), trick.format(teacher), **given)
    # mixup:partner=previous mixes a bad image into the next batch too
    assert learn.guard.skipped >= 2 and learn.guard.skipped <= 4
    assert all(v.isfinite().all() for v in weights(learn).values())
    assert all(math.isfinite(r["train_loss"]) and math.isfinite(r["valid_loss"]) for r in learn.history.rows)


@pytest.mark.parametrize("what, bad, lazy", [
    ("loss", 0, None), ("image", 1, False), ("gradient", 1, None), slow("loss", 0, False), slow("loss", 1, None),
    slow("loss", 1, False), slow("image", 0, None), slow("image", 0, False), slow("image", 1, None),
    slow("gradient", 1, False)])
def test_a_bad_batch_spoils_its_group_and_no_other(what, bad, lazy):
    "Five batches are groups of 2, 2 and 1: the second group is left out whole"
    got = spoiled(Spoil(what, [(0, 2 + bad)]), "accumulate:n=2", lazy=lazy)

    class NoStep(Callback):
        order = 12
        def before_step(self):
            from fastai.callback.core import CancelStepException
            if (self.learn.epoch, self.learn.iter) == (0, 3): raise CancelStepException
        def before_batch(self):
            if (self.learn.epoch, self.learn.iter) == (0, 2):
                self.kept = {k: v.clone() for k, v in self.learn.model.named_buffers()}
        def after_step(self):
            if (self.learn.epoch, self.learn.iter) == (0, 3):
                for k, v in self.learn.model.named_buffers():
                    if v.is_floating_point(): v.copy_(self.kept[k])
    want = trained("accumulate:n=2", cbs=[NoStep()])
    want_w, got_w = ({k: v for k, v in weights(o).items() if "num_batches" not in k} for o in (want, got))
    assert got.guard.skipped == 1 and same(want_w, got_w)


@pytest.mark.parametrize("trick, opt", crossed(["", "mixup", "accumulate:n=2", "distill:teacher={}"], ["adam", "sgd"],
                                               plain=[("", "adam"), ("accumulate:n=2", "sgd")]))
def test_a_healthy_training_has_the_same_bits_with_and_without(trick, opt, teacher):
    selection = [trick.format(teacher)] if trick else []
    bare, parts = learner(*selection, opt=opt)
    bare.remove_cbs(bare.guard)
    fit(bare, parts)
    for lazy in (None, False):
        learn, parts = learner(*selection, opt=opt)
        learn.guard.lazy = lazy
        assert same(weights(fit(learn, parts)),
                    weights(bare)) and learn.guard.skipped == 0 and learn.guard.n_steps in (10, 6)


@pytest.mark.parametrize("lazy", [None, slow(False)])
def test_ten_in_a_row_end_it(lazy):
    "Before anything is saved; across epochs; nine do not"
    class Saves(Callback):
        order = 55
        def after_epoch(self): self.saved = self.learn.epoch
    where = [(e, i) for e in range(1, 4) for i in range(5)]
    nine = spoiled(Spoil("loss", where[:9]), epochs=4, lazy=lazy)
    assert nine.guard.skipped == 9 and nine.guard.streak == 0
    saves = Saves()
    learn, parts = learner(epochs=4, cbs=[Spoil("loss", where), saves])
    learn.guard.lazy, learn.guard.every = lazy, 50 if lazy is None else 4
    before = trained(epochs=4, cbs=[Omit(where)])
    with pytest.raises(UserError, match=r"10 steps in a row .* step 15 \(epoch 3, learning rate") as e:
        fit(learn, parts)
    items = learn.dls.train.items
    learn.dls.train.epoch = 2
    assert all(items[i].name in str(e.value) for i in learn.dls.train.batch_places()[4][:5])
    assert "and 1 more" in str(e.value)
    assert saves.saved == 1 and all(v.isfinite().all() for v in weights(learn).values())
    assert not hasattr(learn.opt.opt, "found_inf") and before.guard.skipped == 0


def test_nothing_waits_for_it(monkeypatch):
    "However many steps an epoch has: as many answers are asked of the device"
    asked = []
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy"):
        f = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda *a, f=f, **kw: asked.append(f) or f(*a, **kw))

    def waits(bs):
        learn, parts = learner(epochs=1, batch_size=bs)
        asked.clear()
        fit(learn, parts)
        return len(asked), learn.guard.n_steps
    (a, n), (b, m) = waits(16), waits(8)
    assert (n, m) == (5, 9) and a == b


def test_good_ones_between_begin_the_count_anew():
    where = [(e, i) for e in range(4) for i in range(5) if (e, i) != (2, 0)]
    learn, parts = learner(epochs=4, cbs=[Spoil("loss", where[:9] + where[10:])])
    assert fit(learn, parts).guard.skipped == 18


def test_a_training_without_a_single_step_is_none():
    with pytest.raises(UserError, match="nothing was trained"):
        spoiled(Spoil("loss", [(0, i) for i in range(5)]), epochs=1)


def test_an_ordinary_learner_and_optimizer():
    "fastai's own Adam knows no found_inf: it is asked before each step"
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat

    from fastricks.model.network import build_network
    dls = learner()[0].dls
    learn = Learner(dls, build_network("test_resnet", 10)[0], loss_func=CrossEntropyLossFlat(),
                    cbs=[Guard(), Spoil("gradient", [(0, 1)])])
    with learn.no_bar(), learn.no_logging(): learn.fit(2)
    assert learn.guard.skipped == 1 and all(v.isfinite().all() for v in weights(learn).values())


def test_loss_scaling_in_search_of_its_scale_is_no_error():
    "fp16's GradScaler leaves steps out by itself: counted apart, unless the loss itself is not finite"
    from fastai.callback.fp16 import MixedPrecision

    class Scaled(MixedPrecision):
        "fastai's, with a GradScaler that works on a CPU"
        def before_fit(self):
            self.autocast, self.scales = torch.autocast("cpu", enabled=False), []
            self.learn.scaler = torch.amp.GradScaler("cpu", init_scale=2.**127, growth_interval=10_000)
    learn, parts = learner(epochs=4, cbs=[Scaled(), spoil := Spoil("loss", [(3, 3)])])
    fit(learn, parts)
    assert spoil.hit == 1 and learn.guard.skipped == 1 and learn.guard.rescaled >= 1
    assert all(v.isfinite().all() for v in weights(learn).values())


# -- the run folder

def huge_weights(tmp_path):
    w = weights(learner()[0])
    w["fc.weight"].fill_(3e38)
    save_file(w, tmp_path / "huge.safetensors")
    return tmp_path / "huge.safetensors"


def test_from_the_command_line(tmp_path, capsys):
    "Weights whose logits overflow: one sentence, exit 2, nothing saved"
    said = fails(capsys, "train", *ARGS, "--epochs", "5", "--weights", huge_weights(tmp_path), "--out", tmp_path,
                 "--name", "a")
    assert said.startswith("error: 10 steps in a row")
    assert "step 10 (epoch 2, learning rate 0.00" in said and "with the images " in said
    folder = tmp_path / "a"
    assert read(folder, "status.json")["status"] == "failed"
    assert "10 steps in a row" in read(folder, "status.json")["reason"]
    assert not (folder / "model.safetensors").exists() and not (folder / "metrics.json").exists()
    assert "left out, as loss or gradient was not finite:" in (folder / "log.txt").read_text()


def test_a_rate_far_too_high(tmp_path, capsys):
    "Real divergence, whatever way it ends: no file with a number that is none"
    for lr in ("1e8", "1e30", "1e38"):
        run(["train", *ARGS, "--epochs", "6", "--opt", "sgd", "--lr", lr, "--out", str(tmp_path), "--name", lr])
        for f in (tmp_path / lr).glob("*.safetensors"):
            assert all(v.isfinite().all() for v in load_file(f).values() if v.is_floating_point()), (lr, f)
        assert capsys.readouterr().err.count("\n") <= 1


def test_what_was_left_out_is_told_and_recorded(tmp_path, monkeypatch):

    import fastricks.training.learner as L
    old, said = L.make_learner, []

    def spoilt(dls, parts, recipe, cbs=()): return old(dls, parts, recipe, [*cbs, Spoil("gradient", [(0, 1), (1, 0)])])
    monkeypatch.setattr(L, "make_learner", spoilt)
    folder = train(recipe_of(out=str(tmp_path)), said.append).folder
    m, log = read(folder, "metrics.json"), (folder / "log.txt").read_text()
    assert m["skipped_steps"] == 2 and "rescaled_steps" not in m
    assert ("1 step left out in this epoch, as loss or gradient was not finite; "
            "the last was step 2 (epoch 1, learning rate 0.001)") in log
    history = (folder / "history.csv").read_text().splitlines()
    assert [line.split(",")[-1] for line in history] == ["skipped_steps", "1", "1"]
    from fastricks.cli.screens import last_screen
    from fastricks.training.training import Result
    assert any("left out  2 steps" in line for line in last_screen(recipe_of(), Result(folder, m)))
    json.dumps(m, allow_nan=False)


def test_final_weights_that_are_not_finite_are_not_saved(tmp_path, monkeypatch, capsys):
    import fastricks.training.learner as L
    old = L.fit

    def spoil(learn, parts):
        old(learn, parts)
        with torch.no_grad(): put(last_weight(learn), 0, math.inf)
    monkeypatch.setattr(L, "fit", spoil)
    assert "not finite" in fails(capsys, "train", *ARGS, "--out", tmp_path, "--name", "a")
    assert not (tmp_path / "a" / "model.safetensors").exists()
    assert read(tmp_path / "a", "status.json")["status"] == "failed"


@pytest.mark.parametrize("at", [slow((0, 1)), (1, 0), slow((1, 2))])
def test_a_resumed_training_has_left_out_the_same(tmp_path, monkeypatch, at):
    "Stopped at or after a step that is left out: weights, counts and history of the undisturbed training"

    import fastricks.training.learner as L
    old = L.make_learner
    spoil = Spoil("image", [(0, 1), (1, 0), (1, 1)])
    monkeypatch.setattr(L, "make_learner", lambda dls, parts, recipe, cbs=(): old(dls, parts, recipe, [*cbs, spoil]))
    folder = stopped(tmp_path / "a", monkeypatch, at=at)
    assert read(folder, "status.json")["status"] == "interrupted"
    resumed(folder)
    whole = train(recipe_of(**EACH, out=str(tmp_path / "b")), lambda _: None).folder
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert read(folder, "metrics.json")["skipped_steps"] == read(whole, "metrics.json")["skipped_steps"] == 3

    def rows(f): return [{k: v for k, v in r.items() if k not in ("seconds", "images_per_s")}
                         for r in csv.DictReader((f / "history.csv").read_text().splitlines())]
    assert rows(folder) == rows(whole)
    told = [line for line in (folder / "log.txt").read_text().splitlines() if "left out in this epoch" in line]
    assert told == [line for line in (whole / "log.txt").read_text().splitlines() if "left out in this epoch" in line]

"""Every trick in the registry, and the formulas of each."""
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.losses import CrossEntropyLossFlat
from support.small import learner, recipe_of, same, trained, weights
from torch import nn

from fastricks.callbacks.mixup import BatchMixUp, partner_index
from fastricks.core.errors import UserError
from fastricks.recipe.registry import build_trick, registry, schedules
from fastricks.report.cards import card_lines, trick_list
from fastricks.trick.base import HOOKS, Plan, show

NAMES = sorted(registry())


@pytest.mark.parametrize("name", NAMES)
def test_card_tells_what_it_changes_its_keys_and_source(name):
    cls, text = registry()[name], "\n".join(card_lines(name))
    assert cls.hooks() and all(HOOKS[h] in text for h in cls.hooks())
    assert cls.source and cls.formula and "arXiv" in text
    assert all(f"  {f.name}={show(f.default)} " in text and f.metadata["help"] for f in fields(cls))
    assert any(line.startswith(name) for line in trick_list())


def test_a_trick_is_one_file(tmp_path, monkeypatch):
    "A new file in tricks/ is a new name, row, card and selection; nothing else is edited"
    from fastricks import tricks
    (tmp_path / "half_lr.py").write_text(
        "from dataclasses import dataclass, replace\n"
        "from fastricks.trick.base import Trick, key\n"
        "@dataclass(frozen=True)\n"
        "class HalfLr(Trick):\n"
        "    'Half the rate.'\n"
        "    by: float = key(2., 'divisor', above=0)\n"
        "    def optimizer(self, opt, plan): return replace(opt, lr=opt.lr / self.by)\n")
    monkeypatch.setattr(tricks, "__path__", [*tricks.__path__, str(tmp_path)])
    registry.cache_clear()
    try:
        assert any("half_lr" in line and "optimizer" in line for line in trick_list())
        learn = trained("half_lr:by=4", lr=1e-2)
        assert learn.recorder.hps["lr"][0] == pytest.approx(2.5e-3)
    finally: registry.cache_clear()


# -- label smoothing

def targets(y, K, eps, form):
    "The smoothed target, row by row as the sources write it"
    q = torch.full((len(y), K), eps / (K - 1) if form == "paper" else eps / K)
    q[range(len(y)), y] = 1 - eps if form == "paper" else 1 - eps + eps / K
    return q


@pytest.mark.parametrize("form", ["paper", "uniform"])
@pytest.mark.parametrize("eps, K", [(.1, 10), (.3, 3), (.05, 101), (.25, 2)])
def test_label_smoothing_is_cross_entropy_with_the_smoothed_target(form, eps, K):
    loss = build_trick("label_smoothing", {"eps": eps, "form": form}).loss(None, Plan(None, (), classes=K))
    z, y = torch.randn(7, K, dtype=torch.double), torch.randint(K, (7,))
    want = -(targets(y, K, eps, form) * z.log_softmax(1)).sum(1).mean()
    assert loss(z, y) == pytest.approx(want.item(), abs=1e-6)
    assert targets(y, K, eps, form).sum(1) == pytest.approx(torch.ones(7))


def test_keras_printed_row():
    "0.91 and nine 0.01 at ε = .1, K = 10, read off our loss: its gradient at z is softmax(z) − target"
    z = torch.zeros(1, 10, requires_grad=True)
    loss = build_trick("label_smoothing", {"form": "uniform"}).loss(None, Plan(None, (), classes=10))
    loss(z, torch.tensor([5])).backward()
    assert (.1 - z.grad)[0].tolist() == pytest.approx([.01] * 5 + [.91] + [.01] * 4, abs=1e-6)


def test_smoothing_that_turns_the_target_around_is_refused():
    with pytest.raises(UserError, match=r"at most 0\.5"):
        build_trick("label_smoothing", {"eps": .6}).loss(None, Plan(None, (), classes=2))


# -- mixup

class Spy(Callback):
    "Each training batch as the network and the loss saw it"
    order = 90

    def __init__(self): self.rows = []
    def before_train(self): self.clean = []

    def after_loss(self):
        if not self.training: return
        self.rows.append(dict(x=self.x.clone(), y=self.y.clone(), pred=self.learn.pred.detach().clone(),
                              loss=self.learn.loss.item(), epoch=self.learn.epoch, **self.mixing()))

    def mixing(self):
        m = getattr(self.learn, "batch_mix_up", None)
        return dict(lam=m.lam.clone(), y1=m.yb1[0].clone()) if m else {}


def batches(*selection, **given):
    spy = Spy()
    trained(*selection, **given, cbs=[spy])
    return spy.rows


@pytest.mark.parametrize("partner", ["batch", "previous"])
@pytest.mark.parametrize("smooth", ["", "+label_smoothing", "+label_smoothing:form=uniform"])
def test_mixup_loss_is_cross_entropy_with_the_mixed_soft_target(partner, smooth):
    form = {"": None, "+label_smoothing": "paper"}.get(smooth, "uniform")
    for r in batches(f"mixup:partner={partner},alpha=1{smooth}"):
        q = [targets(y, 10, .1, form) if form else F.one_hot(y, 10).float() for y in (r["y"], r["y1"])]
        mixed = r["lam"] * q[0] + (1 - r["lam"]) * q[1]
        assert r["loss"] == pytest.approx(-(mixed * r["pred"].log_softmax(1)).sum(1).mean().item(), abs=1e-6)


def test_mixup_blends_the_batch_with_a_permutation_of_itself():
    plain, mixed = batches(), batches("mixup")
    for p, m in zip(plain, mixed, strict=True):
        assert torch.equal(p["y"], m["y"])
        other = (m["x"] - m["lam"] * p["x"]) / (1 - m["lam"])
        dist = torch.cdist(other.flatten(1), p["x"].flatten(1))
        perm = dist.argmin(1)
        assert sorted(perm.tolist()) == list(range(len(perm))) and dist.min(1).values.max() < 1e-2 / (1 - m["lam"])
        assert torch.equal(p["y"][perm], m["y1"])


def test_mixup_with_the_batch_before():
    "An epoch's first batch uses itself; every other the unmixed batch before it"
    plain, mixed = batches(per_class=10), batches("mixup:partner=previous,alpha=1", per_class=10)
    assert len({len(p["y"]) for p in plain}) > 1  # a shorter last batch is among them
    for i, (p, m) in enumerate(zip(plain, mixed, strict=True)):
        before = p if i == 0 or plain[i - 1]["epoch"] != p["epoch"] else plain[i - 1]
        other = (m["x"] - m["lam"] * p["x"]) / (1 - m["lam"])
        assert torch.cdist(other.flatten(1), before["x"].flatten(1)).min(1).values.max() < 1e-2 / (1 - m["lam"])


def test_a_longer_batch_wraps_the_shorter_one_before():
    assert sorted(partner_index(5, 4).tolist()) == [0, 0, 1, 2, 3] and sorted(partner_index(3, 8).tolist()) == [0, 1, 2]


def test_lambda_is_beta_distributed():
    "Mean ½ and variance 1/(4(2α+1)) of Beta(α, α), from 4,000 draws"
    torch.manual_seed(0)
    lam = torch.stack([BatchMixUp(.2).distrib.sample() for _ in range(4000)])
    assert lam.mean() == pytest.approx(.5, abs=.03) and lam.var() == pytest.approx(1 / (4 * 1.4), abs=.01)


def test_one_lambda_a_sample_is_fastais_own_mixup():
    from fastai.callback.mixup import MixUp
    learn, _ = learner("mixup:per=sample")
    assert type(learn.mix_up) is MixUp
    assert not same(weights(trained("mixup:per=sample")), weights(trained("mixup")))


# -- validation stays plain

@pytest.mark.parametrize("selection", ["label_smoothing", "mixup", "mixup+label_smoothing", "mixup:per=sample"])
def test_validation_loss_and_accuracy_are_plain(selection):
    learn = trained(selection)
    row = learn.history.rows[-1]
    z, y = learn.get_preds(act=nn.Identity())
    assert row["valid_loss"] == pytest.approx(F.cross_entropy(z, y).item(), abs=1e-5)
    assert row["accuracy"] == pytest.approx((z.argmax(1) == y).float().mean().item(), abs=1e-6)
    assert isinstance(learn.loss_func, CrossEntropyLossFlat)


# -- no bias decay

ARCHS = ["test_resnet", "resnet18", "inception_v3", "mobilenetv2_050", "mobilenetv3_small_050", "vit_tiny_patch16_224",
         "test_convnext"]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("opt", ["adam", "adamw", "sgd"])
def test_exactly_conv_and_linear_weights_decay(arch, opt):
    "By what the optimizer does: with zero gradients a step shrinks what decays and leaves the rest alone"
    if opt != "adamw" and arch not in ("test_resnet", "test_convnext"):
        pytest.skip("the groups do not depend on the optimizer")
    from fastricks.data.checked import open_data
    from fastricks.recipe.plan import make_plan
    from fastricks.training.learner import make_parts
    r = recipe_of("no_bias_decay", arch=arch, opt=opt, wd=.1, lr=.1)
    parts = make_parts(r, make_plan(r, open_data(r, check=False), 4))
    learn, _ = learner("no_bias_decay", opt=opt, wd=.1, lr=.1)
    learn.model, learn.wd = parts.model, [g.wd for g in parts.groups]
    learn.splitter = lambda m: [g.params for g in parts.groups]
    with torch.no_grad():
        for p in parts.model.parameters(): p.fill_(1.)
    learn.create_opt()
    learn.opt.set_hypers(wd=learn.wd)
    for p in parts.model.parameters(): p.grad = torch.zeros_like(p)
    learn.opt.step()
    want = {f"{n}.weight" for n, m in parts.model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert want and {n for n, p in parts.model.named_parameters() if not (p == 1).all()} == want


def test_the_baseline_decays_everything():
    learn, parts = learner(wd=.1)
    assert [len(g.params) for g in parts.groups] == [len(list(learn.model.parameters()))] and parts.groups[0].wd == .1


# -- schedules as trained

@pytest.mark.parametrize("selection", [*schedules(), "cosine:hold=.2+warmup", "step+warmup:by=epoch,epochs=2",
                                       "cosine+warmup:by=keras"])
def test_the_optimizer_gets_the_schedules_rate_at_every_step_on_all_groups(selection):
    seen = []

    class Rates(Callback):
        order = 99
        def before_step(self): seen.append([h["lr"] for h in self.opt.hypers])
    learn, parts = learner(selection, "no_bias_decay", wd=.1, epochs=5, cbs=[Rates()])
    from fastricks.training.learner import fit
    fit(learn, parts)
    assert len(parts.groups) == 2 and seen == [[lr, lr] for lr in parts.schedule.trace()]


def test_show_training_loop_names_each_trick_in_its_place(capsys):
    learn, _ = learner("mixup+label_smoothing")
    learn.show_training_loop()
    out = capsys.readouterr().out
    assert "BatchMixUp" in out and "TrainLoss" in out and out.index("TrainLoss") < out.index("BatchMixUp")


# -- the A/A row

def test_control_changes_the_draws_and_nothing_else():
    "The same network, split and start; other orders; its own draws are those of seed + 1000"
    a, b = learner("control")[0], learner()[0]
    assert same(weights(a), weights(b)) and len(a.dls.train_ds) == len(b.dls.train_ds)
    once = weights(trained("control"))
    assert same(once, weights(trained("control"))) and not same(once, weights(trained("control:shift=7")))

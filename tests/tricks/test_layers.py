"""layer_decay and freeze: rates by layer, and stages that learn nothing."""
import pytest
import torch
from fastai.callback.core import Callback
from support.kills import compare, left
from support.marks import slow
from support.several import losses, several
from support.small import learner, recipe_of, same, trained, weights
from support.stopped import EACH, resumed, stopped
from timm.optim import param_groups_layer_decay

from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.recipe.recipe import resolve
from fastricks.training.learner import fit
from fastricks.training.training import train
from fastricks.tricks.freeze import Freeze


class Rates(Callback):
    order = 99
    def before_fit(self): self.seen = []
    def before_step(self): self.seen.append([h["lr"] for h in self.opt.hypers])


# -- layer_decay

ARCHS = {"test_resnet": 16, "resnet18": 32, "vit_tiny_patch16_224": 224, "test_convnext": 32,
         "mobilenetv3_small_050": 32}


@pytest.mark.parametrize("arch", ARCHS)
def test_rates_are_timms_own(arch):
    learn, parts = learner("layer_decay:decay=.7", arch=arch, size=ARCHS[arch], resize=ARCHS[arch])
    want = {id(p): g["lr_scale"] for g in param_groups_layer_decay(learn.model, layer_decay=.7, min_scale=0.)
            for p in g["params"]}
    got = {id(p): g.rate for g in parts.groups for p in g.params}
    assert got == pytest.approx(want) and parts.groups[-1].rate == 1 and len({*got.values()}) > 4
    head = {id(p) for p in learn.model.get_classifier().parameters()}
    assert head <= {id(p) for p in parts.groups[-1].params}


@pytest.mark.parametrize("more", ["", "+no_bias_decay"])
def test_each_step_has_the_schedules_rate_times_the_groups(more):
    spy = Rates()
    learn, parts = learner(f"layer_decay:decay=.5,head=3+cosine{more}", wd=.1, cbs=[spy])
    fit(learn, parts)
    assert [g.rate for g in parts.groups][-1] == 3 and {g.wd for g in parts.groups} == ({0., .1} if more else {.1})
    assert sum(len(g.params) for g in parts.groups) == len(list(learn.model.parameters()))
    for lr, seen in zip(parts.schedule.trace(), spy.seen, strict=True):
        assert seen == pytest.approx([lr * g.rate for g in parts.groups])


def test_a_decay_of_1_is_refused():
    with pytest.raises(UserError, match="decay=1 changes nothing"): resolve({}, ["layer_decay:decay=1"])


def test_a_rate_is_found_for_the_last_group():
    from fastricks.training.lr_find import rate_curve
    from fastricks.training.settle import settle
    lrs, _ = rate_curve(settle(recipe_of("layer_decay:head=3", per_class=20)))
    assert lrs[0] == pytest.approx(1e-7) and lrs[10] == pytest.approx(1e-7 * 10 ** .8, rel=.01)


# -- freeze

def test_the_first_stages_stay_as_they_were_with_their_averages():
    "The stem and the first block of stages, by name; the rest learns"
    learn, parts = learner("freeze:stages=2", lr=1e-2, wd=.1)
    before = weights(learn)
    fit(learn, parts)
    same_still = {k for k, v in weights(learn).items() if torch.equal(v, before[k])}
    assert same_still == {k for k in before if k.startswith(("conv1", "bn1", "layer1"))}
    assert all(p.grad is None for n, p in learn.model.named_parameters() if n in same_still)
    assert sum(len(g.params) for g in parts.groups) == sum(p.requires_grad for p in learn.model.parameters())


def test_averages_that_stay_beside_a_new_head_are_warned_of():
    "Where a network died of it: not with head_first, nor where only the frozen stages' averages stay"
    def advice(text):
        made = {t.name: t for t in recipe_of(text, weights="w.safetensors").make_tricks()}
        return " ".join(made["freeze"].advice(recipe_of(text, weights="w.safetensors"), tuple(made.values())))
    assert "add head_first" in advice("freeze:stages=0,averages=all")
    assert not advice("freeze:stages=0,averages=all+head_first") and not advice("freeze")


@pytest.mark.parametrize("stages", [0, 2])
def test_all_averages_stay_and_the_rest_learns(stages):
    learn, parts = learner(f"freeze:stages={stages},averages=all", lr=1e-2)
    before = weights(learn)
    fit(learn, parts)
    same_still = {k for k, v in weights(learn).items() if torch.equal(v, before[k])}
    averages = {k for k in before if k.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    frozen = {k for k in before if k.startswith(("conv1", "bn1", "layer1"))} if stages else set()
    assert same_still == averages | frozen and averages


def test_what_would_freeze_nothing_is_refused():
    with pytest.raises(UserError, match="freeze:stages=0 freezes nothing: name some stages, or averages=all"):
        learner("freeze:stages=0")
    with pytest.raises(UserError, match="changes nothing: vit_tiny_patch16_224 has no BatchNorm"):
        learner("freeze:stages=0,averages=all", arch="vit_tiny_patch16_224")


def test_a_recipe_from_before_this_key_is_the_same_training():
    old, new = (recipe_of(s).active["freeze"] for s in ("freeze", "freeze:averages=all"))
    assert Freeze(**old).numeric_keys({}) == {"stages": 2} and "averages" in Freeze(**new).numeric_keys({})


def test_freezing_the_head_is_refused():
    with pytest.raises(UserError, match="would freeze the head of test_resnet too: it has 5 stages"):
        learner("freeze:stages=6")
    assert not same(weights(trained("freeze:stages=5")), weights(learner()[0]))


@pytest.mark.parametrize("selection", [slow("layer_decay"), "freeze+layer_decay+ema:half_life=.4"])
def test_a_stopped_run_goes_on_bit_for_bit(selection, tmp_path, monkeypatch):
    folder = stopped(tmp_path / "a", monkeypatch, selection)
    whole = train(recipe_of(selection, **EACH, out=str(tmp_path / "whole")), silent).folder
    assert not compare({"a": left(resumed(folder).folder)}, {"a": left(whole)})


def test_processes_agree():
    a, b = several(2, losses, "freeze+layer_decay", {"per_class": 10, "batch_size": 12, "epochs": 1})
    assert a == b

"""cutmix, alone and beside mixup."""
import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.callback.mixup import CutMix
from support.batches import Batches
from support.kills import compare, left
from support.several import losses, several
from support.small import learner, recipe_of, trained
from support.stopped import EACH, resumed, stopped

from fastricks.core.words import silent
from fastricks.training.training import train


class Spy(Callback):
    "Each training batch as the network and the loss saw it, and which of two mixings made it"
    order = 90
    def __init__(self): self.rows = []

    def after_loss(self):
        if not self.training: return
        m = getattr(self.learn, "cut_mix", None) or self.learn.either_mix
        self.rows.append(dict(x=self.x.clone(), y=self.y.clone(), z=self.learn.pred.detach().clone(),
                              loss=self.learn.loss.item(),
                              lam=float(m.lam), y1=m.yb1[0].clone(), by=type(getattr(m, "chosen", m)).__name__))


def pairs(selection, **given):
    "(the loader's batch, what became of it) of each step"
    spy, clean = Spy(), Batches()
    trained(selection, **given, cbs=[spy, clean])
    return list(zip(clean.seen, spy.rows, strict=True))


def test_it_is_fastais(): assert type(learner("cutmix")[0].cut_mix) is CutMix


@pytest.mark.parametrize("smooth", ["", "+label_smoothing:form=uniform"])
def test_a_box_of_area_1_minus_lambda_is_the_partners_and_the_loss_is_mixed_by_it(smooth):
    for (x, y), r in pairs(f"cutmix{smooth}"):
        moved = (r["x"] != x).any(1)  # [n, h, w]
        box = moved.any(0)
        rows, cols = box.any(1).nonzero()[:, 0], box.any(0).nonzero()[:, 0]
        area = 0 if not len(rows) else (rows[-1] - rows[0] + 1) * (cols[-1] - cols[0] + 1)
        assert r["lam"] <= 1 - float(area) / 256 + 1e-6 and torch.equal(r["y"], y)  # pixels of both may be alike
        if not len(rows): continue
        piece = (..., slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
        near = torch.cdist(r["x"][piece].flatten(1), x[piece].flatten(1)) < 1e-5
        assert all((near[i] & (y == r["y1"][i])).any() for i in range(len(y)))
        a, b = (F.cross_entropy(r["z"], t, label_smoothing=.1 if smooth else 0.) for t in (r["y"], r["y1"]))
        assert r["loss"] == pytest.approx((r["lam"] * a + (1 - r["lam"]) * b).item(), abs=1e-5)


@pytest.mark.parametrize("mixup", ["mixup:alpha=1", "mixup:alpha=1,partner=previous"])
def test_beside_mixup_each_batch_takes_one_of_the_two(mixup):
    seen, before = pairs(f"cutmix+{mixup}", epochs=4), None
    assert 4 <= sum(r["by"] == "CutMix" for _, r in seen) <= 16
    assert {r["by"] for _, r in seen} == {"CutMix", "BatchMixUp"}
    for i, ((x, _), r) in enumerate(seen):
        a, b = (F.cross_entropy(r["z"], t) for t in (r["y"], r["y1"]))
        assert r["loss"] == pytest.approx((r["lam"] * a + (1 - r["lam"]) * b).item(), abs=1e-5)
        if r["by"] == "BatchMixUp" and r["lam"] < .99:
            other = (r["x"] - r["lam"] * x) / (1 - r["lam"])
            source = before if "previous" in mixup and i % 5 else x
            assert torch.cdist(other.flatten(1), source.flatten(1)).min(1).values.max() < 1e-2 / (1 - r["lam"])
        before = x


def test_the_choice_is_a_function_of_seed_epoch_and_step():
    runs = [[r["by"] for _, r in pairs("cutmix+mixup", **given)] for given in ({}, dict(lr=1e-2), dict(seed=1))]
    assert runs[0] == runs[1] != runs[2]


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    spell = "cutmix+mixup:partner=previous"
    folder = stopped(tmp_path / "a", monkeypatch, spell, epochs=3)
    whole = train(recipe_of(spell, **EACH, epochs=3, out=str(tmp_path / "whole")), silent).folder
    assert not compare({"a": left(resumed(folder).folder)}, {"a": left(whole)})


def test_processes_cut_the_same_box():
    a, b = several(2, losses, "cutmix+mixup", {"per_class": 10, "batch_size": 12, "epochs": 1})
    assert a == b

"""The tricks of the training loss since 2018: class_weights, logit_adjustment, bce."""
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.losses import CrossEntropyLossFlat
from support.small import learner, trained
from support.uneven import uneven_digits
from torch import nn

from fastricks.callbacks.losses import BinaryCrossEntropy
from fastricks.core.errors import UserError
from fastricks.recipe.recipe import resolve
from fastricks.recipe.registry import build_trick
from fastricks.training.learner import fit
from fastricks.trick.base import Plan

COUNTS = (50, 30, 15, 5)


def plan(counts=COUNTS): return Plan(SimpleNamespace(), (), len(counts), sum(counts), counts=counts)


def loss_of(name, inner=None, counts=COUNTS, **keys):
    return build_trick(name, keys).loss(inner or CrossEntropyLossFlat(), plan(counts))


def smoothed(eps=.1): return build_trick("label_smoothing", {"eps": eps}).loss(None, plan())


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(12, 4, dtype=torch.double), torch.tensor([0, 0, 0, 1, 1, 2, 3, 0, 1, 2, 0, 1])


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    return dict(data=str(uneven_digits(tmp_path_factory.mktemp("uneven") / "digits")), per_class=None, pretrained=False)


class Spy(Callback):
    "Each training batch as the loss saw it"
    order = 90
    def __init__(self): self.rows = []

    def after_loss(self):
        if not self.training: return
        m = getattr(self.learn, "batch_mix_up", None) or getattr(self.learn, "mix_up", None)
        self.rows.append(dict(y=self.y.clone(), z=self.learn.pred.detach().clone(), loss=self.learn.loss.item(),
                              **(dict(lam=m.lam.clone(), y1=m.yb1[0].clone()) if m else {})))


def batches(*selection, **given):
    spy = Spy()
    trained(*selection, **given, cbs=[spy])
    return spy.rows


# -- class_weights

@pytest.mark.parametrize("power", [1., .5, 2.])
def test_class_weights_is_the_batch_mean_of_weighted_cross_entropy(power, batch):
    z, y = batch
    raw = [n ** -power for n in COUNTS]
    mean = sum(n * w for n, w in zip(COUNTS, raw, strict=True)) / 100
    want = sum(-raw[k] / mean * row.log_softmax(0)[k] for row, k in zip(z, y.tolist(), strict=True)) / len(y)
    assert loss_of("class_weights", power=power)(z, y).item() == pytest.approx(want.item(), rel=1e-5)


def test_at_power_1_each_class_has_the_same_say():
    w = build_trick("class_weights", {}).weights(plan())
    assert [n * o for n, o in zip(COUNTS, w, strict=True)] == pytest.approx([25.] * 4)


def test_class_weights_of_a_smoothed_loss(batch):
    z, y = batch
    w = torch.tensor(build_trick("class_weights", {}).weights(plan()))
    q = torch.full((12, 4), .1 / 3)
    q[range(12), y] = .9
    want = (w[y] * -(q * z.log_softmax(1)).sum(1)).mean()
    assert loss_of("class_weights", smoothed())(z, y).item() == pytest.approx(want.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["class_weights", "logit_adjustment"])
def test_even_data_is_refused(name):
    with pytest.raises(UserError, match=f"{name} changes nothing: each class has 7 training images"): learner(name)
    with pytest.raises(UserError, match="one class has none"): loss_of(name, counts=(3, 0, 2))


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_under_mixup_each_label_has_its_own_weight(per, uneven):
    learn, _ = learner("class_weights", **uneven)
    w = learn.train_loss.loss_func.weights
    assert len({*w.tolist()}) == 4
    for r in batches(f"class_weights+mixup:alpha=1,per={per}", **uneven):
        a, b = (w[y] * F.cross_entropy(r["z"], y, reduction="none") for y in (r["y"], r["y1"]))
        assert r["loss"] == pytest.approx((r["lam"] * a + (1 - r["lam"]) * b).mean().item(), rel=1e-4)


def test_the_teachers_term_is_unweighted(uneven, tmp_path):
    from safetensors.torch import save_file
    from support.small import weights
    save_file(weights(trained(**uneven, seed=3)), tmp_path / "t.safetensors")

    class Parts(Spy):
        def after_loss(self):
            if self.training: self.rows.append({k: float(v) for k, v in self.learn.loss_parts.items()})
    seen = {t: Parts() for t in ("", "class_weights+")}
    for t, spy in seen.items(): trained(f"{t}distill:teacher={tmp_path / 't.safetensors'}", cbs=[spy], **uneven)
    a, b = (spy.rows[0] for spy in seen.values())
    assert a["loss_teacher"] == pytest.approx(b["loss_teacher"], rel=1e-5)
    assert a["loss_label"] != pytest.approx(b["loss_label"], rel=1e-3)


@pytest.mark.parametrize("selection", ["class_weights", "logit_adjustment"])
def test_accumulating_equals_the_large_batch(selection, uneven):
    def weights_of(*more, bs):
        learn, parts = learner(selection, *more, **uneven, batch_size=bs, opt="sgd", lr=.1)
        torch.manual_seed(0)
        learn.model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                                    nn.Linear(32, 4))
        learn.splitter = lambda m: [list(m.parameters())]
        fit(learn, parts)
        return list(learn.model.parameters())
    for a, b in zip(weights_of("accumulate:n=2", bs=8), weights_of(bs=16), strict=True):
        assert torch.allclose(a, b, atol=2e-5)


# -- logit_adjustment

@pytest.mark.parametrize("tau", [1., .5])
def test_logit_adjustment_is_equation_10(tau, batch):
    "log(1 + Σ_{y'≠y} (π_y'/π_y)^τ · e^(z_y' − z_y)), as the paper writes it"
    z, y = batch
    term = lambda row, k, o: (COUNTS[o] / COUNTS[k]) ** tau * torch.exp(row[o] - row[k])
    losses = [torch.log(1 + sum(term(row, k, o) for o in range(4) if o != k))
              for row, k in zip(z, y.tolist(), strict=True)]
    want = torch.stack(losses).mean()
    assert loss_of("logit_adjustment", tau=tau)(z, y).item() == pytest.approx(want.item(), rel=1e-5)


def test_logit_adjustment_and_bce_are_refused():
    with pytest.raises(UserError, match="asks each class by itself"): resolve({}, ["logit_adjustment+bce"])


@pytest.mark.parametrize("selection", ["class_weights", "logit_adjustment", "bce", "class_weights+bce",
                                       "class_weights+logit_adjustment+label_smoothing"])
def test_validation_stays_plain(selection, uneven):
    learn = trained(selection, **uneven)
    z, y = learn.get_preds(act=nn.Identity())
    assert learn.history.rows[-1]["valid_loss"] == pytest.approx(F.cross_entropy(z, y).item(), abs=1e-5)


# -- bce

def bce(z, q):
    p = z.sigmoid()
    return -(q * p.log() + (1 - q) * (1 - p).log()).mean()


@pytest.mark.parametrize("smooth", [False, True])
def test_bce_is_the_mean_over_classes_and_batch(smooth, batch):
    z, y = batch
    q = F.one_hot(y, 4) * (1 - .1 * 4 / 3) + .1 / 3 if smooth else F.one_hot(y, 4).double()
    assert loss_of("bce", smoothed() if smooth else None)(z, y).item() == pytest.approx(bce(z, q).item(), rel=1e-5)


@pytest.mark.parametrize("selection, threshold",
                         [("mixup:alpha=1", 0), ("mixup:alpha=1", .2), ("mixup:alpha=1,per=sample", .2),
                                                  ("mixup:alpha=1,per=sample", 0),
                          ("mixup:alpha=1,partner=previous", .2)])
@pytest.mark.parametrize("smooth", [False, True])
def test_bce_of_mixed_targets(selection, threshold, smooth):
    more = ("label_smoothing:form=uniform",) if smooth else ()
    for r in batches(f"bce:threshold={threshold}+{selection}", *more):
        a, b = (F.one_hot(y, 10) * (.9 if smooth else 1.) + (.01 if smooth else 0.) for y in (r["y"], r["y1"]))
        lam = r["lam"].reshape(-1, 1)
        q = lam * a + (1 - lam) * b
        if threshold: q = (q > threshold).float()
        assert r["loss"] == pytest.approx(bce(r["z"].double(), q).item(), rel=1e-4)


def test_a_threshold_without_mixing_is_refused():
    with pytest.raises(UserError, match="add mixup or cutmix"): resolve({}, ["bce:threshold=.2"])
    with pytest.raises(UserError, match="weighs an image by one"): resolve({}, ["bce:threshold=.2+mixup+class_weights"])


def test_timms_bce_is_ours(batch):
    from timm.loss import BinaryCrossEntropy as Timms
    z, y = batch[0].float(), batch[1]
    assert BinaryCrossEntropy(.1)(z, y).item() == pytest.approx(Timms(smoothing=.1)(z, y).item(), rel=1e-5)

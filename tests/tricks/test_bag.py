"""The tricks that change the optimizer, the network and the precision, over families of networks."""
import copy

import pytest
import timm
import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.schedule import combined_cos
from support.marks import slow
from support.small import learner, recipe_of, same, trained, weights
from torch import nn

from fastricks.callbacks.accumulate import Accumulate
from fastricks.core.errors import UserError
from fastricks.data.checked import open_data
from fastricks.model import probe as amp
from fastricks.model.network import build_network, zero_last_gammas
from fastricks.model.probe import cpu_has_bf16, probe
from fastricks.recipe.named import RECIPES
from fastricks.recipe.plan import make_plan
from fastricks.recipe.recipe import resolve
from fastricks.recipe.registry import build_tricks, tricks_in_order
from fastricks.training.job import Job
from fastricks.training.learner import fit, make_parts
from fastricks.training.room import Room
from fastricks.training.settle import settle_machine, settle_tricks


def parts_of(*selection, **given):
    r = recipe_of(*selection, **given)
    return make_parts(r, make_plan(r, open_data(r, check=False), 5))


# -- one_cycle

@pytest.mark.parametrize("opt", ["adam", "sgd"])
def test_one_cycle_is_fit_one_cycle(opt):
    "The same rates, momenta and weights as fastai's own method on the same Learner"
    seen = {}

    class Hypers(Callback):
        order = 99
        def __init__(self, to): self.to = seen.setdefault(to, [])
        def before_step(self): self.to.append((self.opt.hypers[-1]["lr"], self.opt.hypers[-1]["mom"]))
    given = dict(opt=opt, lr=1e-2, epochs=3)
    ours = trained("one_cycle", cbs=[Hypers("ours")], **given)
    theirs, _ = learner(cbs=[Hypers("theirs")], **given)
    theirs.fit_one_cycle(3, 1e-2)
    assert torch.tensor(seen["ours"]) == pytest.approx(torch.tensor(seen["theirs"]), rel=1e-6)
    assert len(seen["ours"]) == 15
    assert all(torch.allclose(a, b, atol=1e-5)
               for a, b in zip(weights(ours).values(), weights(theirs).values(), strict=True))
    lr = combined_cos(.25, 1e-2 / 25, 1e-2, 1e-2 / 1e5)
    assert [x for x, _ in seen["ours"]] == pytest.approx([lr(s / 15) for s in range(15)])


def test_one_cycle_refuses_warmup():
    with pytest.raises(UserError, match="has its own warm-up phase"): resolve({}, ["one_cycle+warmup"])


# -- linear_scaling

@pytest.mark.parametrize("selection, bs, want", [("linear_scaling", 64, 2.), ("linear_scaling:base=256", 64, .25),
                                                 ("linear_scaling+accumulate:n=4", 16, 2.)])
def test_linear_scaling(selection, bs, want):
    "l · b / base with b the effective batch"
    parts = parts_of(selection, batch_size=bs, lr=1e-3)
    assert parts.opt.lr == pytest.approx(1e-3 * want) and parts.schedule(0) == pytest.approx(1e-3 * want)


@pytest.mark.parametrize("selection, bs", [("linear_scaling", 32), ("linear_scaling:base=64", 64),
                                           ("linear_scaling+accumulate:n=2", 16)])
def test_linear_scaling_at_the_base_is_refused(selection, bs):
    with pytest.raises(UserError, match="at the base batch changes nothing"): resolve({"batch_size": bs}, [selection])


def test_linear_scaling_comes_after_accumulate_whatever_the_names():
    assert [t.name for t in build_tricks({"linear_scaling": {}, "accumulate": {}})] == ["accumulate", "linear_scaling"]
    tricks = tricks_in_order(build_tricks({"linear_scaling": {}, "amp": {}}))
    assert [t.name for t in tricks] == ["amp", "linear_scaling"]


# -- accumulate

def no_norm(learn):
    "A network without BatchNorm, for which accumulation is exact"
    torch.manual_seed(0)
    learn.model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                                nn.Linear(32, 10))
    learn.splitter = lambda m: [list(m.parameters())]
    return learn


@pytest.mark.parametrize("bs, n", [(16, 2), (16, 4), (7, 3), (10, 7), (10, 100)])
def test_accumulating_equals_the_large_batch(bs, n):
    "70 images: groups of n batches, an epoch's shorter last group included, give the weights of a batch n·b"
    a, pa = learner(f"accumulate:n={n}", batch_size=bs, opt="sgd", lr=.1)
    b, pb = learner(batch_size=min(bs * n, 70), opt="sgd", lr=.1)
    assert pa.schedule.per_epoch == pb.schedule.per_epoch == -(-70 // (bs * n))
    fit(no_norm(a), pa)
    fit(no_norm(b), pb)
    for x, y in zip(a.model.parameters(), b.model.parameters(), strict=True): assert torch.allclose(x, y, atol=2e-5)


def test_accumulate_steps_once_a_group_and_the_last_group_too():
    class Steps(Callback):
        def __init__(self): self.at = []
        def after_step(self): self.at.append((self.learn.epoch, self.learn.iter))
    cb = Steps()
    trained("accumulate:n=3", cbs=[cb])  # 70 images in 5 batches of 16
    assert cb.at == [(0, 2), (0, 4), (1, 2), (1, 4)]


def test_recorded_loss_is_the_batchs_own():
    a, b = trained("accumulate:n=5", epochs=1, lr=1e-9), trained(epochs=1, lr=1e-9)
    assert a.history.rows[0]["train_loss"] == pytest.approx(b.history.rows[0]["train_loss"], rel=1e-4)


def test_accumulate_on_a_plain_learner_with_drop_last():
    learn, _ = learner()
    learn.dls.train.drop_last = True
    learn.add_cb(Accumulate(2))
    learn.fit(1)
    assert all(torch.isfinite(p).all() for p in learn.model.parameters())


# -- amp

BF16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bf16 arithmetic")
ON32 = dict(size=32, resize=32)


class Dtypes(Callback):
    "The dtype that the network's first convolution computes in"
    order = 7

    def before_fit(self):
        self.seen = set()
        self.hook = next(m for m in self.learn.model.modules() if isinstance(m, nn.Conv2d)).register_forward_hook(
            lambda m, i, o: self.seen.add((self.learn.training, o.dtype)))


@BF16
def test_amp_computes_in_bf16_and_keeps_fp32_weights():
    cb = Dtypes()
    learn = trained("amp:dtype=bf16", cbs=[cb], **ON32)
    assert cb.seen == {(True, torch.bfloat16), (False, torch.bfloat16)}
    assert all(p.dtype == torch.float32 for p in learn.model.parameters()) and isinstance(learn.cbs.filter(
        lambda c: isinstance(c, MixedPrecision))[0], MixedPrecision)


@BF16
def test_the_final_test_is_in_fp32():
    from fastricks.training.evaluate import logits_and_labels
    cb = Dtypes()
    learn = trained("amp:dtype=bf16", cbs=[cb], **ON32)
    cb.seen.clear()
    logits, _ = logits_and_labels(learn, learn.dls.valid)
    assert cb.seen == {(False, torch.float32)} and len(learn._grab_cbs(MixedPrecision)) == 1
    with torch.no_grad(): x = torch.cat([learn.model.eval()(b[0]) for b in learn.dls.valid])
    assert torch.allclose(logits, torch.Tensor(x), atol=1e-4)


@BF16
def test_an_exception_in_a_batch_leaves_no_autocast_behind():
    class Boom(Callback):
        order = 8
        def after_loss(self): raise ValueError("boom")
    with pytest.raises(ValueError): trained("amp:dtype=bf16", cbs=[Boom()], **ON32)
    assert not torch.is_autocast_enabled("cpu") and torch.autocast_increment_nesting() == 1
    assert torch.autocast_decrement_nesting() == 0


@BF16
def test_amp_is_near_fp32():
    a, b = (trained(*s, epochs=4, per_class=20, lr=1e-3, **ON32).history.rows[-1]["train_loss"]
            for s in (("amp:dtype=bf16",), ()))
    assert a == pytest.approx(b, rel=.1)


@pytest.mark.parametrize("features, gain, want", [(True, 2., "bf16"), (True, 1.0, "fp32"), (False, 9., "fp32")])
def test_auto_is_decided_once_by_features_and_a_probe(monkeypatch, tmp_path, features, gain, want):
    calls = []
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path))
    monkeypatch.setattr(amp, "cpu_has_bf16", lambda: features)
    monkeypatch.setattr(amp, "probe", lambda *a, **k: calls.append(a) or gain)
    said = []
    for _ in range(2):
        r = settle_machine(recipe_of("amp", **ON32))
        job = settle_tricks(Job(r, open_data(r, check=False)), Room(said.append))
        assert job.recipe.tricks["amp"]["dtype"] == want and job.facts["amp"]["applied"] == (want != "fp32")
    assert len(calls) == features and len(said) == 2 and ("not applied" in said[0]) == (want == "fp32")


@pytest.mark.parametrize("amx, avx512, want", [
    (True, True, "amp: bf16 (a step in bf16 by this CPU's AMX is 2.00 times as fast as in fp32)"),
    (False, True, "amp: bf16 (a step in bf16 by this CPU's AVX512-BF16 is 2.00 times as fast as in fp32)"),
    (False, False, "amp: not applied (this CPU has neither AMX nor AVX512-BF16, and computes no faster in bf16)")])
def test_the_line_names_what_this_cpu_computes_bf16_with(monkeypatch, tmp_path, amx, avx512, want):
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(amp, "probe", lambda *a, **k: 2.)
    said = []
    r = settle_machine(recipe_of("amp", **ON32))
    settle_tricks(Job(r, open_data(r, check=False)), Room(said.append))
    assert said == [want]


def test_the_probe_measures(): assert .05 < probe(recipe_of(**ON32), 10, 4, "bf16", rounds=1) < 50


def test_not_applied_is_the_baseline():
    assert same(weights(trained("amp:dtype=fp32")), weights(trained()))


def test_amp_that_cannot_be_had_is_refused():
    for selection, given, words in (("amp:dtype=fp16", {}, "needs a CUDA device"),
                                    ("amp:dtype=bf16", {}, "images of 32 pixels or more, and these begin with 16"),
                                    ("amp:dtype=bf16+progressive_resize", ON32, "and these begin with 16")):
        with pytest.raises(UserError, match=words): learner(selection, **given)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["fp16", "bf16", "auto"])
def test_amp_on_cuda(dtype):
    learn = trained(f"amp:dtype={dtype}", device="cuda", **ON32)
    assert learn.history.rows[-1]["train_loss"] < 3


# -- zero_gamma

RESIDUAL = {"resnet18": 8, "resnet50": 16, "mobilenetv2_050": 10, "mobilenetv3_small_050": 7, "regnetx_002": 13}


@pytest.mark.parametrize("arch", RESIDUAL)
def test_each_residual_branch_outputs_exactly_zero_at_step_0(arch):
    model = build_network(arch, 10)[0].train()
    norms = zero_last_gammas(model)
    seen = []
    for n in norms: n.register_forward_hook(lambda m, i, o: seen.append(o.detach().clone()))
    model(torch.randn(2, 3, 64, 64))
    assert len(norms) == len(seen) == RESIDUAL[arch] and all((o == 0).all() for o in seen)


@pytest.mark.parametrize("arch", RESIDUAL)
def test_a_branch_of_zero_leaves_the_shortcut(arch):
    "The network's output does not change when a zeroed branch's convolutions do"
    model = build_network(arch, 10)[0].eval()
    zero_last_gammas(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for m in other.modules():
            if getattr(m, "has_skip", False) and hasattr(m, "conv_pwl"): m.conv_pwl.weight.normal_()
            elif hasattr(m, "zero_init_last"): (m.conv3 if hasattr(m, "conv3") else m.conv2).apply(
                lambda c: c.weight.normal_() if isinstance(c, nn.Conv2d) else None)
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(model(x), other(x)) and not same(dict(model.named_parameters()), dict(other.named_parameters()))


@pytest.mark.parametrize("arch", ["inception_v3", "vit_tiny_patch16_224", "test_convnext", slow("vgg11_bn")])
def test_zero_gamma_refuses_networks_without_residual_batchnorm(arch):
    with pytest.raises(UserError, match="no residual branch that ends in a BatchNorm"):
        parts_of("zero_gamma", arch=arch)


def test_zero_gamma_and_resnet_d_are_for_scratch():
    for t, words in (("zero_gamma", "add --no-pretrained"), ("resnet_d", "--arch resnet18d"), ):
        with pytest.raises(UserError, match=words): resolve({"data": "food-101-21"}, [t])
    with pytest.raises(UserError, match="--arch resnet50d"):
        resolve({"data": "food-101-21", "arch": "resnet50.tv_in1k"}, ["resnet_d"])


# -- resnet_d

def shapes(model): return {k: tuple(v.shape) for k, v in model.state_dict().items()}


@pytest.mark.parametrize("arch", ["resnet18", slow("resnet50")])
def test_resnet_d_is_timms_resnet_d(arch):
    ours = parts_of("resnet_d", arch=arch).model
    assert shapes(ours) == shapes(timm.create_model(f"{arch}d", num_classes=10))
    assert parts_of(arch=arch).model.conv1.kernel_size == (7, 7)


def test_resnet_c_is_the_stem_alone():
    "Three 3×3 convolutions of 32, 32 and 64 channels, the first of stride 2; shortcuts as they were"
    m = parts_of("resnet_d:variant=C", arch="resnet18").model
    convs = [c for c in m.conv1 if isinstance(c, nn.Conv2d)]
    assert {c.kernel_size for c in convs} == {(3, 3)}
    assert [(c.stride[0], c.out_channels) for c in convs] == [(2, 32), (1, 32), (1, 64)]
    assert not any(isinstance(c, nn.AvgPool2d) for c in m.modules())


def test_the_stride_of_b_is_timms():
    "Variant B, the stride in the 3×3 convolution, is where timm's Bottleneck has it"
    block = timm.create_model("resnet50").layer2[0]
    assert block.conv1.stride == (1, 1) and block.conv2.stride == (2, 2)
    with pytest.raises(UserError, match="variant=B changes nothing"): resolve({}, ["resnet_d:variant=B"])


@pytest.mark.parametrize("arch, selection, words", [
    ("mobilenetv2_050", "resnet_d", "is none"), ("inception_v3", "resnet_d", "is none"),
    ("vit_tiny_patch16_224", "resnet_d", "is none"),
    ("resnet18d", "resnet_d", "has it"), ("resnet18d", "resnet_d:variant=C", "has it")])
def test_resnet_d_refuses_what_is_no_resnet_or_has_it(arch, selection, words):
    with pytest.raises(UserError, match=words): parts_of(selection, arch=arch)


# -- every family trains with the tricks that make sense for it

FAMILIES = {"resnet18": (32, "zero_gamma+resnet_d"), "resnet50": (32, "zero_gamma"), "inception_v3": (96, ""),
            "mobilenetv2_050": (32, "zero_gamma"), "mobilenetv3_small_050": (32, "zero_gamma"),
            "vit_tiny_patch16_224": (224, "")}


HEAVY = "resnet50", "inception_v3"


@pytest.mark.parametrize("arch", [slow(a) if a in HEAVY else a for a in FAMILIES])
def test_families_train_with_the_bag(arch):
    size, more = FAMILIES[arch]
    selection = "+".join(filter(None, ["warmup:epochs=.5+cosine+label_smoothing+mixup+no_bias_decay+accumulate", more]))
    learn = trained(selection, arch=arch, size=size, resize=size, wd=1e-2, per_class=2, batch_size=4, epochs=1,
                    valid=0.)
    assert learn.history.rows[0]["train_loss"] > 0 and all(torch.isfinite(p).all() for p in learn.model.parameters())


# -- recipes

WANT = {
    "blog": ("resnet18.tv_in1k", "adam", 1e-4, 0., 40, 32, 224, {"step"}),
    "blog-best": ("resnet18.tv_in1k", "adam", 1e-4, 0., 40, 32, 224,
                  {"warmup", "cosine", "label_smoothing", "distill"}),
    "paper": ("resnet50", "sgd", .1, 1e-4, 120, 256, 224, {"step", "warmup"}),
    "paper-best": ("resnet50", "sgd", .1, 1e-4, 200, 1024, 224, {
        "linear_scaling", "warmup", "amp", "zero_gamma", "no_bias_decay", "resnet_d", "cosine", "label_smoothing",
        "distill", "mixup"}),
    "keras": ("resnet50", "sgd", .1, .02, 100, 256, 224,
              {"warmup", "cosine", "label_smoothing", "zero_gamma", "no_bias_decay"}),
    "fast": ("resnet18.tv_in1k", "adam", 2e-4, 0., 3, 16, 224, {"one_cycle", "head_first", "freeze", "amp"}),
    "best": ("resnet18.tv_in1k", "adam", 5e-4, 0., 12, 16, 224,
             {"one_cycle", "head_first", "trivial_augment", "freeze"}),
}


@pytest.mark.parametrize("name", WANT)
def test_named_recipes(name):
    r = resolve({"data": "food-101-21"}, recipe=name)
    assert (r.arch, r.opt, r.lr, r.wd, r.epochs, r.batch_size, r.size, set(r.active)) == WANT[name]
    assert RECIPES.keys() == WANT.keys() and r.keep == "last"
    assert r.valid == (.1 if name in ("fast", "best") else 0)


def test_recipe_details():
    best, paper = resolve({"data": "food-101-21"}, recipe="blog-best"), resolve({"data": "food-101-21"}, recipe="paper")
    assert best.active["warmup"] == {"by": "epoch", "epochs": 6.,
                                     "start": 0.} and best.active["distill"]["teacher"] == "resnet50.tv_in1k"
    assert best.active["distill"]["alpha"] == .5 and best.active["distill"]["T"] == 20
    assert best.active["distill"]["form"] == "convex"
    assert paper.active["step"]["at"] == (.25, .5, .75) and paper.min_scale == .08 and paper.from_scratch
    assert list(resolve({}, ["-cosine"], "blog-best").active)[-2:] == ["step", "warmup"]
    keras = resolve({}, recipe="keras")
    assert keras.active["label_smoothing"]["form"] == "uniform"
    assert keras.active["warmup"]["by"] == "keras" and keras.size == 32

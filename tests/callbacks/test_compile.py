"""`--compile`: the same training with every trick, prepared before the clock, and given up with a line where it can't
be.
"""
import time

import pytest
import torch
from fastai.callback.core import Callback
from safetensors.torch import load_file
from support.marks import slow
from support.run_files import read
from support.small import TINY, learner, recipe_of, same, trained, weights
from support.stopped import EACH, resumed, stopped
from support.uneven import uneven_digits

from fastricks.callbacks import compile as module
from fastricks.callbacks.compile import Compile, untouched
from fastricks.cli.app import run
from fastricks.model.network import build_network
from fastricks.model.probe import cpu_has_bf16
from fastricks.recipe.identity import identity
from fastricks.recipe.registry import registry
from fastricks.training.learner import fit

pytestmark = pytest.mark.usefixtures("undrawn")
ARGS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]


class Counting:
    "A backend that compiles nothing and counts: the graph runs as it is, so that results are eager's to the bit"
    def __init__(self): self.calls = []

    def __call__(self, gm, inputs):
        self.calls.append(0)
        i = len(self.calls) - 1

        def forward(*args):
            self.calls[i] += 1
            return gm(*args)
        return forward


@pytest.fixture
def backend(monkeypatch):
    b = Counting()
    monkeypatch.setattr(module, "BACKEND", b)
    return b


SPELL = {"distill": "distill:teacher={}", "amp": "amp:dtype=bf16", "linear_scaling": "linear_scaling:base=4",
         "cosine": "cosine",
         "warmup": "warmup:epochs=1", "ema": "ema:half_life=.5", "wsd": "wsd:cooldown=.6", "sam": "sam:every=2"}
UNEVEN = "class_weights", "logit_adjustment"  # which change nothing where classes have equal numbers of images
# each compiles anew, which takes seconds: in the plain suite images, loss and a second network at once
@pytest.mark.parametrize("name", ["distill+mixup", *map(slow, ["", *registry(), "mixup:partner=previous",
                                                               "distill:teacher={},store=true"])])
def test_every_trick_trains_compiled_to_the_same_bits(backend, teacher, name, tmp_path):
    "Warm-up leaves nothing behind, and every full batch goes through the compiled network"
    if name == "progressive_resize": pytest.skip("refused beside --compile")
    if name == "amp" and not cpu_has_bf16(): pytest.skip("no bf16")
    spell = "+".join(SPELL.get(o, o) for o in name.split("+")).format(teacher)
    given = dict(size=32, resize=32, arch={"resnet_d": "resnet18", "zero_gamma": "resnet10t"}.get(name, "test_resnet"))
    if name == "no_bias_decay": given["wd"] = .1
    if name == "alternating_flip": given["flip"] = True
    if name in UNEVEN:
        given |= dict(data=str(uneven_digits(tmp_path / "digits", most=20, step=1)), per_class=None, valid=.1,
                      pretrained=False)
    selection = [spell] if spell else []
    plain = trained(*selection, **given)
    learn = trained(*selection, compile=True, **given)
    n = len(learn.dls.train_ds) // 16
    again = 4 if name == "sam" else 0  # of its 5 second passes the last is over an epoch's last batch, a short one
    full = [1 + 2 * n + again, 1 + 2 * 1]  # 2 epochs of n full batches, a validation batch each; 1 is the warm-up
    assert learn.compiled.on and n > 3 and backend.calls == full
    assert same(weights(plain), weights(learn)) and [r["valid_loss"] for r in plain.history.rows] == [
        r["valid_loss"] for r in learn.history.rows]
    assert learn.model._compiled_call_impl is None and "_orig_mod" not in "".join(learn.model.state_dict())


@pytest.mark.slow
def test_dropout_draws_are_the_same(backend):
    given = dict(arch="mobilenetv3_small_050", size=32, resize=32)
    assert same(weights(trained(**given)), weights(trained(compile=True, **given)))


@pytest.mark.slow
def test_compiling_comes_before_the_clock(monkeypatch):
    order = []

    class Watch(Callback):
        order_, order = None, -150
        def before_train(self): order.append("train")

    def backend(gm, inputs):
        order.append("compile")
        time.sleep(.3)
        return gm
    monkeypatch.setattr(module, "BACKEND", backend)
    learn = trained(compile=True, cbs=[Watch()])
    assert order == ["compile", "compile", "train", "train"] and learn.compiled.seconds >= .6


def broken_at_once(gm, inputs): raise RuntimeError("no kernel for this\nmore of it")


def broken_in_the_step(gm, inputs):
    def forward(*args): raise RuntimeError("no kernel for this")
    return forward


@pytest.mark.parametrize("backend", [slow(broken_at_once), broken_in_the_step])
def test_what_cannot_be_compiled_is_trained_as_it_is(monkeypatch, backend, tmp_path, capsys):
    monkeypatch.setattr(module, "BACKEND", backend)
    assert run(["train", *ARGS, "--out", str(tmp_path), "--name", "a", "--compile"]) == 0
    out = capsys.readouterr().out
    assert out.count("compile: not possible here") == 1 and "no kernel for this" in out and "more of it" not in out
    assert read(tmp_path / "a", "metrics.json")["compile"] is False
    assert run(["train", *ARGS, "--out", str(tmp_path), "--name", "b"]) == 0
    assert same(load_file(tmp_path / "a/model.safetensors"), load_file(tmp_path / "b/model.safetensors"))
    assert "compile" not in read(tmp_path / "b", "metrics.json")


@pytest.mark.slow
def test_without_a_compiler_the_recipe_is_the_plain_one(tmp_path, capsys):
    "In effect: the run is found as the one it is"
    import torch._inductor.config as config
    with config.patch({"cpp.cxx": (None, str(tmp_path / "no-such-compiler"))}):
        assert run(["train", *ARGS, "--out", str(tmp_path), "--name", "a", "--compile"]) == 0
    assert capsys.readouterr().out.count("compile: not possible here") == 1
    assert run(["train", *ARGS, "--out", str(tmp_path), "--name", "b"]) == 0
    a, b = (read(tmp_path / n, "recipe.json") for n in "ab")
    assert a["recipe"]["compile"] is False and a["identity"] == b["identity"]


@pytest.mark.slow
def test_the_run_folder_says_what_it_took(backend, tmp_path):
    assert run(["train", *ARGS, "--out", str(tmp_path), "--name", "a", "--compile"]) == 0
    m = read(tmp_path / "a", "metrics.json")
    assert m["compile"] is True and m["compile_seconds"] > 0
    assert m["train_seconds"] + m["compile_seconds"] <= m["seconds"] + .1
    model, _ = build_network("test_resnet", 10, weights=tmp_path / "a/model.safetensors")  # loads without compile
    assert not any("_orig_mod" in k for k in model.state_dict())


def test_a_step_that_leaves_nothing():
    model, _ = build_network("test_resnet", 10)
    x = torch.randn(4, 3, 16, 16)
    model(x).sum().backward()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    grads = [p.grad.clone() for p in model.parameters()]
    torch.manual_seed(3)
    want = torch.rand(3)
    torch.manual_seed(3)
    with untouched(model):
        model.eval()
        (model(torch.randn(4, 3, 16, 16)) ** 2).sum().backward()
        model.train()(x)
    assert torch.equal(torch.rand(3), want) and model.training
    assert same(state, model.state_dict())
    assert all(torch.equal(g, p.grad) for g, p in zip(grads, model.parameters(), strict=True))
    with pytest.raises(KeyError), untouched(model):
        model.train()(x * float("nan"))
        raise KeyError
    assert same(state, model.state_dict())


def test_on_ones_own_learner(backend):
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    dls = learner()[0].dls
    learn = Learner(dls, build_network("test_resnet", 10)[0], loss_func=CrossEntropyLossFlat(), cbs=Compile())
    with learn.no_bar(), learn.no_logging(): learn.fit(2)
    assert backend.calls == [9, 3]
    assert learn.get_preds()[0].shape == (10, 10) and backend.calls == [9, 3]


@pytest.mark.slow
def test_an_interrupted_fit_leaves_no_compiled_model(backend):
    class Stop(Callback):
        def after_batch(self): raise KeyboardInterrupt
    learn, parts = learner(compile=True, cbs=[Stop()])
    with pytest.raises(KeyboardInterrupt): fit(learn, parts)
    assert learn.model._compiled_call_impl is None


def test_compile_is_numeric():
    assert identity(recipe_of(compile=True), "d") != identity(recipe_of(), "d")


@pytest.mark.slow
@pytest.mark.parametrize("selection", ["", "mixup+label_smoothing",
                                       pytest.param("amp:dtype=bf16", marks=pytest.mark.skipif(
    not cpu_has_bf16(), reason="no bf16"))])
def test_for_real(selection, tmp_path):
    "Compiled by inductor: close to uncompiled, and the same again"
    given = dict(size=32, resize=32, lr=1e-4, epochs=1)
    texts = [selection] if selection else []
    plain = trained(*texts, **given)
    one, two = (trained(*texts, compile=True, **given) for _ in range(2))
    assert one.compiled.on and one.compiled.why == "" and same(weights(one), weights(two))
    a, b = weights(plain), weights(one)
    assert a.keys() == b.keys() and not same(a, b)
    apart = max((a[k] - b[k]).abs().max().item() for k in a if a[k].is_floating_point())
    assert apart < (.1 if selection.startswith("amp") else 1e-2)


@pytest.mark.slow
def test_a_resumed_training_is_compiled_again(backend, tmp_path, monkeypatch):

    from fastricks.use.train import train
    folder = stopped(tmp_path / "a", monkeypatch, "mixup", compile=True)
    resumed(folder)
    whole = train(recipe_of("mixup", **EACH, compile=True, out=str(tmp_path / "b")), lambda _: None).folder
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert read(folder, "metrics.json")["compile"] is True and len(backend.calls) == 6


def test_a_signal_need_not_wait_for_the_compiler(monkeypatch, tmp_path):
    import os
    import signal

    from fastricks.core import stop
    from fastricks.use.train import train
    reached = []

    def backend(gm, inputs):
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("compiled")
        return gm
    monkeypatch.setattr(module, "BACKEND", backend)
    with pytest.raises(stop.Stopped): train(recipe_of(compile=True, out=str(tmp_path), name="a"), lambda _: None)
    assert (
        not reached
        and read(tmp_path / "a", "status.json")["status"] == "interrupted"
        and not (tmp_path / "a" / "history.csv").exists()
    )

"""Plain timm models, the weights that they start from, and what a file of weights says."""
import argparse
import json
import re
import shlex
import subprocess
import sys

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from support.marks import slow
from torch import nn

from fastricks.core.errors import UserError
from fastricks.model.layout import lay_out
from fastricks.model.network import build_network, check_arch, hub_file, make_network, with_tag
from fastricks.model.trial import require_network
from fastricks.model.weights import read_meta, tensors_fingerprint
from fastricks.recipe.recipe import resolve
from fastricks.training.settle import settle_machine


def test_no_hidden_zero_gamma():
    "timm zeroes the last γ of a residual block unless told otherwise; here it must be asked for"
    hidden = [m for m in timm.create_model("resnet18").modules() if isinstance(m, nn.BatchNorm2d)
              and not m.weight.any()]
    assert len(hidden) == 8
    for arch in ("resnet18", "resnet50", "regnetx_002", "test_convnext"):
        assert all(p.any() for n, p in build_network(arch, 10)[0].named_parameters() if n.endswith("weight")), arch


def test_the_head_is_plain_and_new_weights_are_the_seeds():
    a, b, c = (build_network("resnet18", 7, s)[0] for s in (0, 0, 1))
    assert type(a.fc) is nn.Linear and a.fc.out_features == 7
    assert torch.equal(a.fc.weight, b.fc.weight) and not torch.equal(a.fc.weight, c.fc.weight)


def test_weights_of_another_class_count_make_only_the_head_new(tmp_path):
    src = build_network("test_resnet", 7, 5)[0]
    save_file(src.state_dict(), tmp_path / "w.safetensors")
    model, lines = build_network("test_resnet", 10, 0, tmp_path / "w.safetensors")
    own, old = model.state_dict(), src.state_dict()
    assert all(torch.equal(own[k], old[k]) for k in old if not k.startswith("fc.")) and own["fc.weight"].shape[0] == 10
    assert "made new for 10 classes (the file's is of 7 classes)" in lines[1] and f"of {len(own)}" in lines[0]
    same_count, lines = build_network("test_resnet", 7, 0, tmp_path / "w.safetensors")
    assert torch.equal(same_count.fc.weight, src.fc.weight) and len(lines) == 1


def test_a_backbone_without_head_loads(tmp_path):
    src = build_network("test_resnet", 7, 5)[0]
    save_file({k: v for k, v in src.state_dict().items() if not k.startswith("fc.")}, tmp_path / "w.safetensors")
    model, lines = build_network("test_resnet", 10, 0, tmp_path / "w.safetensors")
    assert torch.equal(model.conv1[0].weight, src.conv1[0].weight) and "the file has none" in lines[1]


def without_layer2():
    return {k: v for k, v in build_network("test_resnet", 7)[0].state_dict().items() if "layer2" not in k}


@pytest.mark.parametrize("make, words", [
    (lambda f: f.with_suffix(".pth").write_bytes(b"x") and f.with_suffix(".pth"), "is a pickle"),
    (lambda f: f.write_bytes(b"not safetensors at all") and f, "is not a safetensors file"),
    (lambda f: f, "there is no such file"),
    (lambda f: save_file({"conv1.weight": torch.zeros(3)}, f) or f, "does not fit test_resnet"),
    (lambda f: save_file(without_layer2(), f) or f, "tensors missing"),
])
def test_weights_that_do_not_fit_are_one_sentence(tmp_path, make, words):
    file = make(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=words) as e: build_network("test_resnet", 10, 0, file)
    assert "\n" not in str(e.value)


# -- sizes, options, names

VIT = "test_vit"


def test_a_network_of_one_size_is_made_for_another_and_position_embeddings_are_resampled(tmp_path):
    src = build_network(VIT, 7, 5)[0]
    save_file(src.state_dict(), tmp_path / "w.safetensors")
    model, lines = build_network(VIT, 10, 0, tmp_path / "w.safetensors", size=64)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 10) and model.pos_embed.shape != src.pos_embed.shape
    assert torch.equal(model.patch_embed.proj.weight,
                       src.patch_embed.proj.weight) and any("resampled" in o and "pos_embed" in o for o in lines)
    want = timm.layers.resample_abs_pos_embed(src.pos_embed, model.patch_embed.grid_size,
                                              num_prefix_tokens=model.num_prefix_tokens)
    assert torch.allclose(model.pos_embed, want, atol=1e-6)


@pytest.mark.parametrize("arch, size, words", [
    (VIT, 64, ""), ("resnet18", 64, ""), ("test_efficientnet", 96, ""), ("mixer_s32_224", 64, ""),
    (VIT, 8, r"--arch test_vit --size 8: the network can't take images of 8 pixels .*; give --size 32"),
    ("inception_v3", 64, "; give --size 96"),
])
def test_sizes_that_cannot_be_are_known_before_anything_is_done(arch, size, words):
    if not words: return require_network(arch, size)
    with pytest.raises(UserError, match=words): require_network(arch, size)


@pytest.mark.parametrize("options, words", [
    ({"drop_path_rate": .1, "act_layer": "silu"}, ""),
    ({"drop_pth_rate": .1}, "has no option 'drop_pth_rate'; did you mean 'drop_path_rate'"),
    ({"act_layer": "nope"}, "--arch-option act_layer=nope: timm can't make resnet18"),
    ({"output_stride": 7}, "--arch-option output_stride=7"),
])
def test_options_are_checked_against_what_timm_takes(options, words):
    if not words: return require_network("resnet18", 64, options)
    with pytest.raises(UserError, match=words): require_network("resnet18", 64, options)


@pytest.mark.slow
def test_an_auxiliary_head_is_refused_and_its_weights_are_left_out(tmp_path):
    with pytest.raises(UserError, match="2 answers in place of one"):
        require_network("inception_v3", 299, {"aux_logits": True})
    src = timm.create_model("inception_v3", num_classes=3, aux_logits=True)
    save_file(src.state_dict(), tmp_path / "w.safetensors")
    for arch in ("inception_v3.tv_in1k", "inception_v3.tf_in1k"):
        model, lines = build_network(arch, 3, 0, tmp_path / "w.safetensors")
        assert torch.equal(model.fc.weight, src.fc.weight)
        assert any("not used from the file" in o and "AuxLogits" in o for o in lines)


def test_a_bare_name_gets_the_tag_that_timm_means():
    assert with_tag("resnet18") == "resnet18.a1_in1k" and with_tag("resnet18.tv_in1k") == "resnet18.tv_in1k"
    assert with_tag("test_resnet") == "test_resnet.r160_in1k"
    # a run is found by the name that was given, whatever it means
    assert settle_machine(resolve({"arch": "resnet18"})).arch == "resnet18"


# -- names and places of tensors in files

@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_weights_of_what_wraps_a_network(tmp_path, prefix):
    src = build_network("test_resnet", 7, 5)[0]
    save_file({prefix + k: v for k, v in src.state_dict().items()}, tmp_path / "w.safetensors")
    model, lines = build_network("test_resnet", 7, 0, tmp_path / "w.safetensors")
    assert torch.equal(model.fc.weight, src.fc.weight) and len(lines) == 1
    _, lines = build_network("test_resnet", 10, 0, tmp_path / "w.safetensors")
    assert "made new for 10 classes (the file's is of 7 classes)" in lines[1]


@pytest.mark.parametrize("name, wrap", [
    slow("a.pth", lambda sd: {"epoch": 3, "state_dict": sd, "args": argparse.Namespace(lr=1)}),
    slow("model_best.pth.tar", lambda sd: {"model": sd}),
    ("it's \"$HOME\".pt", lambda sd: sd),
    ("b.ckpt", lambda sd: {"state_dict": {f"model.{k}": v for k, v in sd.items()}, "optimizer": {"x": [1]}}),
    slow("tied.bin", lambda sd: {**sd, "again": sd["fc.weight"]}),
])
def test_the_line_that_converts_a_pickle_works(tmp_path, name, wrap):
    src = build_network("test_resnet", 7, 5)[0]
    file = tmp_path / name
    torch.save(wrap(src.state_dict()), file)
    with pytest.raises(UserError, match="is a pickle") as e: build_network("test_resnet", 7, 0, file)
    line = str(e.value).partition("convert it where you trust it, with  ")[2]
    subprocess.run(shlex.split(line.replace("python", shlex.quote(sys.executable), 1)), check=True)
    model, _ = build_network("test_resnet", 7, 0, next(tmp_path.glob("*.safetensors")))
    assert torch.equal(model.fc.weight, src.fc.weight)


# -- layout

def test_convolutions_that_end_the_process_in_channels_last_order_stay_contiguous():
    "oneDNN writes past the end of such a convolution's gradient: RepVGG, MobileOne, FastViT"
    code = ("import torch, timm; torch.set_num_threads(1); from fastricks.model.layout import lay_out\n"
            "m = lay_out(timm.create_model('repvgg_a0', num_classes=3), 'cpu').train()\n"
            "for _ in range(4): m(torch.randn(4, 3, 64, 64).to(memory_format=torch.channels_last)).sum().backward()\n"
            "assert m.stem.conv_kxk.conv.weight.is_contiguous(memory_format=torch.channels_last)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_layout_changes_no_number():
    conv = nn.Conv2d(3, 8, 1, stride=2)
    x = torch.randn(2, 3, 16, 16)
    want = conv(x)
    assert torch.allclose(lay_out(conv, "cpu")(x.to(memory_format=torch.channels_last)), want, atol=1e-6)
    assert len(lay_out(conv, "cpu")._forward_pre_hooks) == 1


def test_a_contiguous_network_has_one_hook_however_often_it_is_laid_out():
    x, model = torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last), make_network("repvgg_a0", 3).eval()
    want = lay_out(model, "cpu")(x)
    for _ in range(2): lay_out(model, "cpu", "contiguous")
    assert len(model._forward_pre_hooks) == 1 and torch.allclose(model(x), want, atol=1e-4)
    assert all(p.is_contiguous() for p in model.parameters())


def test_unknown_arch_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'resnet18'"): check_arch("resnet8")
    with pytest.raises(UserError, match=r"no weights tagged 'tv_in2k'; did you mean 'tv_in1k'"):
        check_arch("resnet18.tv_in2k")
    check_arch("resnet18")
    check_arch("resnet18.tv_in1k")


def test_offline_without_weights_is_one_sentence_within_seconds():
    with pytest.raises(UserError, match=r"not on this machine, and HF_HUB_OFFLINE is set: give --weights"):
        hub_file("resnet18.tv_in1k")


@pytest.fixture
def hub(monkeypatch):
    """The hub's client, which is asked though every other way to the network fails; it answers what the list has: a
    path, or an error
    """
    import urllib.request

    import huggingface_hub
    answers = []

    def refused(*_, **__):
        raise urllib.error.URLError("certificate verify failed: unable to get local issuer certificate")

    def download(repo, name):
        if isinstance(answers[0], Exception): raise answers[0]
        return f"{repo}/{name}: {answers[0]}"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request, "urlopen", refused)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return answers


def test_only_the_hubs_own_client_knows_whether_the_hub_is_there(hub):
    "It has the certificates and proxies that another client lacks"
    hub.append("x")
    assert hub_file("resnet18.tv_in1k") == "timm/resnet18.tv_in1k/model.safetensors: x"


def test_its_reason_is_told(hub):
    hub.append(OSError("please check your connection"))
    hub[0].__cause__ = ConnectionError("Name or service not known")
    with pytest.raises(UserError, match=r"can't be reached, .*\(ConnectionError: Name or service not known\): give "
                                        r"--weights FILE"):
        hub_file("resnet18.tv_in1k")


def test_metadata_of_foreign_weights_is_ignored(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {"fastricks": "not json"})
    assert read_meta(tmp_path / "w.safetensors") == {}
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {"fastricks": json.dumps({"mean": [1, 2, 3]})})
    assert read_meta(tmp_path / "w.safetensors") == {"mean": [1, 2, 3]}
    assert len(load_file(tmp_path / "w.safetensors")) == 1


def test_files_of_the_same_tensors_have_one_fingerprint(tmp_path):
    "Whatever else a file says and in which order they lie; one bit, a name, a type or a shape more is another"
    a, b = torch.arange(6.), torch.ones(2, 2)
    more = {
        "same": {"a": a, "b": b}, "bit": {"a": a.clone().index_fill_(0, torch.tensor(3), 3.0000002), "b": b},
        "name": {"a": a, "c": b}, "type": {"a": a.half(), "b": b}, "shape": {"a": a.reshape(2, 3), "b": b},
    }
    for name, tensors in more.items():
        save_file(tensors, tmp_path / name, {"of": name})
    (tmp_path / "other").write_bytes(reordered((tmp_path / "same").read_bytes()))
    prints = {name: tensors_fingerprint(tmp_path / name) for name in (*more, "other")}
    assert prints.pop("other") == prints["same"] and len({*prints.values()}) == len(more)
    assert re.fullmatch("[0-9a-f]{12}", prints["same"])


def reordered(data):
    "A safetensors file with its two tensors the other way round, and no words"
    size = int.from_bytes(data[:8], "little")
    head, body = json.loads(data[8:8 + size]), data[8 + size:]
    del head["__metadata__"]
    parts = {k: body[slice(*v["data_offsets"])] for k, v in head.items()}
    first, second = sorted(parts, key=lambda k: -head[k]["data_offsets"][0])
    cut = len(parts[first])
    head[first]["data_offsets"], head[second]["data_offsets"] = [0, cut], [cut, len(body)]
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + parts[first] + parts[second]

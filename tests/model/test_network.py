"""Plain timm models, the weights that they start from, and what a file of weights says."""
import json

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fastricks.core.errors import UserError
from fastricks.model.network import build, check_arch, hub_file
from fastricks.model.weights import read_meta


def test_no_hidden_zero_gamma():
    "timm zeroes the last γ of a residual block unless told otherwise; here it must be asked for"
    hidden = [m for m in timm.create_model("resnet18").modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.any()]
    assert len(hidden) == 8
    for arch in ("resnet18", "resnet50", "regnetx_002", "test_convnext"):
        assert all(p.any() for n, p in build(arch, 10)[0].named_parameters() if n.endswith("weight")), arch


def test_the_head_is_plain_and_new_weights_are_the_seeds():
    a, b, c = (build("resnet18", 7, s)[0] for s in (0, 0, 1))
    assert type(a.fc) is nn.Linear and a.fc.out_features == 7
    assert torch.equal(a.fc.weight, b.fc.weight) and not torch.equal(a.fc.weight, c.fc.weight)


def test_weights_of_another_class_count_make_only_the_head_new(tmp_path):
    src = build("test_resnet", 7, 5)[0]
    save_file(src.state_dict(), tmp_path / "w.safetensors")
    model, lines = build("test_resnet", 10, 0, tmp_path / "w.safetensors")
    own, old = model.state_dict(), src.state_dict()
    assert all(torch.equal(own[k], old[k]) for k in old if not k.startswith("fc.")) and own["fc.weight"].shape[0] == 10
    assert "made new for 10 classes (the file's is of 7 classes)" in lines[1] and f"of {len(own)}" in lines[0]
    same_count, lines = build("test_resnet", 7, 0, tmp_path / "w.safetensors")
    assert torch.equal(same_count.fc.weight, src.fc.weight) and len(lines) == 1


def test_a_backbone_without_head_loads(tmp_path):
    src = build("test_resnet", 7, 5)[0]
    save_file({k: v for k, v in src.state_dict().items() if not k.startswith("fc.")}, tmp_path / "w.safetensors")
    model, lines = build("test_resnet", 10, 0, tmp_path / "w.safetensors")
    assert torch.equal(model.conv1[0].weight, src.conv1[0].weight) and "the file has none" in lines[1]


@pytest.mark.parametrize("make, words", [
    (lambda f: f.with_suffix(".pth").write_bytes(b"x") and f.with_suffix(".pth"), "is a pickle"),
    (lambda f: f.write_bytes(b"not safetensors at all") and f, "is not a safetensors file"),
    (lambda f: f, "there is no such file"),
    (lambda f: save_file({"conv1.weight": torch.zeros(3)}, f) or f, "does not fit test_resnet"),
    (lambda f: save_file({k: v for k, v in build("test_resnet", 7)[0].state_dict().items() if "layer2" not in k}, f) or f,
     "tensors missing"),
])
def test_weights_that_do_not_fit_are_one_sentence(tmp_path, make, words):
    file = make(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=words) as e: build("test_resnet", 10, 0, file)
    assert "\n" not in str(e.value)


def test_unknown_arch_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'resnet18'"): check_arch("resnet8")
    with pytest.raises(UserError, match=r"no weights tagged 'tv_in2k'; did you mean 'tv_in1k'"): check_arch("resnet18.tv_in2k")
    check_arch("resnet18"); check_arch("resnet18.tv_in1k")


def test_offline_without_weights_is_one_sentence_within_seconds():
    with pytest.raises(UserError, match=r"not on this machine, and HF_HUB_OFFLINE is set: give --weights"): hub_file("resnet18.tv_in1k")


@pytest.fixture
def hub(monkeypatch):
    "The hub's client, which is asked though every other way to the network fails; it answers what the list has: a path, or an error"
    import urllib.request

    import huggingface_hub
    answers = []

    def refused(*_, **__): raise urllib.error.URLError("certificate verify failed: unable to get local issuer certificate")

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
    with pytest.raises(UserError, match=r"can't be reached, .*\(ConnectionError: Name or service not known\): give --weights FILE"):
        hub_file("resnet18.tv_in1k")


def test_metadata_of_foreign_weights_is_ignored(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {"fastricks": "not json"})
    assert read_meta(tmp_path / "w.safetensors") == {}
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {"fastricks": json.dumps({"mean": [1, 2, 3]})})
    assert read_meta(tmp_path / "w.safetensors") == {"mean": [1, 2, 3]}
    assert len(load_file(tmp_path / "w.safetensors")) == 1

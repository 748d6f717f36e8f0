"""`fastricks export`: what is written gives the run's own predictions in other hands."""
import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageOps
from support.commands import fails
from support.data_trees import photo
from support.marks import slow
from support.run_files import rows_of

from fastricks import load
from fastricks.cli.app import run
from fastricks.use import export as ex
from fastricks.use.exporters import common as common_module
from fastricks.use.exporters.to_timm import data_config, order_line


@pytest.fixture(scope="module")
def exported(photo_run, tmp_path_factory):
    "kind -> what was written, and what was said"
    folder, out = tmp_path_factory.mktemp("out"), {}
    for kind, name in {"onnx": "m.onnx", "timm": "timm", "torch-export": "m.pt2"}.items():
        if kind != "onnx" or find_spec("onnxruntime"):
            out[kind] = folder / name, ex.export(photo_run[0], kind, folder / name).lines
    return out


def by_hand(file, size=32, resize=38):
    "uint8 [3, size, size] as a user without fastricks makes it, by PIL and what the file says"
    with Image.open(file) as im:
        im = ImageOps.exif_transpose(im).convert("RGB")
        w, h = im.size
        im = im.resize((resize, int(resize * h / w)) if w <= h else (int(resize * w / h), resize),
                       Image.Resampling.BILINEAR)
    left, top = round((im.width - size) / 2), round((im.height - size) / 2)
    return np.asarray(im.crop((left, top, left + size, top + size))).transpose(2, 0, 1).copy()


def right(probs, rows, apart=.02):
    "As the run's own predictions, up to PIL's resizing in place of torch's"
    assert np.abs(probs.max(1) - [float(r["p"]) for r in rows]).max() < apart


def softmax(x): return np.exp(x - x.max(1, keepdims=True)) / np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)


def test_onnx(photo_run, exported):
    ort = pytest.importorskip("onnxruntime")
    folder, data = photo_run
    file, said = exported["onnx"]
    s = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    facts = s.get_modelmeta().custom_metadata_map
    how = json.loads(facts["preprocessing"])
    assert json.loads(facts["classes"]) == load(folder).classes
    assert (how["size"], how["resize"], how["crop"]) == (32, 38, "center")
    assert facts["arch"] == "test_resnet.r160_in1k" and how["interpolation"] == "bilinear"
    assert len(how["inside"]["mean"]) == 3
    i, = s.get_inputs()
    assert i.name == "images" and i.type == "tensor(uint8)" and i.shape[1:] == [3, 32, 32]
    assert i.shape[0] == "batch" == s.get_outputs()[0].shape[0]
    assert [o.name for o in s.get_outputs()] == ["logits", "probabilities"]
    assert [p.name for p in file.parent.iterdir() if "onnx" in p.name] == [file.name]
    rows = rows_of(folder)
    x = np.stack([by_hand(data / r["image"], how["size"], how["resize"]) for r in rows])
    right(softmax(s.run(None, {"images": x})[0]), rows)
    one = np.concatenate([s.run(None, {"images": o[None]})[0] for o in x])
    assert np.allclose(one, s.run(None, {"images": x})[0], atol=1e-4)
    exact = torch.cat([load(folder).pixels(data / r["image"]) for r in rows]).contiguous().numpy()
    right(softmax(s.run(None, {"images": exact})[0]), rows, 1e-4)
    assert said[-1].startswith("checked   on 16 images of its own data in batches of 1, 2, 5, 16: its logits differ "
                               "by ")


def test_torch_export(photo_run, exported):
    folder, data = photo_run
    extra = {"fastricks.json": ""}
    program = torch.export.load(exported["torch-export"][0], extra_files=extra).module()
    text = extra["fastricks.json"]
    assert json.loads(text)["classes"] == load(folder).classes
    rows = rows_of(folder)
    x = torch.cat([load(folder).pixels(data / r["image"]) for r in rows]).contiguous()
    for n in (1, 3, 30): right(program(x[:n]).softmax(1).detach().numpy(), rows[:n], 1e-4)


@pytest.mark.parametrize("resize", [38, 33, 146, 37])
def test_timms_own_preprocessing_has_the_runs_sizes(photo_run, resize):
    "floor(size / crop_pct) is the shorter side again"
    p = load(photo_run[0])
    for size in (32, 33, 30, 29):
        p.meta |= {"size": size, "resize": resize}
        assert int(size / data_config(p)["crop_pct"]) == resize


def test_timm(photo_run, exported):
    folder, data = photo_run
    out, said = exported["timm"]
    assert {p.name for p in out.iterdir()} == {"config.json", "model.safetensors", "class_map.txt"}
    model = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
    cfg = model.pretrained_cfg
    assert cfg["label_names"] == load(folder).classes and cfg["num_classes"] == 3
    assert tuple(cfg["input_size"]) == (3, 32, 32)
    assert (cfg["crop_mode"], cfg["interpolation"]) == ("center", "bilinear")
    assert "tag" not in json.loads((out / "config.json").read_text())["pretrained_cfg"]
    tfm = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    assert "size=38" in str(tfm) and "32" in str(tfm)
    rows = rows_of(folder)
    with torch.inference_mode():
        x = torch.stack([tfm(ImageOps.exif_transpose(Image.open(data / r["image"])).convert("RGB")) for r in rows])
        right(model(x).softmax(1).numpy(), rows)
    assert f"local-dir:{out}" in said[1]


@pytest.mark.parametrize("classes, said", [(("1", "2", "10"), False), (("1", "2", "10", "Zebra", "apple"), True),
                                           (("a10", "a2"), True)])
def test_timms_own_reader_numbers_folders_as_the_class_map_says(exported, tmp_path, classes, said):
    from timm.data.readers import create_reader
    out = exported["timm"][0]
    label_names = json.loads((out / "config.json").read_text())["label_names"]
    assert (out / "class_map.txt").read_text().splitlines() == label_names
    assert bool(order_line(classes, out)) == said
    for k in classes: photo(tmp_path / "data" / k / "1.jpg")
    (tmp_path / "class_map.txt").write_text("".join(f"{k}\n" for k in classes))
    with_map = create_reader("", str(tmp_path / "data"), class_map=str(tmp_path / "class_map.txt")).class_to_idx
    assert with_map == {k: i for i, k in enumerate(classes)}
    assert (create_reader("", str(tmp_path / "data")).class_to_idx != with_map) == said


@pytest.mark.slow
def test_a_changed_network_survives(resnet_d_run, tmp_path):
    folder, _ = resnet_d_run
    p = load(folder)
    ex.export(folder, "timm", tmp_path / "t")
    model = timm.create_model(f"local-dir:{tmp_path}/t", pretrained=True)
    assert isinstance(model.conv1, torch.nn.Sequential) and model.state_dict().keys() == p.model.state_dict().keys()
    ex.export(folder, "torch-export", tmp_path / "m.pt2")


def test_on_the_command_line(photo_run, capsys, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(photo_run[0], folder)
    for _ in range(2): assert run(["export", str(folder), "--to", "timm"]) == 0, "an earlier one is replaced"
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"written   {folder}/timm (") and "test_resnet.r160_in1k for 3 classes" in out[0]
    assert out[2].startswith("checked   on 16 images")
    (folder / "timm/mine.txt").write_text("x")
    assert "has other files in it, as mine.txt" in fails(capsys, "export", folder, "--to", "timm")
    assert (folder / "timm/mine.txt").exists()
    assert run(["export", str(folder / "model.safetensors"), "--to", "timm", "--out", str(tmp_path / "deep/er")]) == 0
    shutil.copy(folder / "model.safetensors", tmp_path / "alone.safetensors")
    assert run(["export", str(tmp_path / "alone.safetensors"), "--to",
                "torch-export"]) == 0 and (tmp_path / "alone.pt2").exists()
    assert "on noise, as its data is not there" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {"run", "deep", "alone.safetensors", "alone.pt2"}
    assert not [*tmp_path.rglob("*.tmp")]


@pytest.mark.parametrize("kind, name", [
    ("timm", "t"), slow("onnx", "m.onnx"), slow("torch-export", "m.pt2")])
@pytest.mark.parametrize("there", [slow(False), True])
def test_one_that_computes_something_else_is_not_written(photo_run, exported, capsys, tmp_path, monkeypatch, kind, name,
                                                         there):
    "Nor is the one lost that was there"
    if kind == "onnx": pytest.importorskip("onnxruntime")
    if there: (shutil.copytree if kind == "timm" else shutil.copy)(exported[kind][0], tmp_path / name)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    change(monkeypatch, kind)
    assert "nothing is written" in fails(capsys, "export", photo_run[0], "--to", kind, "--out", tmp_path / name)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*")
            if p.is_file()} == before and len([*tmp_path.iterdir()]) == there


def change(monkeypatch, kind):
    "Something in the exported one is slightly off"
    if kind == "timm":
        real = timm.create_model
        def other(*a, **kw):
            m = real(*a, **kw)
            if str(a[0]).startswith("local-dir"): m.fc.bias.data[0] += .01
            return m
        return monkeypatch.setattr("timm.create_model", other)
    real = common_module.network
    def network(p):
        net = real(p)
        net.shift[0, 0] += .01
        return net
    monkeypatch.setattr(common_module, "network", network)


@pytest.mark.parametrize("words, says", [
    (["--to", "tf"], "is not one of onnx, timm, torch-export"), (["--to", "onxn"], "did you mean 'onnx'"),
    ([], "missing option '--to'"),
    (["--to", "torch-export", "--out", "x.onnx"], "ends in .pt2"),
    (["--to", "timm", "--out", "file"], "timm's format is a folder"),
    (["--to", "torch-export", "--out", "d.pt2"], "is a folder"),
    (["--to", "timm", "--out", "/proc/x"], "can't be written"),
    (["--to", "torch-export", "--out", "file/x.pt2"], "can't be written")])
def test_usage_errors(photo_run, capsys, words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "d.pt2").mkdir()
    assert says in fails(capsys, "export", photo_run[0], *words)
    assert {p.name for p in tmp_path.iterdir()} == {"file", "d.pt2"}


def test_packages_that_are_not_there(photo_run, capsys, monkeypatch):
    monkeypatch.setattr(ex, "find_spec", lambda o: None if "run" in o else True)
    err = fails(capsys, "export", photo_run[0], "--to", "onnx")
    assert "--to onnx needs onnxruntime: pip install onnxruntime" in err

"""`export --to onnx --int8` and `--whole-photo`: what they cost is measured on the run's own images, or nothing is
written.
"""
import json
import shutil
import tarfile
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from support.commands import fails
from support.paths import SHARED
from support.pictures import scene
from support.run_files import rows_of

from fastricks import load
from fastricks.cli.app import run
from fastricks.core.scores import paired_difference
from fastricks.use.predictor import Frame

ort = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("converted_once")
PHOTOS = SHARED / "data/food-101-10-512px.tgz"
SHAPES = [(40 + 37 * i % 301, 40 + 53 * i % 299) for i in range(150)]


def session(file):
    return ort.InferenceSession(file if isinstance(file, bytes) else str(file), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def whole(photo_run, tmp_path_factory, converted_once):
    out = tmp_path_factory.mktemp("whole") / "m.onnx"
    assert run(["export", str(photo_run[0]), "--to", "onnx", "--whole-photo", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def small(photo_run, tmp_path_factory, converted_once):
    "(plain, 8-bit) file of the run, and what was said of the second"
    folder = tmp_path_factory.mktemp("int8")
    for name, more in {"plain": [], "small": ["--int8", "--margin", "50"]}.items():
        with redirect_stdout(StringIO()) as said:
            assert run(["export", str(photo_run[0]), "--to", "onnx", *more, "--out", str(folder / f"{name}.onnx")]) == 0
    return folder / "plain.onnx", folder / "small.onnx", said.getvalue()


# -- whole photos

def test_drawn_photos_have_the_classes_that_predict_gives(photo_run, whole):
    "150 of 150, of all shapes"
    p, s = load(photo_run[0]), session(whole)
    photos = [scene(*hw, seed=i) for i, hw in enumerate(SHAPES)]
    same_classes(p, s, photos, photos, near=.05)


@pytest.mark.skipif(not PHOTOS.exists(), reason="the photos are not here")
def test_real_photos_have_the_classes_that_predict_gives(photo_run, whole, tmp_path):
    "150 of 150 JPEGs, decoded by PIL; those of twice the size predict decodes at a part of it"
    with tarfile.open(PHOTOS) as tar:
        members = (m for m in tar if m.name.endswith(".jpg"))
        files = [tmp_path / f"{i}.jpg" for i in range(150)]
        for file in files: file.write_bytes(tar.extractfile(next(members)).read())
    photos = [np.asarray(ImageOps.exif_transpose(Image.open(o)).convert("RGB")) for o in files]
    same_classes(load(photo_run[0]), session(whole), files, photos, near=1.)


def same_classes(p, s, given, photos, near):
    want = torch.cat([z for _, z in p.stream(given)])
    got = np.concatenate([s.run(["logits"], {"photo": x})[0] for x in photos])
    assert (got.argmax(1) == want.argmax(1).numpy()).all() and len(got) == 150
    assert np.abs(got - want.numpy()).max() < near
    probs = s.run(["probabilities"], {"photo": photos[0]})[0]
    assert np.allclose(probs, p.softmax(torch.from_numpy(got[:1])).numpy(), atol=1e-5)


FRAMES = {"plain": Frame(32, 38, "crop", None), "crop": Frame(48, 55, "crop", "48x32"),
          "tall": Frame(48, 60, "crop", "31x48"), "pad": Frame(40, 46, "pad", None),
          "pad wide": Frame(48, 48, "pad", "48x31"), "squish": Frame(48, 48, "squish", "32x48")}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("channels", [3, 1])
def test_the_pixels_are_those_of_evaluation(photo_run, frame, channels):
    "But for some levels here and there, most at the edges: each rounds after each of two passes"
    from fastricks.data.pixels.canonical import grey
    from fastricks.data.pixels.fits import eval_view
    from fastricks.use.exporters.whole_photo import preprocessing_graph
    p = load(photo_run[0])
    p.frame, p.view = frame, eval_view(frame)
    p.meta |= {"size": frame.size, "resize": frame.resize, "mean": p.meta["mean"][:channels]}
    s = session(preprocessing_graph(p, 10, 20).SerializeToString())
    for i, hw in enumerate([*SHAPES[:12], (39, 39), (38, 200), (300, 41)]):
        x = scene(*hw, seed=i)
        want = p.pixels(x)
        want = (grey(want) if channels == 1 else want).numpy().astype(int)
        gap = np.abs(s.run(None, {"photo": x})[0].astype(int) - want)
        assert gap.shape == want.shape and gap.max() <= 8 and (gap > 0).mean() < .2, (hw, gap.max(), (gap > 0).mean())


def test_what_the_file_says(whole, photo_run):
    s = session(whole)
    facts = json.loads(s.get_modelmeta().custom_metadata_map["preprocessing"])
    i, = s.get_inputs()
    assert (i.name, i.type, i.shape) == ("photo", "tensor(uint8)", ["height", "width", 3])
    assert facts["input"].startswith("uint8 RGB [height, width, 3]")
    assert facts["before"] == ["turn as EXIF says", "RGB, 8 bits"]
    assert json.loads(s.get_modelmeta().custom_metadata_map["classes"]) == load(photo_run[0]).classes


# -- 8 bits

def test_eight_bits_cost_what_is_said(photo_run, small):
    "Recomputed from the two files on the run's test images"
    import onnx
    folder, data = photo_run
    assert any(o.data_type == onnx.TensorProto.INT8 for o in onnx.load(small[1]).graph.initializer)
    rows, p = rows_of(folder), load(folder)
    x = torch.cat([p.pixels(data / r["image"]) for r in rows]).contiguous().numpy()
    hits = [np.array([p.classes[k] == r["label"] for k, r in zip(session(o).run(None, {"images": x})[0].argmax(1), rows,
                                                                 strict=True)]) for o in small[:2]]
    points = 100 * (hits[1].mean() - hits[0].mean())
    said = next(o for o in small[2].splitlines() if o.startswith("int8"))
    assert said.startswith(f"int8      {points:+.1f} [") and "points of accuracy on 30 test images, paired; " in said
    assert said.endswith(" x as fast here, in batches of 16")


def test_one_that_loses_more_is_not_written(photo_run, small, capsys, tmp_path, monkeypatch):
    from fastricks.use.exporters import int8
    real = int8.quantized
    def spoilt(proto, images):
        out = real(proto, images)
        from onnx import numpy_helper
        for o in out.graph.initializer:
            if o.data_type == 3: o.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(o), 1, 0), o.name))
        return out
    monkeypatch.setattr(int8, "quantized", spoilt)
    (tmp_path / "x.onnx").write_bytes(b"before")
    says = fails(capsys, "export", photo_run[0], "--to", "onnx", "--int8", "--out", tmp_path / "x.onnx")
    assert "--int8 loses more than --margin 0.5: -" in says and "nothing is written" in says
    assert [(o.name, o.read_bytes()) for o in tmp_path.iterdir()] == [("x.onnx", b"before")]


@pytest.fixture
def alone(photo_run, tmp_path):
    "The weights without the run and its data"
    shutil.copy(photo_run[0] / "model.safetensors", tmp_path / "alone.safetensors")


def test_without_the_data_there_is_nothing_to_check_on(alone, tmp_path, capsys):
    assert "its data is not there" in fails(capsys, "export", tmp_path / "alone.safetensors", "--to", "onnx", "--int8")


@pytest.mark.slow
def test_without_the_data_it_is_checked_on_noise(alone, tmp_path, capsys):
    assert run(["export", str(tmp_path / "alone.safetensors"), "--to", "onnx", "--whole-photo"]) == 0
    assert (tmp_path / "alone-whole-photo.onnx").exists() and "of noise" in capsys.readouterr().out


@pytest.mark.parametrize("words, says", [
    (["--to", "timm", "--int8"], "--int8 is of --to onnx, and --to timm has none"),
    (["--to", "torch-export", "--whole-photo"], "--whole-photo is of --to onnx"),
    (["--to", "onnx", "--int8", "--margin", "0"], "must be above 0")])
def test_usage_errors(photo_run, capsys, words, says): assert says in fails(capsys, "export", photo_run[0], *words)


# -- the interval

@pytest.mark.parametrize("n, gain, loss", [(50, 0., 0.), (50, .1, .1), (200, .02, .05), (1000, .005, .02)])
def test_the_paired_interval_covers(n, gain, loss):
    rng, truth, inside = np.random.default_rng(0), gain - loss, 0
    for _ in range(1000):
        u = rng.random(n)
        base, hit = u < .5, ((u < .5) & (u >= loss)) | (u > 1 - gain)
        d, low, high = paired_difference(hit, base)
        assert d == pytest.approx((hit * 1. - base).mean())
        inside += low <= truth <= high
    assert inside >= 930

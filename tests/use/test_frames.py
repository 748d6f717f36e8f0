"""Rectangles, whole photos and grey in training, evaluation, predict and exports alike."""
import json

import numpy as np
import pytest
import torch
from PIL import Image
from support.marks import slow
from support.quick import drawing_nothing
from support.small import TINY

import fastricks as ft
from fastricks.core.errors import UserError


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos") / "p"
    for c, label in enumerate("ab"):
        (root / label).mkdir(parents=True)
        for i in range(8):
            x = np.random.default_rng(100 * c + i).integers(0, 256, (20 + 4 * i, 40, 3), dtype=np.uint8)
            Image.fromarray(x).resize((120, 60 + 12 * i)).save(root / label / f"{i}.jpg", quality=92)
    return root


def trained(photos, out, **more):
    own = dict(per_class=None, resize=None, epochs=1, batch_size=4, pretrained=False, valid=.3, out=str(out))
    with drawing_nothing(): return ft.train(str(photos), quiet=True, **{**TINY, **own, **more})


@pytest.mark.parametrize("more, shape", [
    (dict(size="48x32", fit="pad", channels=1), (1, 32, 48)),
    slow(dict(size="32x48", fit="squish", pipeline="reference"), (3, 48, 32)),
    (dict(size=(48, 32)), (3, 32, 48))])
def test_a_run_is_used_as_it_was_trained(photos, tmp_path, more, shape):
    run = trained(photos, tmp_path / "runs", **more)
    p = ft.load(run.folder)
    learn = p.learner(say=lambda line: None)
    assert learn.dls.train.one_batch()[0].shape[1:] == shape
    assert ft.evaluate(run.folder, quiet=True).numbers["loss"] == run.metrics["loss"]
    files = sorted(photos.rglob("*.jpg"))[:3]
    x = torch.cat([p.pixels(f) for f in files])
    assert x.shape == (3, 3, *shape[1:]) and x.dtype == torch.uint8
    from_array = p.probs([np.asarray(Image.open(f)) for f in files])
    assert torch.allclose(p.probs(files), from_array, atol=.02)
    alone = tmp_path / "m.safetensors"
    alone.write_bytes((run.folder / "model.safetensors").read_bytes())
    assert torch.equal(ft.load(alone).probs(files), p.probs(files))  # the file says it all
    out = ft.export(run.folder, "timm", tmp_path / "timm")
    config = json.loads((tmp_path / "timm" / "config.json").read_text())["pretrained_cfg"]
    assert config["input_size"] == list(shape), out
    assert config["crop_mode"] == {"pad": "border", "squish": "squash"}.get(more.get("fit"), "center"), out


@pytest.mark.slow
def test_an_export_says_what_it_takes(photos, tmp_path):
    pytest.importorskip("onnxruntime")
    run = trained(photos, tmp_path / "runs", size="48x32", fit="pad", channels=1)
    import onnx
    proto = onnx.load(ft.export(run.folder, "onnx", tmp_path / "m.onnx"))
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim][1:] == [1, 32, 48]
    said = json.loads(next(o.value for o in proto.metadata_props if o.key == "preprocessing"))
    assert said["fit"] == "pad" and (said["width"], said["height"]) == (48, 32)
    assert "grey 128" in " ".join(said["before"])


def test_a_teacher_of_other_channels_is_refused(photos, tmp_path):
    teacher = trained(photos, tmp_path / "runs", size=32)
    with pytest.raises(UserError, match="takes 3 channels and this network 1"):
        trained(photos, tmp_path / "runs", size=32, channels=1, tricks=f"distill:teacher={teacher.folder}")

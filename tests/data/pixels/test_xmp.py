"""Photos whose orientation is in XMP alone: turned in both pipelines, and as they were in runs of before."""
import json

import numpy as np
import pytest
from PIL import Image

from fastricks.core.words import silent
from fastricks.data.checked import open_data
from fastricks.data.pixels.canonical import canonical, turned
from fastricks.data.pixels.decoding import PLAIN, Decoding
from fastricks.data.pixels.image import load_rgb
from fastricks.recipe.recipe import Recipe, recorded_fields, resolve
from fastricks.training.settle import settle
from fastricks.training.training import train
from fastricks.use.api import load

SMALL = dict(arch="test_resnet", size=32, resize=32, epochs=1, batch_size=6, threads=1, device="cpu", wandb="disabled",
             pretrained=False)
ATTRIBUTE = '<rdf:Description tiff:Orientation="{}"/>'
ELEMENT = "<rdf:Description><tiff:Orientation>{}</tiff:Orientation></rdf:Description>"


def xmp(value, form=ATTRIBUTE):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:tiff="http://ns.adobe.com/tiff/1.0/">{form.format(value)}</rdf:RDF></x:xmpmeta>'.encode()


def write(path, value=None, camera=None, form=ATTRIBUTE, **more):
    "A photo, 40 x 20 pixels, with an orientation in XMP (`value`) and in EXIF (`camera`)"
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if camera: exif[0x0112] = camera
    x = np.random.default_rng(len(path.name)).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    Image.fromarray(x).save(path, **({"exif": exif} if camera else {}), **({"xmp": xmp(value, form)} if value else {}),
                            **more)
    return path


@pytest.mark.parametrize("form", [ATTRIBUTE, ELEMENT])
@pytest.mark.parametrize("value, camera, is_turned", [
    (6, None, True), (3, None, True), (1, None, False), (6, 1, False), (1, 6, True), (9, None, False)])
def test_both_pipelines_turn_alike(tmp_path, value, camera, is_turned, form):
    file = write(tmp_path/"x.jpg", value, camera, form)
    assert turned(file.read_bytes(), xmp=True) == is_turned
    got, want = canonical(file, 100, Decoding(xmp=True)), np.array(load_rgb(file))
    assert got.shape == want.shape and np.abs(got.astype(int) - want).max() <= 2


def test_other_formats_are_turned_whatever_the_recipe(tmp_path):
    assert canonical(write(tmp_path/"x.webp", 6, lossless=True), 100).shape[:2] == (40, 20)


def tree(root, value):
    for k in "ab":
        for i in range(6): write(root/k/f"{i}{k}.jpg", value if i % 2 else None)
    return root


def test_it_is_found_said_and_recorded(tmp_path):
    r = resolve({**SMALL, "data": str(tree(tmp_path/"x", 6))})
    source = open_data(r, say=silent)
    assert source.decoding == Decoding(xmp=True)
    assert "6 photos of a sample have the orientation in XMP alone: turned as that says" in source.notes
    assert settle(r).recipe.as_dict["xmp"] is True
    for same in (resolve({**SMALL, "data": str(tree(tmp_path/"y", 1))}),
                 resolve({**SMALL, "data": r.data, "pipeline": "reference"})):
        assert "xmp" not in settle(same).recipe.as_dict and open_data(same, say=silent).decoding == PLAIN


def test_a_recipe_of_before_means_what_was_done_then(tmp_path):
    r = resolve({**SMALL, "data": str(tree(tmp_path/"x", 6))})
    old = Recipe(**recorded_fields({k: v for k, v in r.as_dict.items() if k != "xmp"}))
    assert open_data(old, say=silent).decoding == PLAIN and canonical(tmp_path/"x/a/1a.jpg", 100).shape == (20, 40, 3)
    assert settle(old).identity != settle(r).identity


def test_the_model_sees_new_photos_as_it_was_trained(tmp_path):
    data = tree(tmp_path/"x", 6)
    folder = train(resolve({**SMALL, "data": str(data), "out": str(tmp_path/"runs")}), silent).folder
    run, upright = load(folder), tmp_path/"upright.png"
    load_rgb(data/"a/1a.jpg").save(upright)
    assert run.meta["xmp"] and (run.pixels(data/"a/1a.jpg") - run.pixels(upright)).abs().max() <= 2
    alone = tmp_path/"m.safetensors"
    alone.write_bytes((folder/"model.safetensors").read_bytes())
    assert load(alone).how == Decoding(xmp=True)
    assert json.loads((folder/"recipe.json").read_text())["recipe"]["xmp"] is True

"""16-bit files with fewer bits in them are told."""
import numpy as np
import pytest
from PIL import Image
from support.data_trees import class_tree

from fastricks.core.words import silent
from fastricks.data.checked import open_data
from fastricks.data.sources.open import open_source
from fastricks.data.survey import survey
from fastricks.recipe.recipe import resolve


def deep(root, bits, end, kind="uint16"):
    for k, label in enumerate("ab"):
        (root/label).mkdir(parents=True)
        for i in range(6):
            x = np.random.default_rng(10*k + i).integers(0, 2**bits, (16, 16))
            Image.fromarray(x.astype(kind)).save(root/label/f"{i}.{end}")
    return root


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize("bits, told", [(10, True), (12, True), (14, True), (16, False)])
def test_few_bits_in_sixteen_are_told(tmp_path, bits, told, end):
    recipe = resolve({"data": str(deep(tmp_path/"d", bits, end)), "size": 16})
    for source in (open_data(recipe, say=silent), survey(recipe, silent).source):
        assert any(o.startswith("16-bit images whose brightest level is") for o in source.notes) == told


def test_eight_bits_are_no_matter(tmp_path):
    recipe = resolve({"data": str(deep(tmp_path/"d", 4, "png", "uint8")), "size": 16})
    assert open_data(recipe, say=silent).notes == ()
    assert open_source(class_tree(tmp_path/"x", a=3, b=3)).notes == ()

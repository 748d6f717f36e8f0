"""What the data decides about its pixels: profiles are followed and few bits in sixteen filled where a sample has them,
and it is said.
"""
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from support.data_trees import class_tree
from support.profiles import gamut_profile

from fastricks.core.words import silent
from fastricks.data.account import account_of
from fastricks.data.checked import open_data
from fastricks.data.pixels.canonical import canonical
from fastricks.data.pixels.decoding import PLAIN, Decoding
from fastricks.data.pixels.image import load_rgb
from fastricks.data.sampled import decoding_of
from fastricks.data.sources.open import open_source
from fastricks.data.survey import survey
from fastricks.recipe.identity import identity
from fastricks.recipe.recipe import Recipe, read_recipe, resolve
from fastricks.report.survey import types
from fastricks.training.settle import settle


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


@pytest.mark.parametrize("colour", [2, 6])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_of_16_bit_colours_the_upper_8_bits_are_read_and_dark_ones_are_told(tmp_path, bits, colour):
    "PIL can read no more of them, so that no white of their own brings the others back"
    for k, label in enumerate("ab"):
        for i in range(6): deep_colour(tmp_path/"d"/label/f"{i}.png", 2**bits, 10*k + i, colour)
    recipe = resolve({"data": str(tmp_path/"d"), "size": 16})
    source, report = open_data(recipe, say=silent), survey(recipe, silent)
    told = [o for o in source.notes if o.startswith("16-bit colour images whose brightest level is about")]
    assert source.decoding == PLAIN and len(told) == (bits < 16) and report.account == account_of(source)
    deep = "16-bit colour, of which the upper 8 bits are read" if colour == 2 else "with transparency"
    assert types(report) == f"PNG 12; {deep} 12"
    x = deep_colour(tmp_path/"x.png", 2**16, 0)
    assert np.array_equal(load_rgb(tmp_path/"x.png"), x >> 8)
    assert np.array_equal(canonical(tmp_path/"x.png", 16), x >> 8)


def deep_colour(path, levels, seed, colour=2):
    "Write a PNG of 16-bit colours, which PIL can't: colour 2 is RGB, 6 has transparency too. Returns its pixels"
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).integers(0, levels, (16, 16, 3 if colour == 2 else 4))
    if colour == 6: x[..., 3] = 2**16 - 1
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in x)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, colour, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return x


def wide(root, n=6, odd=6):
    "`odd` of the `n` images of each class have a wide gamut's profile"
    for k, label in enumerate("ab"):
        (root/label).mkdir(parents=True)
        for i in range(n):
            x = np.random.default_rng(10*k + i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(x).save(root/label/f"{i}.jpg", **({"icc_profile": gamut_profile()} if i < odd else {}))
    return root


def decided(root, **more):
    r = resolve({"data": str(root), "size": 16, "arch": "test_resnet", "pretrained": False, **more})
    source = open_data(r, say=silent)
    return source.decoding, source.notes


def test_profiles_are_followed_where_there_are_some_and_told(tmp_path):
    how, notes = decided(wide(tmp_path/"w"))
    assert how == Decoding(icc=True) and "12 wide gamut" in notes[0] and "--no-icc" in notes[0]
    assert decided(tmp_path/"w", icc=False) == (PLAIN, ())
    assert decided(wide(tmp_path/"n", odd=0)) == (PLAIN, ())
    assert decided(tmp_path/"n", icc=True)[0] == Decoding(icc=True)


def test_white_is_found_by_the_bits_in_use_and_a_word_overrides(tmp_path):
    root = deep(tmp_path/"d", 12, "png")
    how, notes = decided(root)
    assert how == Decoding(white=4095) and "4,095 counts as white" in notes[0]
    how, notes = decided(root, white=65535)
    assert how == PLAIN and "nearly black" in notes[0] and "--white 4095" in notes[0]
    assert decided(root, white=1023) == (Decoding(white=1023), ())


def test_what_was_decided_is_in_the_recipe_and_in_what_the_run_is(tmp_path):
    plain, deep12 = wide(tmp_path/"n", odd=0), deep(tmp_path/"d", 12, "png")
    def job(root):
        return settle(resolve({"data": str(root), "size": 16, "arch": "test_resnet", "pretrained": False}), check=False)
    assert job(deep12).recipe.as_dict["white"] == 4095 and job(wide(tmp_path/"w")).recipe.as_dict["icc"] is True
    assert not {"icc", "white", "fit", "channels", "shape"} & {*job(plain).recipe.as_dict}  # as 0.1.0 wrote it
    asked = resolve({"data": str(deep12), "size": 16, "arch": "test_resnet", "pretrained": False})
    assert job(deep12).recipe == settle(asked).recipe


def test_a_folder_of_before_means_what_was_done_then(tmp_path):
    old = {k: v for k, v in resolve({"data": str(deep(tmp_path/"d", 12, "png")), "size": 16}).as_dict.items()
           if k not in ("icc", "white")}
    (tmp_path/"recipe.json").write_text(json.dumps({"recipe": old}))
    again = Recipe(**read_recipe(tmp_path/"recipe.json"))
    assert (again.icc, again.white, again.fit, again.channels, again.sides) == (False, 65535, "crop", 3, (16, 16))
    assert decoding_of(again, open_source(again.data).items)[0] == PLAIN
    assert identity(again, "d") == identity(Recipe(**old), "d")


def test_a_pipe_with_a_photos_name_is_not_waited_for(tmp_path):
    root = class_tree(tmp_path, cat=3, dog=3)
    os.mkfifo(root / "cat/pipe.jpg")
    decoding, said = decoding_of(Recipe(data=str(root), pipeline="fast"), open_source(root).items)
    assert decoding == PLAIN and not said

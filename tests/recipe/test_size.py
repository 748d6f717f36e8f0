"""`--size`: a square or width x height, from a shell as from Python, and back."""
import shlex

import pytest

from fastricks.core.errors import UserError
from fastricks.recipe.command import command, data_options
from fastricks.recipe.given import recipe_from
from fastricks.recipe.identity import identity
from fastricks.recipe.recipe import resolve


@pytest.mark.parametrize("given, sides", [
    (64, (64, 64)), ("64", (64, 64)), ("64x48", (64, 48)), ("48X64", (48, 64)), ("48×64", (48, 64)),
    ((64, 48), (64, 48)), ("64x64", (64, 64))])
def test_sizes_as_people_write_them(given, sides):
    r = recipe_from("food-101-21", options={"size": given})
    assert r.sides == sides and r.size == max(sides) and r.resize == round(max(sides) * 8 / 7)


@pytest.mark.parametrize("given", ["x", "64x", "64x48x3", "-64", "6.4", (1, 2, 3), "64x2", True, None.__class__])
def test_what_is_no_size_is_one_sentence(given):
    with pytest.raises(UserError, match="--size"): recipe_from("food-101-21", options={"size": given})


def test_a_square_takes_a_rectangle_back():
    r = resolve({"size": "64x48"})
    assert resolve({"size": 64}, recipe=r).shape is None and resolve({"epochs": 2}, recipe=r).sides == (64, 48)
    assert identity(r, "d") != identity(resolve({"size": 64}), "d") != identity(resolve({"size": "48x64"}), "d")


def test_the_command_of_a_rectangle_makes_it_again():
    r = resolve({"size": "320x240", "fit": "pad", "channels": 1, "data": "food-101-21"})
    line = command(r)
    assert "--size 320x240" in line and "--fit pad" in line and "--channels 1" in line
    assert "icc" not in line and "white" not in line
    words = shlex.split(line)
    assert resolve({"data": "food-101-21", "size": words[words.index("--size") + 1], "fit": "pad", "channels": 1}) == r
    assert "--size 320x240" in data_options(r)


def test_two_channels_are_none():
    with pytest.raises(UserError, match="--channels 2 is neither 3 nor 1"): resolve({"channels": 2})

"""A data source is one file that defines a DataSource; nothing else is edited for it."""
import sys

import pytest
from support.data_trees import class_tree, says, splits
from support.small import recipe_of

from fastricks.core.words import silent
from fastricks.data.source import fingerprint
from fastricks.data.sources import __path__ as folders
from fastricks.data.sources.open import open_source
from fastricks.data.sources.registry import builtin_names, data_sources
from fastricks.training.training import train

THROWAWAY = '''
import numpy as np

from fastricks.data.source import Found, Item
from fastricks.data.sources.registry import DataSource


class Throwaway(DataSource):
    "`throwaway:24`: so many images of each of two colours"
    priority = 5
    names = ("throwaway:9",)
    def fits(self, text): return text.startswith("throwaway:")

    def open(self, text, wanted=None):
        n = int(text.partition(":")[2])
        def image(shade): return np.full((8, 8, 3), shade, np.uint8)
        items = [Item(f"dark/{i}", "dark", "train", image(i)) for i in range(n)]
        items += [Item(f"light/{i}", "light", "train", image(200 + i)) for i in range(n)]
        items = [o for o in items if wanted is None or o.label in wanted]
        return Found("colours", items, ["dark", "light"], ["made up"])
'''


@pytest.fixture
def throwaway(tmp_path, monkeypatch):
    (tmp_path/"sources").mkdir()
    (tmp_path/"sources/throwaway.py").write_text(THROWAWAY)
    monkeypatch.setattr("fastricks.data.sources.__path__", [*folders, str(tmp_path/"sources")])
    yield
    sys.modules.pop("fastricks.data.sources.throwaway", None)


def test_a_file_is_a_source(throwaway):
    source = open_source("throwaway:20")
    assert source.name == "colours" and source.classes == ("dark", "light") and source.notes == ("made up",)
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [36, 4, 0]
    assert splits(source) == splits(open_source("throwaway:20")) and len(fingerprint(source)) == 12
    with says("has no class 'drak'; did you mean 'dark'?"): open_source("throwaway:20", "drak,light")
    with says("not throwaway:9, digits, food-101-21, food-101; did you mean 'throwaway:9'?"):
        open_source("throwawy:9")


def test_it_trains(throwaway, tmp_path):
    result = train(recipe_of(data="throwaway:20", epochs=1, pretrained=False, out=str(tmp_path/"runs")), silent)
    assert result.folder.name.startswith("colours")


def test_without_it_nothing_is_left():
    with says("unknown --data 'throwaway:20': no such folder or file"): open_source("throwaway:20")
    assert builtin_names() == ["digits", "food-101-21", "food-101"]


def test_the_order(tmp_path, monkeypatch):
    "Names come before folders of that name"
    monkeypatch.chdir(tmp_path)
    class_tree(tmp_path/"digits", cat=3, dog=3)
    assert open_source("digits").classes[0] == "0" and open_source("./digits").classes == ("cat", "dog")
    by_priority = ["Digits", "FoodByName", "FoodTree", "TableFolder", "ImageFolder", "CsvFile"]
    assert [type(o).__name__ for o in data_sources()] == by_priority

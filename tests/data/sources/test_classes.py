"""The order of classes: numbers by their value for new runs, as they were for old ones."""
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.data_trees import photo
from support.fake_runs import fake_run
from support.stopped import resumed, stopped

import fastricks as ft
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.data.source import fingerprint
from fastricks.data.sources.classes import order_classes
from fastricks.data.sources.open import open_recipe, open_source
from fastricks.recipe.command import command
from fastricks.recipe.identity import identity
from fastricks.recipe.recipe import Recipe, recorded_fields, resolve
from fastricks.report.compare.comparison import compare
from fastricks.training.settle import settle
from fastricks.training.training import train

NUMBERS = "1", "2", "10"
BY_LETTERS = "1", "10", "2"
SMALL = dict(arch="test_resnet", size=16, resize=16, epochs=2, batch_size=8, threads=1, device="cpu", wandb="disabled",
             pretrained=False)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    "A folder of the classes 1, 2 and 10"
    root = tmp_path_factory.mktemp("numbers")
    for n, k in enumerate(NUMBERS):
        for i in range(12): photo(root/k/f"{i}.png", 100 * n + i)
    return root


def opened(photos, order=None): return open_recipe(resolve({**SMALL, "data": str(photos), "class_order": order}))


@pytest.mark.parametrize("names, natural", [
    (("10", "2", "1"), NUMBERS), (map(str, range(10)), tuple("0123456789")), (("b", "a10", "a2"), ("a10", "a2", "b")),
    (("apple", "Zebra", "10", "9"), ("9", "10", "Zebra", "apple")),
    (("02", "2", "1.5", "-3"), ("-3", "1.5", "02", "2")),
    (("1e3", "9", "0x1"), ("9", "0x1", "1e3")), (("9" * 400, "1" * 401), ("9" * 400, "1" * 401)),
    (("٣", "٢"), ("٢", "٣"))])
def test_numbers_come_by_their_value(names, natural):
    assert order_classes(names) == order_classes(natural, "natural") == natural


def test_new_runs_have_the_natural_order_and_the_old_one_can_be_had(photos):
    assert open_source(photos).classes == opened(photos).classes == opened(photos, "natural").classes == NUMBERS
    assert opened(photos, "text").classes == BY_LETTERS


def test_it_is_recorded_only_where_it_makes_a_difference(photos):
    of_photos = settle(resolve({**SMALL, "data": str(photos)}))
    assert of_photos.recipe_json["recipe"]["class_order"] == "natural"
    assert of_photos.identity != settle(resolve({**SMALL, "data": str(photos), "class_order": "text"})).identity
    digits = settle(resolve({"per_class": 4})), settle(resolve({"per_class": 4, "class_order": "text"}))
    assert digits[0].identity == digits[1].identity and "class_order" not in digits[0].recipe_json["recipe"]


def test_what_is_identical_but_for_its_order_is_told_by_the_fingerprint_alone():
    r = resolve({})
    assert len({identity(replace(r, class_order=o), "data") for o in (None, "text", "natural")}) == 1


def test_an_old_recipe_means_the_old_order(photos):
    old = {k: v for k, v in resolve({**SMALL, "data": str(photos)}).as_dict.items() if k != "class_order"}
    source = open_recipe(Recipe(**recorded_fields(old)))
    assert source.classes == BY_LETTERS and fingerprint(source) == fingerprint(opened(photos, "text"))


def test_an_old_run_goes_on_predicts_and_is_evaluated_as_it_was(photos, tmp_path, monkeypatch):
    folder = stopped(tmp_path, monkeypatch, at=(1, 1), per_class=None, data=str(photos), class_order="text", **SMALL)
    assert "class_order" not in json.loads((folder/"recipe.json").read_text())["recipe"]
    assert resumed(folder).folder == folder
    run = ft.load(folder)
    assert (
        run.classes == [*BY_LETTERS]
        and ft.evaluate(folder, quiet=True).own
        and ft.load(folder).learner().dls.vocab == [*BY_LETTERS]
    )
    again = ft.train(recipe=str(folder), out=str(tmp_path/"again"), quiet=True)
    assert again.classes == [*BY_LETTERS]
    one, other = (json.loads((Path(o)/"recipe.json").read_text())["identity"] for o in (folder, again.folder))
    assert one == other


def test_classes_of_other_data_go_by_name(photos, tmp_path):
    folder = train(resolve({**SMALL, "data": str(photos), "class_order": "text", "out": str(tmp_path)}), silent).folder
    other = tmp_path/"other"
    for i, k in enumerate(NUMBERS): photo(other/k/"x.png", 100 * i)
    assert {*ft.evaluate(folder, str(other), quiet=True).images.labels} == {*NUMBERS}


def test_a_teacher_of_the_other_order_is_refused_with_the_option(photos, tmp_path):
    old = train(resolve({**SMALL, "data": str(photos), "class_order": "text", "out": str(tmp_path)}), silent).folder
    given = {**SMALL, "data": str(photos), "out": str(tmp_path)}
    with pytest.raises(UserError, match="has these classes in another order: give --class-order text"):
        train(resolve(given, [f"distill:teacher={old}"]), silent)
    train(resolve({**given, "class_order": "text"}, [f"distill:teacher={old}"]), silent)


def test_a_head_of_the_other_order_is_said(photos, tmp_path):
    old = train(resolve({**SMALL, "data": str(photos), "class_order": "text", "out": str(tmp_path)}), silent).folder
    said = []
    train(resolve({**SMALL, "data": str(photos), "out": str(tmp_path), "weights": str(old/"model.safetensors")}),
          said.append)
    assert any(o.startswith("mind: the head of model.safetensors was trained on '10' where this data has '2'")
               for o in said)


def test_runs_of_both_orders_are_not_comparable(tmp_path):
    fake_run(tmp_path, fingerprint="a" * 12, class_order="text", classes=BY_LETTERS)
    fake_run(tmp_path, "mixup", fingerprint="b" * 12, class_order="natural", classes=NUMBERS)
    with pytest.raises(UserError, match="they number the same classes in another order"): compare([tmp_path])


def test_names_stay_names_whatever_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "0,1", "food-101-21"): (tmp_path/name).mkdir()
    job = settle(resolve({"classes": "0,1", "per_class": 4}))
    assert (job.recipe.data, job.recipe.classes, job.source.classes) == ("digits", "0,1", ("0", "1"))
    assert "--data digits is the built-in data; ./digits is not used: give --data ./digits for that" in job.source.notes
    (tmp_path/"few").write_text("0\n1\n")
    assert settle(resolve({"classes": "few", "per_class": 4})).recipe.classes == str(tmp_path/"few")
    with pytest.raises(UserError, match="has no class folders"): settle(resolve({"data": "./digits"}))


def test_the_command_says_it_where_it_is_asked_for():
    assert "--class-order natural" in command(resolve({"class_order": "natural"}))
    assert "--class-order" not in command(resolve({}))

import json
from dataclasses import fields, replace

import pytest

from fastricks.core.errors import UserError
from fastricks.recipe.identity import identity, numeric
from fastricks.recipe.named import RECIPES
from fastricks.recipe.recipe import Recipe, read_recipe, resolve


def test_defaults_are_the_tutorials_baseline():
    r = resolve({"data": "food-101-21"})
    assert (r.arch, r.opt, r.lr, r.wd, r.epochs, r.batch_size) == ("resnet18.tv_in1k", "adam", 1e-4, 0., 40, 32)
    assert (r.size, r.resize, r.min_scale, r.flip, r.pretrained, r.valid) == (224, 256, .8, True, True, .1)
    assert r.active == {"step": {"at": (.375, .75), "gamma": .1}} and r.tricks == {}


def test_data_brings_defaults_recipes_override_them_and_options_override_both():
    assert resolve({}).size == 32 and resolve({}).from_scratch
    blog = resolve({}, recipe="blog")
    assert (blog.size, blog.resize, blog.epochs, blog.valid, blog.recipe) == (224, 256, 40, 0, "blog")
    assert resolve({"epochs": 3, "size": 64}, recipe="blog").epochs == 3
    assert resolve({"size": 64}, recipe="blog").resize == 73 and resolve({"size": 16}).resize == 16
    assert resolve({"size": 64, "data": "food-101-21"}).resize == 73


@pytest.mark.parametrize("given, selection, words", [
    ({"lr": -1.}, (), "--lr -1 is out of range: it must be above 0"),
    ({"lr": float("nan")}, (), "--lr nan is out of range"),
    ({"opt": "adm"}, (), "did you mean 'adam'"),
    ({"valid": 1.}, (), "--valid 1 is out of range"),
    ({"batch_size": 1}, (), "--batch-size 1 is out of range"),
    ({"size": 64, "resize": 32}, (), "--resize 32 is smaller than --size 64"),
    ({"valid": 0., "keep": "best"}, (), "--keep best chooses by the validation split"),
    ({"valid": 0., "patience": 3}, (), "--patience watches the validation split"),
    ({"name": "../x"}, (), "--name ../x must be a plain name"),
    ({}, ["warmpu"], "no trick is called 'warmpu'; did you mean 'warmup'?"),
    ({}, ["mixup:alfa=1"], "mixup has no key 'alfa'; did you mean 'alpha'?"),
    ({}, ["mixup:alpha=0"], "mixup:alpha=0 is out of range: it must be above 0"),
    ({}, ["mixup:alpha=x"], "mixup:alpha=x is not a number"),
    ({}, ["mixup:alpha=nan"], "is not a number"),
    ({}, ["mixup:alpha"], "mixup:alpha needs a value"),
    ({}, ["mixup:alpha=1,alpha=2"], "mixup:alpha is given twice"),
    ({}, ["mixup+mixup"], "the trick mixup is named twice"),
    ({}, ["mixup", "mixup"], "the trick mixup is named twice"),
    ({}, ["cosine+step"], "cosine and step are both schedules"),
    ({}, ["warmup++cosine"], "an empty trick"),
    ({}, ["-cosine"], "this recipe has no cosine to take away"),
    ({}, ["step:at=.5/x"], "is not numbers joined by /"),
    ({}, ["warmup:by=epochs"], "did you mean 'epoch'?"),
    ({}, ["no_bias_decay"], "no_bias_decay needs --wd > 0"),
    ({}, ["mixup:per=sample,partner=previous"], "drop partner=previous"),
])
def test_what_is_wrong_is_said_in_one_sentence(given, selection, words):
    with pytest.raises(UserError) as e: resolve(given, selection)
    assert words in str(e.value) and "\n" not in str(e.value)


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'blog'"): resolve({}, recipe="blgo")


def test_a_named_schedule_takes_the_slot_and_dropping_it_brings_back_the_recipes_own():
    assert list(resolve({}, ["cosine"]).active) == ["cosine"]
    assert list(resolve({}, ["cosine", "-cosine"]).active) == ["step"]
    assert list(resolve({}, ["warmup+mixup", "none"]).active) == ["step"]
    assert resolve({}, ["step:at=.5"]).active == {"step": {"at": (.5,), "gamma": .1}}


def test_selection_adds_to_a_recipe_and_changes_only_the_named_keys(tmp_path):
    first = resolve({}, ["mixup:alpha=.4,partner=previous+cosine"])
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": json.loads(first.to_json())}))
    again = resolve({}, ["mixup:alpha=.3", "=-cosine"], recipe=str(tmp_path))
    assert again.active["mixup"] == {"alpha": .3, "partner": "previous", "per": "batch"} and "step" in again.active


def test_a_run_folder_repeats_its_recipe(tmp_path):
    first = resolve({"seed": 3, "lr": .01, "name": "x", "wandb": "disabled"}, ["warmup:by=epoch,epochs=2+mixup"])
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": json.loads(first.to_json())}))
    again = resolve({}, recipe=str(tmp_path))
    assert identity(again, "d") == identity(first, "d") and again.name is None and again.seed == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": 3}', '{"recipe": {"no_such": 1}}'])
def test_a_broken_recipe_file_is_one_sentence(tmp_path, text):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(UserError, match=r"recipe\.json"): read_recipe(tmp_path / "recipe.json")


OTHER = dict(compile=True, arch="resnet34", pretrained=True, epochs=7, batch_size=9, lr=.5, wd=.5, opt="sgd", seed=9,
             size=48, resize=77,
             min_scale=.5, flip=True, keep="best", patience=2, device="cuda", threads=7, tricks={"mixup": {}},
             sync_bn=True, processes=2, fit="pad", channels=1, shape="32x24", icc=True, white=4095, xmp=True,
             arch_option={"drop_rate": .1}, layout="contiguous")
SAME = dict(max_bad=.5, workers=3, wandb="disabled", log="tensorboard", name="n", out="o", recipe="r",
            checkpoint_every="1s")
BY_FINGERPRINT = ("data", "classes", "per_class", "rest", "valid", "drop_duplicates", "group_by", "class_order",
                  "weights")


def test_threads_are_a_difference_on_a_cpu_alone():
    "Beside a GPU they are shared out among trainings at once: another --jobs finds the same runs"
    of = lambda device, n: identity(resolve(dict(device=device, threads=n)), "data")
    assert of("cpu", 1) != of("cpu", 4) and of("cuda", 1) == of("cuda", 4) == of("cuda:1", 2)
    assert of("mps", 1) == of("mps", 4)


def test_identity_changes_with_every_numeric_field_and_with_no_other():
    r = replace(resolve({}), resize=40)
    a = identity(r, "data")
    for k, v in OTHER.items(): assert identity(replace(r, **{k: v}), "data") != a, k
    for k, v in SAME.items(): assert identity(replace(r, **{k: v}), "data") == a, k
    assert identity(r, "other data") != a and identity(r, "data", "weights") != a
    one_value = "pipeline", "schedule", "trick_files"  # schedule enters as the active trick, a trick's file by its hash
    assert {*OTHER, *SAME, *BY_FINGERPRINT, *one_value} == {f.name for f in fields(Recipe)}


def test_naming_the_recipes_own_schedule_is_the_same_run():
    plain, step, other = (identity(resolve({}, texts), "d") for texts in ([], ["step"], ["step:gamma=.2"]))
    assert plain == step != other


def test_recipe_is_plain_data(): json.dumps(numeric(resolve({}, ["mixup+warmup"])))


def test_named_recipes_resolve():
    for name in RECIPES: assert resolve({"data": "food-101-21"}, recipe=name).recipe == name

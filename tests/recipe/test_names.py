"""Names of runs: what differs between recipes is in them."""
import json
import re
from itertools import combinations

import pytest

from fastricks.recipe.names import LONGEST, base_name
from fastricks.recipe.recipe import Recipe, resolve

MANY = dict(per_class=20, min_scale=.3, batch_size=16, wd=.001, patience=3, channels=1, fit="pad")
STACK = "mixup:alpha=.4+cutmix+label_smoothing+ema+warmup:epochs=2+step:at=.1/.2+random_erasing+trivial_augment"
GIVEN = [{}, {"epochs": 3}, {"epochs": 30}, {"lr": .01}, {"lr": .0100001}, {"lr": "find"}, {"opt": "sgd"},
         {"opt": "sgd", "wd": .01}, {"size": 64},
         {"size": "64x48"}, {"size": "48x64"}, {"size": 64, "resize": 100}, {"batch_size": 32}, {"arch": "resnet18"},
         {"arch": "resnet18.a1_in1k"},
         {"arch": "resnet50"}, {"pretrained": True}, {"weights": "/a/x.safetensors"}, {"weights": "/b/x.safetensors"},
         {"arch_option": {"drop_path_rate": .1}}, {"arch_option": {"drop_path_rate": .2}}, {"classes": "1,2,3"},
         {"classes": "1,2,4"},
         {"keep": "best"}, {"keep": "best:loss"}, {"flip": True}, {"valid": .2}, MANY]
SELECTIONS = ["none", "mixup", "mixup:alpha=.4", "mixup:alpha=.4,per=sample", "cosine+mixup",
              "distill:teacher=resnet50", "distill:teacher=/a/run",
              "distill:teacher=/b/run", "step:at=.1/.2", "step:at=.1/.3", STACK, STACK + "+accumulate"]


def name(given=(), selection=(), recipe=None): return base_name(resolve(dict(given), selection, recipe), "digits")


def test_recipes_that_differ_have_names_that_differ():
    names = [name(g) for g in GIVEN] + [name({}, [s]) for s in SELECTIONS[1:]] + [name(g, [STACK]) for g in GIVEN[1:]]
    assert [(a, b) for a, b in combinations(names, 2) if a == b] == []
    assert all(len(n) <= LONGEST and re.fullmatch(r"[A-Za-z0-9][\w.-]*", n) for n in names)


@pytest.mark.parametrize("given, selection, recipe, expected", [
    ({}, (), None, "digits-resnet18-baseline"),
    ({"seed": 5, "device": "cpu", "threads": 3}, (), None, "digits-resnet18-baseline"),
    ({"arch": "resnet50"}, ["cosine+mixup"], None, "digits-resnet50-cosine-mixup"),
    ({"lr": .01, "opt": "sgd"}, ["mixup:alpha=.4+cosine"], None, "digits-resnet18-cosine-mixup_alpha0.4-lr0.01-sgd"),
    ({"size": 64, "epochs": 3}, (), None, "digits-resnet18-baseline-epochs3-size64"),
    ({"flip": True, "keep": "best:loss"}, (), None, "digits-resnet18-baseline-flip-keep_best_loss"),
    ({}, (), "blog-best", "digits-resnet18-blog-best-cosine-distill-label_smoothing-warmup"),
    ({"epochs": 3}, ["-distill", "warmup:epochs=2"], "blog-best",
     "digits-resnet18-blog-best-cosine-label_smoothing-warmup_epochs2-epochs3")])
def test_a_name_says_only_what_is_not_as_usual(given, selection, recipe, expected):
    assert name(given, selection, recipe) == expected


def test_a_name_is_the_same_again_when_the_recipe_is_read_from_a_file():
    for given in GIVEN:
        r = resolve(given, ["step:at=.1/.2+mixup"], "blog" if "lr" in given else None)
        assert base_name(Recipe(**json.loads(r.to_json())), "digits") == base_name(r, "digits")


def test_a_source_with_odd_letters_has_a_name_that_is_safe():
    assert base_name(resolve({}), "my photos/…") == "my_photos__-resnet18-baseline"

"""`--rest valid`: what --per-class leaves out is looked at once, at the end."""
import csv

import pytest
import torch
from safetensors.torch import load_file
from support.run_files import read
from support.small import TINY, learner, recipe_of

from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.data.account import account_of
from fastricks.data.sources.open import open_recipe
from fastricks.recipe.identity import numeric

pytestmark = pytest.mark.usefixtures("undrawn")
WORDS = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items() if k not in ("workers",)]


def test_training_and_its_epochs_see_what_they_saw():
    "The rest is none of training's images nor of an epoch's validation: the same images, in the same order"
    plain, more = open_recipe(recipe_of()), open_recipe(recipe_of(rest="valid"))
    names = lambda source, split: [o.name for o in source.of(split)]
    for split in ("train", "valid", "test"): assert names(plain, split) == names(more, split)
    everything = open_recipe(recipe_of(per_class=None, valid=.1))
    assert {o.name for o in more.items} == {o.name for o in everything.items} and len(more.of("rest")) == 1438 - 80
    learn, _ = learner(rest="valid")
    assert len(learn.dls.train_ds) == 70 and len(learn.dls.valid_ds) == 10 and len(learn.dls.rest.dataset) == 1358
    assert learner()[0].dls.rest is None, "data enters by its fingerprint"
    assert numeric(recipe_of()) == numeric(recipe_of(rest="valid")), "data enters by its fingerprint"
    account = account_of(more)
    assert account.found == sum(account.used.values()) + sum(account.ignored.values()) and account.used["rest"] == 1358


def test_the_final_numbers_are_of_all_of_them(tmp_path, capsys):
    for name, more in (("plain", []), ("more", ["--rest", "valid"])):
        assert run(["train", *WORDS, *more, "--out", str(tmp_path), "--name", name]) == 0
    assert "1,358 more validation" in capsys.readouterr().out
    plain, more = (read(tmp_path / n, "metrics.json") for n in ("plain", "more"))
    assert more["valid"]["n"] == 10 + 1358 and plain["valid"]["n"] == 10
    assert more["top1"] == plain["top1"] and more["loss"] == plain["loss"]
    rows = list(csv.DictReader((tmp_path / "more/predictions-valid.csv").read_text().splitlines()))
    assert (
        len(rows) == 1368
        and sum(int(r["rank"]) == 0 for r in rows) == more["valid"]["correct"]
        and len({r["image"] for r in rows}) == 1368
    )
    a, b = (load_file(tmp_path / n / "model.safetensors") for n in ("plain", "more"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert run(["evaluate", str(tmp_path / "more"), "--split", "valid"]) == 0
    assert f"{more['valid']['correct']:,} of 1,368 right" in capsys.readouterr().out
    assert run(["train", "--recipe", str(tmp_path / "more"), "--out", str(tmp_path), "--name", "again", "--wandb",
                "disabled"]) == 0
    assert read(tmp_path / "again", "recipe.json")["identity"] == read(tmp_path / "more", "recipe.json")["identity"]


@pytest.mark.parametrize("given, words", [({"per_class": None}, "--per-class"), ({"valid": 0.}, "--valid above 0"),
                                          ({"rest": "test"}, "rest")])
def test_what_makes_no_sense(given, words):
    with pytest.raises(UserError, match=words): recipe_of(**{"rest": "valid", **given})

"""`~` where no shell writes the home folder in its place."""
import os
import shutil
from dataclasses import replace

import pytest
from support.commands import TINY_WORDS
from support.small import recipe_of

from fastricks.cli.app import bring_caches_home, option_at_home, run
from fastricks.training.settle import settle_machine


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "home"


def test_options_know_it(home):
    assert option_at_home("--to=~/a b.html") == f"--to={home}/a b.html" and option_at_home("--out=~") == f"--out={home}"
    for word in ("~/a", "--name=~x", "-t", "--out=a~/b", "--out"): assert option_at_home(word) == word


def test_so_does_the_folder_of_caches(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "~/c")
    bring_caches_home()
    assert os.environ["XDG_CACHE_HOME"] == f"{home}/c"


def test_so_do_recipes_and_the_keys_of_tricks(home, teacher):
    shutil.copy(teacher, home / "w.safetensors")
    r = recipe_of("distill:teacher=~/w.safetensors", out="~/runs", weights="~/w.safetensors", classes="~/c.txt")
    assert (r.out, r.weights, r.classes) == tuple(f"{home}/{o}" for o in ("runs", "w.safetensors", "c.txt"))
    assert r.tricks["distill"]["teacher"] == f"{home}/w.safetensors"
    assert settle_machine(replace(r, out="~/other")).out == f"{home}/other"


def test_a_training_makes_no_folder_of_that_name(home, tmp_path, capsys, undrawn):
    assert run(["train", *TINY_WORDS, "--epochs", "1", "--out=~/runs"]) == 0
    assert len([*home.glob("runs/*/model.safetensors")]) == 1 and not [*(tmp_path / "cwd").iterdir()]

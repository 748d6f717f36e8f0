"""A trick is one file: in `tricks/`, of the user's own (`-t ./my_trick.py`), or of a package that is installed."""
import json
import sys
from contextlib import nullcontext

import pytest
from support.marks import slow
from support.small import TINY, recipe_of, same, trained, weights

from fastricks import tricks
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.recipe import own
from fastricks.recipe.command import command
from fastricks.recipe.names import tricks_config
from fastricks.recipe.recipe import Recipe, read_recipe, resolve
from fastricks.recipe.registry import registry
from fastricks.use.train import train

pytestmark = [pytest.mark.usefixtures("forked_cells"), pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]
HEAD = '''
from dataclasses import dataclass, replace
from fastricks.trick.base import Trick, Wanted, key


@dataclass(frozen=True)
'''

WITH_A_CALLBACK = HEAD + '''
class Louder(Trick):
    "The training loss is multiplied."
    by: float = key(3., "factor", above=1)
    source = "nowhere"
    formula = "by · L"

    def on_loss(self, cbs, plan):
        from fastai.callback.core import Callback

        class Multiply(Callback):
            run_valid = False
            def after_loss(cb): cb.learn.loss_grad *= self.by
        return [*cbs, Multiply()]
'''

NEEDS_A_NETWORK = HEAD + '''
class StartFrom(Trick):
    "The weights of another network are where the training starts."
    network: str = key("test_resnet", "a run, a file of weights, or an architecture, which is trained first")
    source = "nowhere"
    formula = "w = w'"

    def needs(self): return Wanted("start_from:network", self.network, "donor", "heir", tricks="warmup:epochs=.5")
    def caution(self): return ["one donor serves all seeds of a row"]

    def model(self, model, plan):
        from safetensors.torch import load_file
        if "start_from" in plan.facts: model.load_state_dict(load_file(plan.facts["start_from"]["file"]))
        return model
'''

CHANGES_THE_STEP = HEAD + '''
class InThrees(Trick):
    "Several batches make a step, and not one is said twice."
    n: int = key(3, "batches a step", least=2)
    source = "nowhere"
    formula = "g = Σ g_i"

    @property
    def batches_a_step(self): return self.n

    def optimizer(self, opt, plan): return replace(opt, batches=self.n)

    def on_step(self, cbs, plan):
        from fastricks.callbacks.accumulate import Accumulate
        return [*cbs, Accumulate(self.n)]
'''

FILES = {"louder": WITH_A_CALLBACK, "start_from": NEEDS_A_NETWORK, "in_threes": CHANGES_THE_STEP}
WORDS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    "Each test begins as a new process does"
    for name, empty in (("loaded", {}), ("strangers", {}), ("trust", False)): monkeypatch.setattr(own, name, empty)
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture
def folder(tmp_path):
    for name, code in FILES.items(): (tmp_path / f"{name}.py").write_text(code)
    return tmp_path


@pytest.fixture(params=[slow("in tricks/"), "of the user's own"])
def spelled(request, folder, monkeypatch):
    "How each of the three is named on the command line"
    if request.param == "of the user's own": return lambda name: str(folder / f"{name}.py")
    monkeypatch.setattr(tricks, "__path__", [*tricks.__path__, str(folder)])
    return lambda name: name


def said(capsys, *words):
    assert run([str(w) for w in words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name, changes", [("louder", "loss"), ("start_from", "model"), ("in_threes", "optimizer")])
def test_it_has_a_card_and_is_explained(spelled, name, changes, capsys):
    card = said(capsys, "tricks", spelled(name))
    assert card.startswith(f"{name}: ") and "source     nowhere" in card and f"use        -t {spelled(name)}" in card
    assert f"changes    {changes}" in card
    out = said(capsys, "train", *WORDS, "-t", spelled(name), "--explain")
    assert f"  {name} " in out and f" {changes} " in out
    if name == "in_threes": assert "3 batches a step: effective batch 48" in out


def test_it_trains_with_an_effect(spelled, tmp_path):
    plain = weights(trained(lr=1e-2))
    for name in FILES:
        learn = trained(spelled(name), lr=1e-2, opt="sgd", out=str(tmp_path / "runs"))
        assert not same(weights(learn), plain), name
    assert len(trained(spelled("in_threes")).recorder.hps["lr"]) == len(trained().recorder.hps["lr"])


def test_what_it_needs_is_trained_first_and_found_again(spelled, tmp_path):
    lines = []
    recipe = recipe_of(spelled("start_from"), out=str(tmp_path / "runs"))
    first = train(recipe, lines.append)
    assert "donor: test_resnet is trained first, once, as an ordinary run, with warmup:epochs=0.5" in lines
    assert "heir:" in lines
    what = json.loads((first.folder / "recipe.json").read_text())
    assert what["facts"]["start_from"]["arch"] == "test_resnet.r160_in1k"
    assert what["recipe"]["tricks"]["start_from"]["network"] == "test_resnet"
    again = []
    second = train(recipe_of(spelled("start_from"), seed=1, out=str(tmp_path / "runs")), again.append)
    assert any(line.startswith("donor: found ") for line in again)
    mine = json.loads((second.folder / "recipe.json").read_text())
    assert mine["facts"]["start_from"]["identity"] == what["facts"]["start_from"]["identity"]


def test_wandb_is_told_of_it(spelled):
    config = tricks_config(recipe_of(f"{spelled('louder')}:by=2+mixup"))["tricks"]
    assert config["louder"] == {"on": True, "by": 2.} and config["mixup"]["on"] and not config["cosine"]["on"]
    if "start_from" in registry(): assert config["start_from"] == {"on": False}


@pytest.mark.slow
def test_an_ablation_of_own_files_is_compared(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    words = ["--seeds", 2, "--out", "runs", "-t", "./louder.py:by=2", "-t", "./start_from.py", "-t",
             "./in_threes.py+warmup:epochs=.5"]
    out = said(capsys, "ablate", *WORDS, *words)
    for label in ("louder:by=2", "start_from", "in_threes+warmup"): assert label in out
    assert "9 runs" in out or "8 runs" in out
    table = said(capsys, "compare", "runs")
    assert "donor" not in table.split("\n")[0] and "one donor serves all seeds of a row" in table
    assert said(capsys, "ablate", *WORDS, *words).count("found") >= 1  # nothing is trained twice


def test_the_hash_of_the_file_is_in_the_identity(folder, tmp_path):
    path = folder / "louder.py"
    first = train(recipe_of(str(path), out=str(tmp_path / "runs")), silent).folder
    own.loaded.clear()
    path.write_text(path.read_text() + "\n# changed\n")
    second = train(recipe_of(str(path), out=str(tmp_path / "runs")), silent).folder
    a, b = (json.loads((f / "recipe.json").read_text()) for f in (first, second))
    assert a["identity"] != b["identity"] and a["recipe"]["trick_files"]["louder"]["file"] == str(path)
    folder = train(recipe_of(out=str(tmp_path)), silent).folder
    assert "trick_files" not in json.loads((folder / "recipe.json").read_text())["recipe"]


def test_a_recipe_from_elsewhere_runs_a_file_only_with_trust(folder, tmp_path, capsys):
    path = folder / "louder.py"
    path.write_text(path.read_text() + f"\nfrom pathlib import Path\nPath({str(tmp_path / 'was run')!r}).touch()\n")
    done = train(recipe_of(f"{path}:by=2", out=str(tmp_path / "runs")), silent).folder
    (tmp_path / "was run").unlink()
    own.loaded.clear()
    for words in (["train", "--recipe", done, "--seed", 1], ["train", "--recipe", done, "--explain"],
                  ["ablate", "--recipe", done, "-t", "cosine"]):
        assert run([*map(str, words), "--out", str(tmp_path / "other"), "--wandb", "disabled"]) == 2
        assert "give --trust to run it" in capsys.readouterr().err
    # to read is not to run
    assert "louder:by=2" in said(capsys, "compare", done) and not (tmp_path / "was run").exists()
    assert Recipe(**read_recipe(done / "recipe.json")).make_tricks()[0].keys() == {"by": 2.}
    out = said(capsys, "train", "--recipe", done, "--seed", 1, "--trust", "--out", tmp_path / "other", "--wandb",
               "disabled")
    assert "louder:by=2" in out and (tmp_path / "was run").exists()
    own.loaded.clear()
    own.strangers.clear()
    path.write_text(path.read_text() + "\n# changed\n")
    assert run(["train", "--recipe", str(done), "--trust", "--out", str(tmp_path / "other")]) == 2
    assert "has changed since" in capsys.readouterr().err


def test_a_trusted_recipe_may_name_no_other_file_than_pythons(tmp_path, monkeypatch):
    (tmp_path / "louder.txt").write_text(WITH_A_CALLBACK)
    monkeypatch.setattr(own, "trust", True)
    with pytest.raises(UserError, match=r"louder\.txt: a trick is a Python file"):
        own.adopt_files({"louder": {"file": str(tmp_path / "louder.txt"), "sha256": ""}}, registry())


def test_the_command_of_a_run_names_the_file(folder):
    recipe = recipe_of(f"{folder / 'louder.py'}:by=2")
    line = command(recipe)
    assert f"-t {folder / 'louder.py'}:by=2" in line
    words = line.split()
    again = resolve({"data": "digits"}, [words[words.index("-t") + 1]])
    assert again.tricks == recipe.tricks and again.trick_files == recipe.trick_files


@pytest.mark.parametrize("name, code, says", [
    ("mixup", WITH_A_CALLBACK, "there is a trick called mixup already"), ("my-trick", WITH_A_CALLBACK, "is no name"),
    ("none_in_it", "x = 1", "has 0 classes that extend Trick"), ("broken", "x = (", "SyntaxError"),
    ("raises", "1 / 0", "ZeroDivisionError: division by zero"),
    ("plain", "from fastricks.trick.base import Trick\nclass Plain(Trick): 'x'\n", "must be a dataclass"),
    ("louder", WITH_A_CALLBACK, None)])
def test_what_is_no_trick_is_one_sentence(tmp_path, name, code, says):
    (tmp_path / f"{name}.py").write_text(code)
    with nullcontext() if says is None else pytest.raises(UserError, match=says) as e:
        resolve({}, [str(tmp_path / f"{name}.py")])
    assert says is None or "\n" not in str(e.value)


def test_wrong_keys_and_missing_files(folder):
    with pytest.raises(UserError, match="louder has no key 'bye'; did you mean 'by'"):
        resolve({}, [f"{folder / 'louder.py'}:bye=2"])
    with pytest.raises(UserError, match="by=1 is out of range: it must be above 1"):
        resolve({}, [f"{folder / 'louder.py'}:by=1"])
    with pytest.raises(UserError, match="there is no such file"): resolve({}, [str(folder / "nowhere.py")])


def test_a_package_brings_tricks(tmp_path, monkeypatch, capsys):
    info = tmp_path / "louder_tricks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: louder-tricks\nVersion: 1.0\n")
    points = "[fastricks.tricks]", "louder = louder_tricks:Louder", "bad = louder_tricks:Nothing"
    (info / "entry_points.txt").write_text("".join(f"{line}\n" for line in points))
    (tmp_path / "louder_tricks.py").write_text(WITH_A_CALLBACK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "louder_tricks", raising=False)
    assert "louder" in said(capsys, "tricks")
    recipe = recipe_of("louder:by=2")
    assert recipe.trick_files["louder"]["entry_point"] == "louder_tricks:Louder"
    assert len(recipe.trick_files["louder"]["sha256"]) == 64
    assert not same(weights(trained("louder:by=2", opt="sgd", lr=.1)), weights(trained(opt="sgd", lr=.1)))
    with pytest.raises(UserError, match="the trick bad is louder_tricks:Nothing, which can't be loaded"):
        recipe_of("bad")

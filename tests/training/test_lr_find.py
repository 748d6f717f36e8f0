"""`--lr find`: a number before the run, found outside of it, the same for all that ask."""
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.marks import slow
from support.run_files import read
from support.small import TINY, learner, recipe_of, same, weights

from fastricks.cli.app import run
from fastricks.core import stop
from fastricks.core.cache import cache_dir
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.training import lr_find
from fastricks.training.lr_find import END, START, FoundRate, known_rate, settle_lr, suggest
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
ARGS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]


def weights_of(folder): return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory):
    "What is found once is found for this file's tests"
    return tmp_path_factory.mktemp("found")


@pytest.fixture(autouse=True)
def in_that_cache(own_cache, one_cache, monkeypatch): monkeypatch.setenv("FASTRICKS_CACHE", str(one_cache))


@pytest.fixture(scope="module")
def found(one_cache, tmp_path_factory, undrawn):
    "A run whose rate was found, with what it said, and the random state before and after the finding"
    import os
    old = os.environ.get("FASTRICKS_CACHE")
    os.environ["FASTRICKS_CACHE"] = str(one_cache)
    said = []
    run = train(recipe_of(lr="find", out=str(tmp_path_factory.mktemp("runs"))), said.append)
    os.environ.pop("FASTRICKS_CACHE") if old is None else os.environ.update(FASTRICKS_CACHE=old)
    return run, said


def test_the_run_has_the_number(found):
    run, said = found
    what = read(run.folder, "recipe.json")
    lr = what["recipe"]["lr"]
    assert isinstance(lr, float) and START < lr < END
    assert what["lr_find"] == {"lr": lr, "rule": "valley"} and lr == float(f"{lr:.3g}")
    assert (run.folder / "lr_find.png").read_bytes()[:4] == b"\x89PNG"
    line = next(o for o in said if o.startswith(f"lr find: {lr:g}, by fastai's valley on "))
    assert line in (run.folder / "log.txt").read_text() and any("up to 100 steps" in o for o in said)


def test_it_is_bit_for_bit_the_run_of_that_number(found, tmp_path):
    run, _ = found
    plain = train(recipe_of(lr=read(run.folder, "recipe.json")["recipe"]["lr"], out=str(tmp_path)), silent)
    assert same(weights_of(plain.folder), weights_of(run.folder))
    a, b = (read(o.folder, "recipe.json") for o in (plain, run))
    assert a["identity"] == b["identity"] and "lr_find" not in a and not (plain.folder / "lr_find.png").exists()
    assert (plain.folder / "predictions.csv").read_text() == (run.folder / "predictions.csv").read_text()


def random_states(): return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_finding_leaves_random_state_files_and_folders_alone(tmp_path, monkeypatch):
    from fastricks.data.checked import open_data
    from fastricks.training.job import Job
    from fastricks.training.settle import settle_machine
    monkeypatch.chdir(tmp_path)
    recipe = settle_machine(recipe_of("mixup", lr="find", seed=3))
    before = random_states()
    new = settle_lr(Job(recipe, open_data(recipe, say=silent)), silent)
    assert random_states() == before and new.found and not list(tmp_path.iterdir())
    assert not torch.is_autocast_enabled("cpu")


def test_it_is_found_once(found, tmp_path, monkeypatch):
    monkeypatch.setattr(lr_find, "rate_curve", lambda *a: pytest.fail("looked for again"))
    said = []
    again = train(recipe_of(lr="find", out=str(tmp_path)), said.append)
    assert read(again.folder, "recipe.json")["identity"] == read(found[0].folder, "recipe.json")["identity"]
    assert (again.folder / "lr_find.png").exists() and not any("up to 100 steps" in o for o in said)


def test_an_interrupted_run_goes_on_without_looking_again(found, tmp_path, monkeypatch):
    monkeypatch.setattr(lr_find, "rate_curve", lambda *a: pytest.fail("looked for again"))
    recipe = recipe_of(lr="find", out=str(tmp_path), checkpoint_every="0s")
    def at_step(n):
        from fastricks.callbacks.checkpoint import Checkpoint
        old, count = Checkpoint.timed_save, []
        def save(self, state):
            old(self, state)
            count.append(1)
            if len(count) == n: raise stop.Stopped("interrupted")
        monkeypatch.setattr(Checkpoint, "timed_save", save)
        return lambda: monkeypatch.setattr(Checkpoint, "timed_save", old)
    undo = at_step(3)
    with pytest.raises(stop.Stopped): train(recipe, silent)
    undo()
    said = []
    done = train(recipe, said.append, resume=True)
    assert any("resumed at epoch 1" in o for o in said) and len([o for o in tmp_path.iterdir() if o.is_dir()]) == 1
    assert same(weights_of(done.folder), weights_of(found[0].folder))


@pytest.fixture
def fewer_steps(monkeypatch): monkeypatch.setattr(lr_find, "MOCK_STEPS", 50)


@pytest.mark.parametrize("selection", [
    "mixup:partner=previous", slow("accumulate:n=3"), slow("warmup+cosine"), slow("one_cycle"),
    slow("mixup:per=sample"), slow("label_smoothing+no_bias_decay+zero_gamma")])
def test_with_tricks(selection, fewer_steps):
    learn, parts = learner(selection, lr="find", wd=1e-4)
    assert START < parts.opt.lr < END and learn.lr == parts.opt.lr == parts.schedule.lr and len(learn.dls.train) > 1


@pytest.mark.slow
def test_with_mixed_precision(fewer_steps):
    _, parts = learner("amp:dtype=bf16", lr="find", size=32, resize=32)
    assert START < parts.opt.lr < END and not torch.is_autocast_enabled("cpu")


def test_with_a_teacher(teacher, fewer_steps):
    _, parts = learner(f"distill:teacher={teacher},store=true", lr="find")
    assert START < parts.opt.lr < END and not list(cache_dir().rglob("answers/**/*.safetensors"))


def test_the_schedule_plays_no_part(found):
    lr = read(found[0].folder, "recipe.json")["recipe"]["lr"]
    assert learner("cosine", lr="find")[1].opt.lr == learner("warmup", lr="find")[1].opt.lr == lr


@pytest.mark.parametrize("words, says", [
    (["-t", "linear_scaling", "--batch-size", "64"], "leave out linear_scaling"),
    (["-t", "distill:teacher=test_resnet"], "give --lr a number, or the run or file of a teacher"),
    (["--opt", "sgd", "--lr", "findd"], "did you mean 'find'"),
])
def test_what_cannot_be(words, says, capsys):
    assert run(["train", *ARGS, "--lr", "find", *words]) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and not out


# -- curves

def steps(losses, end=END): return np.geomspace(START, end, len(losses)).tolist(), list(losses)


def test_fastai_s_valley_is_taken():
    from fastai.callback.schedule import valley
    losses = [2.3] * 40 + np.linspace(2.3, 1., 40).tolist() + np.linspace(1.1, 5., 20).tolist()
    lrs, losses = steps(losses)
    t = torch.tensor(lrs[10:-5]), torch.tensor(losses[10:-5])
    assert suggest(lrs, losses).lr == pytest.approx(valley(*t, 100)[0], rel=5e-3)


@pytest.mark.parametrize("losses, says", [
    ([2.3, 2.4, 9.], "went beyond all bounds after 3 steps, at a learning rate of 1e\\+01"), ([], "after 0 steps"),
    ([2.3] * 100, "no learning rate from .* made the loss fall \\(from 2.3 to 2.3 at best\\)"),
    (np.linspace(2.3, 9., 100), "made the loss fall"),
])
def test_a_curve_that_says_nothing_is_one_sentence(losses, says):
    with pytest.raises(UserError, match=f"^--lr find: .*{says}.*give --lr a number$"): suggest(*steps(losses))


def test_weights_that_are_no_use_are_one_sentence(monkeypatch, capsys, tmp_path):
    from fastricks.training import prepare
    make = prepare.make_parts
    def broken(*a, **k):
        parts = make(*a, **k)
        with torch.no_grad(): next(parts.model.parameters()).fill_(float("nan"))
        return parts
    monkeypatch.setattr(prepare, "make_parts", broken)
    assert run(["train", *ARGS, "--lr", "find", "--seed", "9", "--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "the loss went beyond all bounds after 1 step" in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [dict(lr="1"), dict(lr=float("nan")), dict(lr=99.), dict(rule="mine"),
                                    dict(lrs=[1.]), dict(losses=[None] * 85),
                                    dict(lrs=7), dict(more=1)])
def test_a_cache_that_anybody_wrote(change):
    good = dict(lr=.01, rule="valley", lrs=[.1] * 85, losses=[1.] * 85)
    assert known_rate(good) == FoundRate(**good) and known_rate({**good, **change}) is None
    assert known_rate(None) is None and known_rate([]) is None


# -- grids, explain, pictures

def test_rows_and_seeds_share_the_rate_of_the_first(found, tmp_path):
    from fastricks.grid.grid import Grid
    from fastricks.grid.plan import make_rows
    said = []
    rows = make_rows("add", {**TINY, "lr": "find", "out": str(tmp_path)}, None, ["mixup", "cosine"])
    grid = Grid(rows, [0, 1], say=said.append)
    lr = read(found[0].folder, "recipe.json")["recipe"]["lr"]
    assert [c.recipe.lr for c in grid.cells] == [lr] * 6 and [r.recipe.lr for r in grid.rows] == [lr] * 3
    assert any(o.startswith(f"lr find: {lr:g} for all rows and seeds, found with 'baseline' and seed 0: ")
               for o in said)
    assert list((tmp_path / "explain").glob("*-lr_find.png"))
    baseline = next(c for c in grid.cells if (c.row.name, c.seed) == ("baseline", 0))
    assert baseline.identity == read(found[0].folder, "recipe.json")["identity"]


def test_a_plan_finds_nothing(tmp_path, monkeypatch):
    from fastricks.grid.ablate import ablate
    monkeypatch.setattr(lr_find, "rate_curve", lambda *a: pytest.fail("looked for"))
    said = []
    ablate("add", {**TINY, "lr": "find", "wd": .3, "out": str(tmp_path)}, None, ["mixup"], dry=True, say=said.append)
    assert any("is found before the training" in o and "for all rows and seeds" in o for o in said)


def test_a_sweep_is_refused(tmp_path, capsys):
    assert run(["ablate", *ARGS, "--lr", "find", "-t", "mixup", "--sweep", str(tmp_path / "x.yaml")]) == 2
    assert "give --lr a number" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_advice_takes_the_number_that_was_found(monkeypatch):
    from types import SimpleNamespace

    from fastricks.grid import advise
    asked = []
    c = SimpleNamespace(split="valid", n_images=1, metric=SimpleNamespace(sign=1, title="top-1"))
    monkeypatch.setattr(advise, "compared_on_validation", lambda *a: (c, {}))
    monkeypatch.setattr(advise, "resolve", lambda given, *a: asked.append(given["lr"]))
    grid = SimpleNamespace(rows=[SimpleNamespace(recipe=SimpleNamespace(lr=.003))])
    lines = []
    advise.advise(grid, "add", {"lr": "find"}, None, ["mixup"], say=lines.append)
    assert set(asked) == {.003} and lines[-1] == "train it  fastricks train --lr 0.003"


def test_explain_and_pictures_say_that_it_would_be_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lr_find, "rate_curve", lambda *a: pytest.fail("looked for"))
    assert run(["train", *ARGS, "--lr", "find", "-t", "cosine", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "learning rate is found before the training, in at most 100 steps from 1e-07 to 10 (fastai's valley)" in out
    assert run(["show", "lr", *ARGS, "--lr", "find", "-t", "cosine"]) == 0
    assert "is found before the training" in capsys.readouterr().out
    assert run(["show", "batch", *ARGS, "--lr", "find"]) == 0


def test_the_mock_training_leaves_the_learner_alone(found):
    "What is trained afterwards starts from the recipe's own weights"
    a, b = learner(lr="find")[0], learner(lr=.5)[0]
    assert same(weights(a), weights(b))

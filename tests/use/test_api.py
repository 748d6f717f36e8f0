"""`import fastricks as ft`: every name from a script, and a stranger's mistakes."""
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from matplotlib.figure import Figure
from support.forked import forked
from support.quick import drawing_nothing, forking_cells
from support.small import TINY

import fastricks as ft

SMALL = {k: v for k, v in TINY.items() if k != "workers"} | {"per_class": 10}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    "A folder to work in, as a user's"
    folder, old = tmp_path_factory.mktemp("api"), Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(old)


@pytest.fixture
def quick():
    with forking_cells(): yield


@pytest.fixture(scope="module")
def run(place): return ft.train("digits", ["warmup:epochs=1", "cosine"], quiet=True, **SMALL)


# -- what works

def test_names_come_without_anything_heavy():
    code = ("import sys, fastricks as ft\n"
            "want = '''train load ablate compare evaluate export show_data learner stats Distill BatchMixUp TrainLoss\n"
            "          scheduler zero_gamma param_groups'''\n"
            "assert {*want.split()} <= {*dir(ft)}\n"
            "for n in ('train', 'load', 'ablate', 'learner', 'UserError', 'Recipe'): getattr(ft, n)\n"
            "heavy = {'torch', 'fastai', 'pandas', 'scipy', 'timm', 'matplotlib'} & {*sys.modules}\n"
            "assert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_is_there():
    assert {n for n in dir(ft) if getattr(ft, n, None) is None} == set()
    from fastricks import callbacks
    assert {n for n in dir(callbacks) if not issubclass(getattr(callbacks, n), Callback)} == set()


def test_a_run(run, place):
    assert run.folder.is_dir() and run.folder.parent.resolve() == (place / "runs").resolve()
    assert run.metrics["n"] == 359 and run.recipe.tricks.keys() == {"warmup", "cosine"}
    assert run.history.epoch.tolist() == [1, 2] and {"lr", "train_loss", "valid_loss"} <= {*run.history.columns}
    assert len(run.predictions) == 359
    assert isinstance(run.learn, Learner)


def test_a_run_shows_itself(run, capsys):
    said = f"top-1 {run.metrics['top1']:.2%} of 359 test images"
    assert repr(run).startswith("Run('") and said in repr(run) and "\n" not in repr(run)
    html = run._repr_html_()
    assert 'src="data:image/png' in html and f"{run.metrics['top1']:.2%}" in html
    assert "cosine + warmup" in html
    run.show()
    assert f"{run.metrics['top1']:.2%}" in capsys.readouterr().out


def test_a_run_that_is_loaded_is_the_same_kind(run):
    again = ft.load(run.folder)
    assert type(again) is type(run) and again.metrics == run.metrics and again.learn is None
    x = np.zeros((20, 20), "uint8")
    assert torch.equal(again.probs(x), run.probs(x)) and again.predict(x)[0].label in run.classes
    assert isinstance(again.learner(say=lambda line: None), Learner)
    alone = ft.load(run.file)
    assert ft.load(run).metrics == alone.metrics == run.metrics


def test_a_model_file_alone_has_no_numbers(run, tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(run.file.read_bytes())
    alone = ft.load(file)
    assert alone.metrics == {} and alone.history.empty and alone.recipe is None and alone._repr_html_()
    assert repr(alone).endswith("test_resnet, 10 classes)")


def test_a_run_goes_wherever_its_folder_does(run, tmp_path):
    numbers = ft.evaluate(run, quiet=True).numbers
    assert numbers == {k: run.metrics[k] for k in numbers} and {"top1", "top5", "correct", "n", "loss"} <= {*numbers}
    with drawing_nothing(): again = ft.train(recipe=run, quiet=True, out=tmp_path)
    assert again.metrics["loss"] == run.metrics["loss"] and ft.make_recipe(recipe=run).tricks == run.recipe.tricks
    assert ft.export(run, "timm", tmp_path / "timm",
                     quiet=True) == tmp_path / "timm" and (tmp_path / "timm/config.json").is_file()


def test_a_cell_that_runs_twice(place):
    with drawing_nothing():
        two = [ft.train("digits", quiet=True, out="twice", **{**SMALL, "epochs": 1}) for _ in range(2)]
    assert two[0].folder != two[1].folder and two[0].metrics["loss"] == two[1].metrics["loss"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_ablation(place, run, quick):
    a = ft.ablate("digits", ["cosine"], seeds=2, quiet=True, out="grid", **SMALL)
    assert [r.label for r in a.comparison.rows] == ["baseline", "cosine"] and len(a.folders) == 4 and a.failed == {}
    assert "cosine" in repr(a) and "<table" in a._repr_html_()
    by_hand = ft.compare("grid")
    assert by_hand.row("cosine").diff == a.comparison.row("cosine").diff
    plan = ft.ablate("digits", "cosine", seeds=[5, 6], quiet=True, out="grid", explain=True, **SMALL)
    assert "2 rows × 2 seeds" in repr(plan) and plan.folders == []


def test_looking_before_a_training(place):
    report = ft.show_data("digits", quiet=True)
    assert "balance" in repr(report) and isinstance(report.files, pd.DataFrame) and len(report.files) == 1797
    assert 'src="data:image/png' in report._repr_html_()
    assert isinstance(ft.show_batch("digits", "mixup", n=2, **SMALL), Figure)
    assert isinstance(ft.show_targets("digits", "label_smoothing", n=1, **SMALL), Figure)
    cosine = ft.make_recipe("digits", "cosine", **SMALL)
    assert isinstance(ft.show_lr(cosine, steps=4), Figure) and ft.schedule(cosine, steps=4)(0) == cosine.lr
    assert "mixup" in ft.list_tricks() and repr(ft.card("mixup")).startswith("mixup: ")


def test_a_learner_is_the_training_that_train_does(run):
    learn = ft.learner("digits", ["warmup:epochs=1", "cosine"], quiet=True, **SMALL)
    before = learn.parts.model.state_dict()["fc.weight"].clone()
    assert learn.parts.schedule.warm and not torch.equal(before, run.model.state_dict()["fc.weight"])
    with learn.no_bar(), learn.no_logging(): ft.fit(learn)
    assert torch.equal(learn.model.state_dict()["fc.weight"], run.model.state_dict()["fc.weight"].contiguous())


def test_options_are_shown(run):
    for f in (ft.train, ft.learner, ft.make_recipe, ft.ablate):
        shown = inspect.signature(f).parameters
        assert {"data", "tricks", "epochs", "batch_size", "lr",
                "recipe"} <= {*shown} and shown["epochs"].default is None
    assert "jobs" in inspect.signature(ft.ablate).parameters


# -- a stranger's mistakes

WRONG = {
    "a trick": (lambda: ft.train("digits", "cosin"), "no trick is called 'cosin'; did you mean 'cosine'?"),
    "a key": (lambda: ft.train("digits", "mixup:alhpa=.4"), "mixup has no key 'alhpa'; did you mean 'alpha'?"),
    "an option": (lambda: ft.train("digits", "cosine", epoch=5),
                  "train has no argument 'epoch'; did you mean 'epochs'?"),
    "a value": (lambda: ft.train("digits", epochs="five"),
                "invalid value for '--epochs': 'five' is not a valid integer"),
    "a flag": (lambda: ft.train("digits", pretrained=1), "invalid value for '--pretrained': 1 is not a valid boolean"),
    "a range": (lambda: ft.train("digits", epochs=0), "--epochs 0 is out of range: it must be at least 1"),
    "a rate": (lambda: ft.train("digits", lr="fnd"), "--lr fnd is neither a number nor 'find'; did you mean 'find'?"),
    "a place too many": (lambda: ft.train("digits", "cosine", 5), "say what it is, as in train(…, epochs=5)"),
    "data that is not there": (lambda: ft.train("digts", quiet=True), "did you mean 'digits'?"),
    "data that is none": (lambda: ft.train(5), "invalid value for '--data': 5 is neither a text nor a path"),
    "tricks as a dict": (lambda: ft.train("digits", {"mixup": {}}), "tricks are a text or a list of texts"),
    "tricks with a number": (lambda: ft.train("digits", ["mixup", 3]), "tricks are a text or a list of texts, as in"),
    "a trick that is a number": (lambda: ft.train("digits", 3), "tricks are a text or a list of texts, as in"),
    "a recipe": (lambda: ft.train(recipe="blgo"),
                 "no recipe is called 'blgo', and no such run folder is there; did you mean 'blog'?"),
    "a run": (lambda: ft.load("runs/nothing"), "there is no run runs/nothing"),
    "no run": (lambda: ft.load(None), "load: run=None is not a text or a path"),
    "a run that is data": (lambda: ft.load("digits", "gpu"), "there is no run digits"),
    "nothing to compare": (lambda: ft.compare([]), "there are no runs to compare"),
    "a number to compare": (lambda: ft.compare(5), "5 is neither a text nor a path"),
    "a metric": (lambda: ft.compare("grid", metric="top-1"), "did you mean 'top1'?"),
    "a margin": (lambda: ft.compare("grid", margin="half"), "compare: margin='half' is not a number"),
    "no margin": (lambda: ft.compare("grid", margin=0), "--margin 0 is out of range"),
    "no rows": (lambda: ft.ablate("digits", []), "ablate needs at least one"),
    "seeds": (lambda: ft.ablate("digits", "cosine", seeds="many"), "--seeds many is no number, list or range"),
    "half a seed": (lambda: ft.ablate("digits", "cosine", seeds=2.5), "seeds=2.5 is no number, list or range"),
    "a seed": (lambda: ft.ablate("digits", "cosine", seed=1), "leave seed out"),
    "a mode": (lambda: ft.ablate("digits", "cosine", mode="ad"), "--mode ad is not one of add"),
    "jobs": (lambda: ft.ablate("digits", "cosine", jobs=0), "ablate: jobs=0 is not a whole number of at least 1"),
    "an ablation's margin": (lambda: ft.ablate("digits", "cosine", margin=0.),
                             "ablate: margin=0.0 is out of range: it must be above 0"),
    "a budget": (lambda: ft.ablate("digits", "cosine", budget=5), "ablate: budget=5 is not a text"),
    "a word for True": (lambda: ft.train("digits", quiet="yes"), "train: quiet='yes' is not True or False"),
    "a run to go on with": (lambda: ft.train("digits", resume=5),
                            "train: resume=5 is not True or False or a text or a path"),
    "no images": (lambda: ft.show_batch("digits", n=0), "show_batch: n=0 is not a whole number of at least 1"),
    "a word for images": (lambda: ft.show_targets("digits", n="4"), "show_targets: n='4' is not a whole number"),
    "an epoch": (lambda: ft.first_batch("digits", epoch=99), "epoch 99 is none of this training's 12 epochs"),
    "a word for an epoch": (lambda: ft.first_batch("digits", epoch="last"),
                            "first_batch: epoch='last' is not a whole number"),
    "callbacks": (lambda: ft.learner("digits", cbs="Seeds", quiet=True), "cbs are fastai Callbacks"),
    "no recipe": (lambda: ft.schedule("cosine"), "schedule takes a Recipe"),
    "no steps": (lambda: ft.schedule(ft.make_recipe(), steps=0),
                 "schedule: steps=0 is not a whole number of at least 1"),
    "no comparison": (lambda: ft.draw_delta("runs"), "draw_delta takes a Comparison"),
    "a split": (lambda: ft.evaluate("grid", split=5), "evaluate: split=5 is not a text"),
    "a place": (lambda: ft.export("grid", out=5), "export: out=5 is not a text or a path"),
    "a format": (lambda: ft.export("grid", "onxx"), "did you mean 'onnx'?"),
    "a missing argument": (lambda: ft.load(), "load needs run: load(run=…)"),
    "twice": (lambda: ft.load("x", run="y"), "load: run is given twice"),
    "not a Learner": (lambda: ft.fit("runs/x"), "fit trains a Learner of ft.learner"),
    "not a recipe": (lambda: ft.show_lr("cosine"), "show_lr takes a Recipe"),
    "a card": (lambda: ft.card("mix"), "no trick is called 'mix'; did you mean 'mixup'?"),
}


@pytest.mark.parametrize("call, says", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_call_reads_like_the_command_lines_error(call, says, place, capsys):
    with pytest.raises(ft.UserError) as e: call()
    assert says in str(e.value) and "\n" not in str(e.value)


def test_a_wrong_name_has_the_nearest():
    with pytest.raises(AttributeError, match=r"fastricks has no 'trian'; did you mean 'train'\?"): ft.trian  # noqa: B018


@pytest.mark.parametrize("images, says", [(None, "None is no image"), (5, "5 is no image"),
                                          ("nothing.jpg", "nothing.jpg can't be read")])
def test_what_is_no_image(run, images, says):
    with pytest.raises(ft.UserError) as e: run.predict(images)
    assert says in str(e.value)


@pytest.mark.parametrize("k", [0, -1, 2.5, "2"])
def test_how_many_classes(run, k):
    with pytest.raises(ft.UserError, match="is not a whole number of at least 1"):
        run.predict(np.zeros((20, 20), "uint8"), k=k)


@pytest.mark.parametrize("how", [{"bs": 0}, {"bs": "x"}, {"threads": "x"}, {"threads": -1}])
def test_how_many_at_a_time(run, how):
    with pytest.raises(ft.UserError, match="is not a whole number of at least"):
        run.probs(np.zeros((20, 20), "uint8"), **how)


def test_a_device_that_is_none(run):
    for device in ("cuda:0", "cuda:9", "gpu", "cpu:x"):
        if device == "cuda:0" and torch.cuda.is_available(): continue
        with pytest.raises(ft.UserError, match="--device"): ft.load(run, device)


def test_images_from_the_web(run, tmp_path):
    "Open files, streams, bytes of any kind, arrays of paths"
    import io

    from PIL import Image
    file = tmp_path / "a.png"
    Image.fromarray(np.arange(400, dtype="uint8").reshape(20, 20)).save(file)
    want, data = run.probs(file), file.read_bytes()
    for o in (data, bytearray(data), memoryview(data), io.BytesIO(data), np.array([str(file)]), [io.BytesIO(data)]):
        assert torch.equal(run.probs(o), want)
    with open(file, "rb") as f: assert torch.equal(run.probs(f), want)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_ablation_in_a_script_that_guards_nothing(tmp_path, jobs):
    "As a notebook saved as a script: the trainings' processes must not run it again"
    script = tmp_path / "table.py"
    options = {**SMALL, "epochs": 1, "out": str(tmp_path / "runs"), "jobs": jobs}
    script.write_text("import fastricks as ft\n"
                      "print('begun')\n"
                      f"a = ft.ablate('digits', 'cosine:hold=.3', seeds=1, quiet=True, **{options!r})\n"
                      "assert not a.failed, a.failed\n"
                      "print(len(a.folders))\n")
    r = forked(f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')", cwd=tmp_path)
    assert r.returncode == 0, r.stderr
    assert [line for line in r.stdout.splitlines() if line in ("begun", "2")] == ["begun", "2"]

"""Going on where something is not as it was: data, weights or a teacher at another place, another device, another
machine.
"""
import shutil

import pytest
import torch
from support.marks import slow
from support.photos import make_photos
from support.run_files import read
from support.stopped import EACH, stopped

from fastricks.cli.app import run
from fastricks.core.files import write_json
from fastricks.runfolder import checkpoint

pytestmark = pytest.mark.usefixtures("undrawn")
PHOTOS = dict(size=32, resize=32, per_class=6, epochs=2, batch_size=6)


def said(capsys, code, *words):
    "What a command line printed, on stdout or as its one sentence"
    capsys.readouterr()
    assert run([str(w) for w in words]) == code
    out, err = capsys.readouterr()
    if code: assert err.startswith("error: ") and err.count("\n") == 1
    return err if code else out


@pytest.fixture(scope="module")
def begun(tmp_path_factory, teacher, undrawn):
    "A folder with photos, a teacher, weights and a run from all of them that was stopped in its second epoch"
    home, m = tmp_path_factory.mktemp("home"), pytest.MonkeyPatch()
    make_photos(home / "photos", train=6, test=4)
    (home / "classes.txt").write_text("blue\ngrün\nred sky\n")
    shutil.copy(teacher, home / "w.safetensors")
    stopped(home / "runs", m, data=str(home / "photos"), classes=str(home / "classes.txt"),
            weights=str(home / "w.safetensors"),
            pretrained=False, **{**EACH, **PHOTOS})
    return home


@pytest.fixture
def moved(begun, tmp_path):
    "(old home, new home, the run's folder in it) of the same on a machine where all lies elsewhere"
    old, new = tmp_path / "old", tmp_path / "a new place"
    shutil.copytree(begun, new)
    folder = next((new / "runs").glob("*/recipe.json")).parent
    edited(folder, lambda recipe: {k: v.replace(str(begun), str(old)) if isinstance(v, str) else v
                                   for k, v in recipe.items()})
    return old, new, folder


def edited(folder, change):
    "Write other fields into the recipe of a run, as its folder and its checkpoints have it"
    what = read(folder, "recipe.json")
    what["recipe"] = change(what["recipe"])
    write_json(folder / "recipe.json", what)
    for slot in checkpoint.SLOTS:
        state = checkpoint.load_checkpoint(folder / slot)
        what = {**state["what"], "recipe": change(state["what"]["recipe"])}
        checkpoint.save_checkpoint(folder, {**state, "what": what}, state["generation"])


def test_each_thing_that_lies_elsewhere_is_named_with_the_option_that_says_where(moved, capsys):
    old, new, folder = moved
    words = ["resume", folder]
    for name, file in [("data", "photos"), ("classes", "classes.txt"), ("weights", "w.safetensors")]:
        err = said(capsys, 2, *words)
        assert f"the {name} of {folder}, {old / file}, can't be found: " in err
        assert f": `fastricks resume '{folder}' --{name} NEW`" in err
        words += [f"--{name}", new / file]
    out = said(capsys, 0, *words)
    assert "resumed at epoch 2, batch 3" in out and "changed since" not in out
    assert read(folder, "recipe.json")["recipe"]["data"] == str(new / "photos")
    assert read(folder, "status.json")["status"] == "finished"


def test_other_images_are_refused(moved, capsys):
    _, new, folder = moved
    next((new / "photos" / "train" / "blue").iterdir()).unlink()
    err = said(capsys, 2, "resume", folder, "--data", new / "photos", "--classes", "blue,grün,red sky", "--weights",
               new / "w.safetensors")
    assert "it would be another training: data (fingerprint) was" in err
    assert read(folder, "recipe.json")["recipe"]["data"] != str(new / "photos")


@pytest.fixture(params=[False, slow(True)], ids=["", "compiled"])
def of_a_gpu(begun, tmp_path, request):
    "A run that was begun on a GPU and stopped, on a machine that has none"
    shutil.copytree(begun / "runs", tmp_path / "runs")
    folder = next((tmp_path / "runs").glob("*/recipe.json")).parent
    edited(folder, lambda recipe: {**recipe, "device": "cuda", "threads": 64, "compile": request.param})
    write_json(folder / "environment.json", {**read(folder, "environment.json"), "device": "NVIDIA H100"})
    return folder


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_run_goes_on_with_the_device_that_is_asked_for(of_a_gpu, capsys):
    assert "--device cuda: torch sees no such device here; use --device cpu" in said(capsys, 2, "resume", of_a_gpu)
    refused = said(capsys, 2, "resume", of_a_gpu, "--threads", 1)
    assert "it would be another training: threads was 64 and is 1" not in refused
    out = said(capsys, 0, "resume", of_a_gpu, "--device", "cpu", "--threads", 1)
    assert "rounding may differ: device NVIDIA H100 → cpu" in out
    assert read(of_a_gpu, "environment.json")["resumed"] == [{"at": "epoch 2, batch 3", "device": "cpu"}]
    assert read(of_a_gpu, "recipe.json")["recipe"]["device"] == "cuda"  # what it was begun on, and is known by


def test_another_training_is_none_for_any_device(of_a_gpu, capsys):
    edited(of_a_gpu, lambda recipe: {**recipe, "lr": .5})
    what = read(of_a_gpu, "recipe.json")
    write_json(of_a_gpu / "recipe.json", {**what, "recipe": {**what["recipe"], "lr": .1}})
    refused = said(capsys, 2, "resume", of_a_gpu, "--device", "cpu", "--threads", 1)
    assert "would be another training: lr was 0.5 and is 0.1" in refused


def test_an_option_of_another_training_is_none_of_resume(begun, capsys):
    assert "no such option: --lr\n" in said(capsys, 2, "resume", begun, "--lr", 3)


def test_a_teacher_that_lies_elsewhere(tmp_path, monkeypatch, teacher, capsys):
    (tmp_path / "old").mkdir()
    shutil.copy(teacher, tmp_path / "old" / "t.safetensors")
    folder = stopped(tmp_path / "runs", monkeypatch, f"distill:teacher={tmp_path / 'old' / 't.safetensors'}")
    (tmp_path / "old").rename(tmp_path / "new")
    err = said(capsys, 2, "resume", folder)
    assert f"distill:teacher of {folder}, {tmp_path / 'old' / 't.safetensors'}, can't be found" in err
    assert f"`fastricks resume {folder} -t distill:teacher=NEW`" in err
    out = said(capsys, 0, "resume", folder, "-t", f"distill:teacher={tmp_path / 'new' / 't.safetensors'}")
    assert "resumed at epoch 2, batch 3" in out


@pytest.fixture(scope="module")
def copied(photo_run, tmp_path_factory):
    "A finished run's folder on a machine that has neither its data nor anything else of where it was trained"
    folder = tmp_path_factory.mktemp("elsewhere") / "run"
    shutil.copytree(photo_run[0], folder)
    what = read(folder, "recipe.json")
    what["recipe"] |= {"data": "C:\\Users\\me\\photos", "out": "C:\\Users\\me\\runs"}
    write_json(folder / "recipe.json", what)
    return folder


def test_a_finished_run_that_was_copied_predicts_is_compared_and_evaluated(
    copied, photo_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copied, tmp_path / "runs" / "b")
    image = next((photo_run[1] / "test").rglob("*.jpg"))
    assert image.name in said(capsys, 0, "predict", copied, image)
    assert f"{100 * read(copied, 'metrics.json')['top1']:.2f}" in said(capsys, 0, "compare", copied)
    assert "is finished" in said(capsys, 0, "resume", copied)
    said(capsys, 0, "page", copied)
    assert "--data" in said(capsys, 2, "evaluate", copied)
    said(capsys, 0, "evaluate", copied, "--data", photo_run[1], "--split", "test")
    assert "--data" in said(capsys, 2, "train", "--recipe", copied, "--explain")


def test_a_finished_run_without_its_model_says_how_it_is_made_again(copied, tmp_path, capsys):
    shutil.copytree(copied, tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    for words in (["predict", tmp_path / "run", tmp_path], ["resume", tmp_path / "run"]):
        err = said(capsys, 2, *words)
        assert "is finished, and its model.safetensors is not there: `fastricks train --recipe" in err

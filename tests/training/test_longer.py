"""A finished run with wsd that gets other epochs: from before its cooldown on, as if it had had them from the start."""
import pytest
from support.commands import fails
from support.kills import compare, left
from support.marks import slow
from support.run_files import read
from support.small import recipe_of
from support.stopped import resumed, stopped

from fastricks.cli.app import run
from fastricks.core.words import silent
from fastricks.runfolder import checkpoint
from fastricks.training.longer import KEPT
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
GIVEN = dict(batch_size=24, valid=.2, per_class=10, epochs=4)
WSD = "warmup:epochs=1+wsd:cooldown=1.5"


def a_run(out, *selection, **given):
    return train(recipe_of(*selection, **{**GIVEN, "out": str(out), **given}), silent).folder


@pytest.fixture(scope="module")
def short(tmp_path_factory, undrawn): return a_run(tmp_path_factory.mktemp("short"), WSD)


def made_longer(folder, epochs, *words):
    "The new run's folder"
    before = {*folder.parent.iterdir()}
    assert run(["resume", str(folder), "--epochs", str(epochs), *words]) == 0
    new, = {*folder.parent.glob("*/")} - before
    return new


def same_run(a, b): return not compare({"a": left(a)}, {"a": left(b)})


def test_a_run_keeps_its_state_before_the_cooldown_and_says_how_large_it_is(short):
    assert checkpoint.load_checkpoint(short / KEPT)["epoch"] == 2  # the cooldown begins in the middle of the third
    log = (short / "log.txt").read_text()
    assert f"{KEPT} (" in log and " MB): `fastricks resume" in log


@pytest.mark.parametrize("epochs", [6, slow(5)])
def test_it_is_the_run_that_had_the_epochs_from_the_start(short, tmp_path, epochs, capsys):
    new = made_longer(short, epochs)
    assert "resumes from the end of epoch 2 of" in capsys.readouterr().out
    assert read(new, "recipe.json")["recipe"]["epochs"] == epochs and read(short, "status.json")["status"] == "finished"
    assert same_run(new, a_run(tmp_path, WSD, epochs=epochs))


@pytest.mark.slow
@pytest.mark.parametrize("selection, given", [
    ("wsd:cooldown=.4+mixup:partner=previous+ema:half_life=1", {"keep": "best:macro_f1", "patience": 5}),
    ("wsd+accumulate:n=2+random_erasing", {"batch_size": 12, "opt": "sgd", "checkpoint_every": "0s"})])
def test_with_what_is_carried_from_step_to_step(tmp_path, selection, given):
    new = made_longer(a_run(tmp_path / "a", selection, **given), 7)
    assert same_run(new, a_run(tmp_path / "b", selection, epochs=7, **given))
    # a longer run can get longer again
    assert same_run(made_longer(new, 9), a_run(tmp_path / "c", selection, epochs=9, **given))


@pytest.mark.parametrize("at", [slow((1, 3)), (2, 0), slow((3, 1))])
def test_a_run_that_was_stopped_keeps_it_too(short, tmp_path, monkeypatch, at):
    folder = stopped(tmp_path, monkeypatch, WSD, at=at, **GIVEN)
    resumed(folder)
    assert checkpoint.load_checkpoint(folder / KEPT)["epoch"] == 2 and same_run(folder, short)


@pytest.mark.parametrize("selection, why", [
    ("cosine", "the rates of its schedule, cosine, depend on the number of epochs from the start on"),
    ("warmup:epochs=.4+wsd:cooldown=.5", "what comes before its cooldown depends on its length by warmup:epochs"),
    ("wsd:cooldown=.9", "it has no before-cooldown.safetensors")])
def test_why_another_run_cannot(tmp_path, capsys, selection, why):
    folder = a_run(tmp_path, selection, epochs=2)
    assert not (folder / KEPT).exists()
    err = fails(capsys, "resume", folder, "--epochs", 5)
    assert why in err and f"`fastricks train --recipe {folder} --epochs 5` trains anew" in err


def test_the_sentence_names_all_keys_that_depend_on_the_length(tmp_path, capsys):
    folder = a_run(tmp_path, "wsd:cooldown=.5+warmup:epochs=.4+ema:half_life=.2", epochs=2)
    assert "by ema:half_life, warmup:epochs:" in fails(capsys, "resume", folder, "--epochs", 5)


@pytest.mark.parametrize("epochs, says", [(4, "has had its 4 epochs"), (0, "--epochs 0 is out of range"),
                                          (3, "would begin the cooldown before the end of epoch 2")])
def test_epochs_that_make_no_sense(short, capsys, epochs, says):
    before = {*short.parent.iterdir()}
    assert says in fails(capsys, "resume", short, "--epochs", epochs) and {*short.parent.iterdir()} == before


def test_an_unfinished_run_is_ended_first(tmp_path, monkeypatch, capsys):
    folder = stopped(tmp_path, monkeypatch, WSD, **GIVEN)
    assert f"`fastricks resume {folder}` ends it first" in fails(capsys, "resume", folder, "--epochs", 9)


def test_a_damaged_state_is_no_start(tmp_path, capsys):
    folder = a_run(tmp_path, "wsd:cooldown=1.", epochs=2)
    (folder / KEPT).write_bytes(b"no checkpoint at all")
    assert f"{KEPT} is damaged" in fails(capsys, "resume", folder, "--epochs", 3)

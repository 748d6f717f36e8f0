"""Going on with a training: kills and signals of real processes, what is refused, what is said."""
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from support.forked import forked
from support.kills import compare, left
from support.marks import slow
from support.paths import ROOT
from support.run_files import read, wandb_records
from support.small import TINY, learner, recipe_of
from support.stopped import EACH, resumed, stopped

from fastricks.callbacks.checkpoint import Checkpoint, learner_state, put_back
from fastricks.cli.app import run
from fastricks.core import stop
from fastricks.core.errors import UserError
from fastricks.core.files import write_json
from fastricks.core.words import parse_time, silent
from fastricks.recipe.recipe import resolve
from fastricks.runfolder import checkpoint
from fastricks.runfolder.folder import RunFolder, find_finished
from fastricks.training.job import Job
from fastricks.training.prepare import prepare
from fastricks.training.settle import settle_machine
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")


def many(*args):
    r = forked("from support.kill_many import main\nmain()", *args, timeout=3000)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


@pytest.mark.parametrize("kills, signals, pairs", [(1, 1, 0), slow(2, 2, 1)])
def test_killed_and_stopped_trainings_end_like_undisturbed_ones(kills, signals, pairs):
    "A few here; `python tests/support/kill_many.py` has as many as you like"
    out = many("--kills", kills, "--signals", signals, "--pairs", pairs, "--only", "accumulate")
    assert all(f"{n}, 0 differences" in out for n in (f"{kills} kills", f"{signals} signals", f"{pairs} pairs"))


@pytest.mark.slow
def test_with_mixed_precision_patience_and_a_teacher():
    out = many("--kills", 4, "--signals", 4, "--pairs", 1, "--only", "amp, mixup, accumulate", "--only", "patience",
               "--only", "teacher")
    assert all(f"{n}, 0 differences" in out for n in ("4 kills", "4 signals", "1 pairs"))


@pytest.mark.slow
def test_twenty_kills_and_twenty_signals():
    out = many("--kills", 20, "--signals", 20, "--pairs", 3, "--seed", 20)
    assert all(f"{n}, 0 differences" in out for n in ("20 kills", "20 signals", "3 pairs"))


# -- in this process: stopped at a chosen step, by a real signal


@pytest.fixture(scope="module")
def base(tmp_path_factory, undrawn):
    "A run that was stopped in its second epoch, and what it is when nobody stops it"
    out, m = tmp_path_factory.mktemp("base"), pytest.MonkeyPatch()
    folder = stopped(out, m, "mixup:partner=previous")
    whole = train(recipe_of("mixup:partner=previous", **EACH, out=str(out / "whole")), silent).folder
    return folder, left(whole)


@pytest.fixture
def run_folder(base, tmp_path):
    shutil.copytree(base[0], tmp_path / "runs" / base[0].name)
    return tmp_path / "runs" / base[0].name


def edit(folder, name, **changes):
    d = read(folder, name)
    write_json(folder / name, d | {k: {**d[k], **v} if isinstance(v, dict) else v for k, v in changes.items()})


def fails(capsys, *words):
    capsys.readouterr()
    assert run([str(w) for w in words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    return err


def test_a_stopped_run_says_so_and_keeps_two_generations(base):
    folder, _ = base
    assert read(folder, "status.json")["status"] == "interrupted"
    states = [checkpoint.load_checkpoint(folder / s) for s in checkpoint.SLOTS]
    assert {(s["epoch"], s["batch"]) for s in states} == {(1, 1), (1, 2)} and not (folder / "metrics.json").exists()
    assert states[0]["what"] == read(folder, "recipe.json")


def test_the_verb_ends_it_as_if_nothing_had_been(base, run_folder, capsys):
    assert run(["resume", str(run_folder)]) == 0
    out = capsys.readouterr().out
    assert "resumed at epoch 2, batch 3" in out and "accuracy" in out
    assert not compare({"a": left(run_folder)}, {"a": base[1]})
    log = (run_folder / "log.txt").read_text()
    assert len(re.findall(r"^ +1 ", log, re.M)) == 1 and "resumed at" in log
    assert run(["resume", str(run_folder)]) == 0 and "is finished" in capsys.readouterr().out


def test_the_option_finds_it_by_what_it_is(base, run_folder, capsys):
    edit(run_folder, "recipe.json", recipe={"name": "x", "workers": 3})
    other = run_folder.rename(run_folder.parent / "another name")
    r = recipe_of("mixup:partner=previous", **EACH, out=str(other.parent))
    assert train(r, print, resume=True).folder == other and not compare({"a": left(other)}, {"a": base[1]})
    again = train(r, print, resume=True)  # finished: it is found, and nothing is trained
    assert again.folder == other and again.learn is None and again.metrics == read(other, "metrics.json")
    assert f"{other} is finished, so that nothing is left to train" in capsys.readouterr().out
    assert train(replace(r, name="of that name"), print, resume=True).folder.name == "of that name"
    assert "no unfinished run of this recipe" in capsys.readouterr().out
    assert train(r, print).folder not in (other, other.parent / "of that name")


def queued(out):
    words = ["train", "--resume", "--out", out, *(w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", v))]
    return [*map(str, words), "--classes", "0,1"]


def test_a_command_that_is_queued_again_shows_the_finished_run(tmp_path, capsys):
    for n in (1, 2): assert run(queued(tmp_path)) == 0 and len([*tmp_path.glob("*/recipe.json")]) == 1, n
    out = capsys.readouterr().out
    assert "is finished, so that nothing is left to train" in out and out.count("\naccuracy  ") == 2
    assert "top-5" not in out


def test_what_a_kill_at_the_very_end_left_is_removed(tmp_path, capsys):
    assert run(queued(tmp_path)) == 0
    folder = next(tmp_path.glob("*/"))
    there = {o.name for o in folder.iterdir()}
    for name in ("checkpoint-0.safetensors", ".lock", ".status.json.123.tmp"): (folder / name).write_bytes(b"")
    assert run(queued(tmp_path)) == 0 and "is finished" in capsys.readouterr().out
    assert {o.name for o in folder.iterdir()} == there


def test_the_option_begins_anew_and_says_what_differs(run_folder, capsys):
    r = recipe_of("mixup:partner=previous,alpha=.3", **EACH, lr=3e-3, epochs=1, out=str(run_folder.parent))
    assert train(r, print, resume=True).folder != run_folder
    out = capsys.readouterr().out
    assert "starting anew" in out and "lr was 0.001 and is 0.003" in out and "epochs was 2 and is 1" in out
    assert read(run_folder, "status.json")["status"] == "interrupted"


def test_a_name_that_is_another_training_is_refused(run_folder, capsys):
    given = {**TINY, **EACH, "name": run_folder.name, "out": run_folder.parent}
    words = [w for k, v in given.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    err = fails(capsys, "train", *words, "-t", "mixup:partner=previous", "--lr", ".5", "--resume")
    assert "would be another training: lr was 0.001 and is 0.5" in err
    assert "is there already" in fails(capsys, "train", *words, "-t", "mixup:partner=previous")


def test_a_run_that_is_not_the_same_any_more_is_refused_by_name(run_folder, capsys, monkeypatch):
    for change, says in [({"lr": .5}, "lr was 0.001 and is 0.5"), ({"per_class": 7}, "data (fingerprint) was"),
                         ({"tricks": {"cosine": {"hold": 0.}}}, "mixup:alpha was 0.2 and is not there"),
                         ({"threads": 2}, "threads was 1 and is 2")]:
        old = (run_folder / "recipe.json").read_bytes()
        edit(run_folder, "recipe.json", recipe=change)
        assert says in fails(capsys, "resume", run_folder)
        (run_folder / "recipe.json").write_bytes(old)
    monkeypatch.setattr("fastricks.training.job.NUMERICS", 99)
    monkeypatch.setattr("fastricks.recipe.identity.NUMERICS", 99)
    assert "numerics (of the code) was" in fails(capsys, "resume", run_folder)
    assert checkpoint.newest(run_folder)[0]["epoch"] == 1 and not (run_folder / "metrics.json").exists()


def test_other_weights_are_refused(tmp_path, monkeypatch, teacher, capsys):
    file = tmp_path / "w.safetensors"
    shutil.copy(teacher, file)
    folder = stopped(tmp_path / "runs", monkeypatch, weights=str(file), pretrained=False)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "weights was" in fails(capsys, "resume", folder)
    file.unlink()
    assert f"the weights of {folder}, {file}, can't be found" in fails(capsys, "resume", folder)


@pytest.mark.parametrize("where, says", [("nowhere", "is not the folder of a run"),
                                         ("empty", "is not the folder of a run")])
def test_what_is_no_run(where, says, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert says in fails(capsys, "resume", tmp_path / where)


def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(base, run_folder, capsys):
    last = max((run_folder / s for s in checkpoint.SLOTS), key=lambda f: checkpoint.load_checkpoint(f)["generation"])
    last.write_bytes(last.read_bytes()[:-1])
    assert run(["resume", str(run_folder)]) == 0
    out = capsys.readouterr().out
    assert f"{last} is damaged" in out and "the checkpoint before it is used" in out
    assert "resumed at epoch 2, batch 2" in out
    assert not compare({"a": left(run_folder)}, {"a": base[1]})


def test_no_whole_checkpoint_left(base, run_folder, capsys):
    for s in checkpoint.SLOTS: (run_folder / s).write_bytes(b"{}")
    assert "no checkpoint left that is whole" in fails(capsys, "resume", run_folder)
    assert (run_folder / checkpoint.SLOTS[0]).exists()
    r = recipe_of("mixup:partner=previous", **EACH, out=str(run_folder.parent))
    assert train(r, print, resume=True).folder != run_folder
    out = capsys.readouterr().out
    assert "it can't be used" in out and "starting anew" in out


def test_killed_before_the_first_checkpoint(base, run_folder, capsys):
    for slot in checkpoint.SLOTS: (run_folder / slot).unlink(missing_ok=True)
    (run_folder / ".model.safetensors.7.tmp").write_bytes(b"part")
    assert run(["resume", str(run_folder)]) == 0
    assert "resumed at the beginning" in capsys.readouterr().out
    assert not compare({"a": left(run_folder)}, {"a": base[1]})


def test_other_versions_are_said(run_folder, capsys):
    edit(run_folder, "environment.json", torch="1.0", cpu="another")
    assert run(["resume", str(run_folder)]) == 0
    out = capsys.readouterr().out
    assert "rounding may differ: torch 1.0 →" in out and "cpu another →" in out


HOLD = ("import sys, time; from fastricks.runfolder.folder import RunFolder; r = RunFolder(sys.argv[1]); "
        "print(r.hold(), flush=True); time.sleep(60)")


def test_a_run_that_another_process_trains_is_left_alone(base, run_folder, capsys):
    with subprocess.Popen([sys.executable, "-c", HOLD, run_folder], stdout=subprocess.PIPE, text=True, cwd=ROOT) as p:
        assert p.stdout.readline() == "True\n"
        assert "is being trained by another process" in fails(capsys, "resume", run_folder)
        r = recipe_of("mixup:partner=previous", **EACH, out=str(run_folder.parent))
        assert train(r, silent, resume=True).folder != run_folder
        p.kill()
    assert not compare({"a": left(resumed(run_folder).folder)}, {"a": base[1]})


def test_the_signal_is_heard_in_the_final_evaluation(tmp_path, monkeypatch):
    "The training is not begun again: what is saved is its end"
    from fastricks.training import finish
    with monkeypatch.context() as m:
        m.setattr(finish, "metrics", lambda *a: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(stop.Stopped): train(recipe_of(keep="best", out=str(tmp_path), epochs=3), silent)
    folder, = tmp_path.glob("*/")
    state, _ = checkpoint.newest(folder)
    assert (state["epoch"], state["batch"]) == (3, 0)
    monkeypatch.setattr(Checkpoint, "before_batch", lambda self: pytest.fail("trained again"))
    resumed(folder)
    monkeypatch.undo()
    want = train(recipe_of(keep="best", out=str(tmp_path / "b"), epochs=3), silent).folder
    assert not compare({"a": left(folder)}, {"a": left(want)})


def test_the_teacher_is_gone_on_with(tmp_path, monkeypatch, capsys):
    "Stopped while its teacher trains, a training goes on with it when the same command comes again"
    r = recipe_of("distill:teacher=test_resnet", **{**EACH, "batch_size": 12}, epochs=3, seed=1, out=str(tmp_path))
    folder = stopped(tmp_path, monkeypatch, "distill:teacher=test_resnet", batch_size=12, epochs=3, seed=1)
    assert read(folder, "recipe.json")["recipe"]["seed"] == 0 and "the teacher" in stop.asked.how
    train(r, print)
    assert "resumed at epoch 2, batch 3" in capsys.readouterr().out and len(list(tmp_path.glob("*/"))) == 2


def test_an_offline_wandb_run_that_is_resumed_has_all_epochs(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    folder = stopped(tmp_path / "runs", monkeypatch, wandb="offline")
    first, = (folder / "wandb").glob("offline-run-*")
    shutil.move(first, tmp_path)  # `wandb_records` reads the only one
    result = train(recipe_of(**EACH, out=str(tmp_path / "runs"), wandb="offline"), silent, resume=True)
    rows = [r["history"]["item"] for r in wandb_records(result.folder) if r.get("type") == "history"]
    assert result.folder == folder and [r["epoch"] for r in rows if "epoch" in r] == [1, 2]
    assert [r["step"] for r in rows if "train/loss" in r] == [5]


def test_killed_before_it_was_a_run(tmp_path):
    "A folder whose recipe.json is not there yet, and that nobody holds, is taken over; anything else in the way is not"
    r = recipe_of(out=str(tmp_path))
    begun = RunFolder.create(r, "digits-s0", {})
    assert not find_finished(tmp_path, None)
    (begun.folder / "recipe.json").unlink()
    begun.release()
    (begun.folder / ".status.json.7.tmp").write_text("part")
    again = RunFolder.create(r, "digits-s0", {})
    assert again.folder == begun.folder and (again.folder / "environment.json").exists()
    assert not list(again.folder.glob("*.tmp"))
    (tmp_path / f"{begun.name}-2").mkdir()
    (tmp_path / f"{begun.name}-2" / "notes.txt").write_text("mine")
    third = RunFolder.create(r, "digits-s0", {})
    assert third.name == f"{begun.name}-3"
    for o in (again, third): o.release()


# -- parts

@pytest.mark.parametrize("pipeline, workers", [("fast", 0), ("reference", 0), ("reference", 2)])
@pytest.mark.parametrize("bs", [24, 23])
def test_a_loader_begins_at_any_batch(pipeline, workers, bs):
    "Of 70 images; with 23 a batch the last one joins the batch before"
    from fastricks.data.checked import open_data
    recipe = settle_machine(recipe_of(batch_size=bs, pipeline=pipeline, workers=workers))
    dl = prepare(Job(recipe, open_data(recipe, say=silent)))[1].train
    dl.epoch = 3
    want = list(dl)
    assert len(want) == len(dl) == 3
    for start in range(4):
        dl.start = start
        got = list(dl)
        assert len(got) == 3 - start
        for a, b in zip(got, want[start:], strict=True): assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_the_same_weights_are_the_same_file(base, tmp_path, monkeypatch):
    a = train(recipe_of("mixup:partner=previous", **EACH, out=str(tmp_path)), silent).folder
    assert left(a)["model.safetensors"] == base[1]["model.safetensors"]


def test_the_scale_of_fp16_comes_back():
    learn, _ = learner()
    learn.fit(1)
    learn.scaler = torch.amp.GradScaler("cpu", init_scale=4096., growth_interval=7)
    learn.scaler.scale(torch.ones(1, requires_grad=True) * 2).backward()
    tree = checkpoint.from_bytes(b"".join(checkpoint.to_bytes(learner_state(learn, 0, 0))))
    want, learn.scaler = learn.scaler.state_dict(), torch.amp.GradScaler("cpu")
    assert want["scale"] == 4096. and want["growth_interval"] == 7
    put_back(learn, tree)
    assert learn.scaler.state_dict() == want


@pytest.mark.parametrize("text, seconds", [("0s", 0), ("30s", 30), ("10m", 600), ("1h30m", 5400), (None, None)])
def test_times(text, seconds): assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1d"])
def test_times_that_are_none(text):
    with pytest.raises(UserError, match=r"--checkpoint-every .* is no time"): resolve({"checkpoint_every": text})

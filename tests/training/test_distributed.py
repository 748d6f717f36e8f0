"""Several processes train one network: what each sees, what they make together, how they end."""
import csv
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file
from support.marks import crossed, slow
from support.paths import ROOT
from support.several import environ, losses, several
from support.small import TINY, learner, recipe_of, weights

from fastricks.callbacks.checkpoint import Checkpoint
from fastricks.cli.app import run
from fastricks.core import machine, ranks, stop
from fastricks.core.errors import UserError
from fastricks.core.files import read_json
from fastricks.core.words import silent
from fastricks.data.checked import open_data
from fastricks.data.loader.loaders import make_dls
from fastricks.recipe.identity import identity
from fastricks.recipe.recipe import resolve
from fastricks.training import resume
from fastricks.training.evaluate import logits_and_labels, metrics
from fastricks.training.longer import longer
from fastricks.training.settle import settle_machine
from fastricks.training.training import train
from fastricks.use.train import train as train_with_pictures

PLAIN = dict(arch="test_convnext", size=32, resize=32, lr=1e-3, opt="adam")  # no BatchNorm
STATS = (.5,) * 3, (.5,) * 3


def loaders(rank, world, monkeypatch, **given):
    "DataLoaders as process `rank` of `world` has them, with batches of 24 among all"
    monkeypatch.setattr(ranks.here, "rank", rank)
    monkeypatch.setattr(ranks.here, "world", world)
    r = replace(recipe_of(**given), processes=1, batch_size=24)
    return make_dls(open_data(r, check=False, say=silent), r, *STATS)


def rows_of(dl):
    "The images of each batch, as text"
    return [[x.numpy().tobytes() for x in b[0]] for b in dl]


# -- what each process sees

@pytest.mark.parametrize("world, pipeline", crossed([2, 3, 5, 30], ["fast", "reference"], plain=[
    (2, "fast"), (3, "reference"), (5, "fast")]))
def test_every_image_of_an_epoch_once_and_in_the_same_batch(world, pipeline, monkeypatch):
    given = dict(pipeline=pipeline, per_class=5)  # 40 or so: a last batch smaller than 30 processes
    whole = loaders(0, 1, monkeypatch, **given).train
    whole.epoch = 3
    want, got = rows_of(whole), []
    for r in range(world):
        dl = loaders(r, world, monkeypatch, **given).train
        dl.epoch = 3
        assert len(dl) == len(want)
        got.append([b[:len(p)] for b, p in zip(rows_of(dl), dl.own_places(), strict=True)])
    assert [len(b) for b in want] == [24, len(whole.dataset) - 24]
    for i, batch in enumerate(want):
        assert sorted(x for g in got for x in g[i]) == sorted(batch)
        assert max(len(g[i]) for g in got) - min(len(g[i]) for g in got) <= 1


def test_a_process_without_an_image_has_two_to_keep_step_with(monkeypatch):
    dl = loaders(29, 30, monkeypatch, per_class=5).train
    assert [len(p) for p in dl.own_places()] == [0, 0] and [len(b[1]) for b in dl] == [2, 2]


@pytest.mark.parametrize("workers", [0, slow(2)])
def test_evaluation_takes_whole_batches_in_turns(workers, monkeypatch):
    given = dict(pipeline="reference", workers=workers)
    whole = rows_of(loaders(0, 1, monkeypatch, **given).test)
    got = [loaders(r, 3, monkeypatch, **given).test for r in range(3)]
    assert len(whole) == 8 and [len(dl) for dl in got] == [3, 3, 2]
    for r, dl in enumerate(got): assert rows_of(dl) == whole[r::3]
    assert sorted(np.concatenate([np.concatenate(dl.own_places()) for dl in got])) == list(range(len(got[0].dataset)))


def test_workers_and_a_start_in_mid_epoch_change_nothing(monkeypatch):
    a = loaders(1, 2, monkeypatch, pipeline="reference").train
    b = loaders(1, 2, monkeypatch, pipeline="reference", workers=2).train
    want = rows_of(a)
    a.start = b.start = 2
    assert rows_of(a) == rows_of(b) == want[2:]


# -- what they are called

def started(monkeypatch, world, rank=0):
    for k, v in environ(rank, world, 1).items(): monkeypatch.setenv(k, v)


def test_the_effective_batch_is_that_of_all(monkeypatch, capsys, tmp_path):
    with pytest.raises(UserError, match="changes nothing"): recipe_of("linear_scaling:base=16")
    started(monkeypatch, 4)
    with pytest.raises(UserError, match="the effective batch is 128 too"):
        recipe_of("linear_scaling:base=128+accumulate")
    words = [f"--{k.replace('_', '-')}={v}" for k, v in {**TINY, "lr": 1e-3}.items()]
    assert run(["train", *words, "-t", "linear_scaling:base=16+accumulate", "--explain", "--out", str(tmp_path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "/ batch 64 (of 4 processes, 16 each)" in out and "effective batch 128" in out
    assert "learning rate 0.001 scaled to 0.008" in out


def test_identity_is_the_same_for_one_process_and_another_for_several(monkeypatch):
    r = recipe_of()
    one, two = (identity(replace(r, processes=n), "d") for n in (1, 2))
    assert identity(r, "d") == one != two != identity(replace(r, batch_size=32, processes=1), "d")


def test_what_does_not_go_with_several_processes_is_refused(monkeypatch, capsys):
    assert run(["train", "--sync-bn", "--device", "cpu"]) == 2 and "needs CUDA" in capsys.readouterr().err
    started(monkeypatch, 2)
    monkeypatch.setattr(ranks, "may_tell", lambda text: True)
    for words, why in ((["ablate", "-t", "mixup"], "leave out torchrun"), (["train", "--seeds", "2"], "one --seed"),
                       (["train", "-t", "distill:store=true"], "store=true")):
        assert run(words) == 2
        assert why in capsys.readouterr().err


def test_cores_are_divided(monkeypatch):
    monkeypatch.setattr(machine, "affinity", lambda: 8)
    monkeypatch.setattr(machine, "quota", lambda: 8.)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert settle_machine(resolve({})).threads == 8
    started(monkeypatch, 4)
    r = settle_machine(resolve({}))
    assert (r.threads, r.processes, r.whole_batch) == (2, 4, 4 * r.batch_size)


# -- what they make together

def close(a, b, tol=1e-4): assert len(a) == len(b) and max(abs(x - y) for x, y in zip(a, b, strict=True)) < tol, (a, b)


@pytest.mark.parametrize("selection, more", [
    ("", {"epochs": 5}), slow("accumulate:n=3+label_smoothing+warmup:epochs=.5+distill:teacher=",
                              {"epochs": 4, "batch_size": 8})],
    ids=["plain", "tricks"])
def test_two_processes_train_as_one_with_their_batches(selection, more, tmp_path):
    if selection.endswith("="):
        selection += str(tmp_path / "teacher.safetensors")
        save_file(weights(learner(**PLAIN, seed=9)[0]), tmp_path / "teacher.safetensors")
    given = {**PLAIN, "per_class": 10, "batch_size": 12, **more}
    bs = given["batch_size"]
    one = losses(selection, {**given, "batch_size": 2 * bs})
    a, b = several(2, losses, selection, given)
    assert len(one["losses"]) >= 20 and one["losses"][0] > one["losses"][-1] + .1
    assert a == b
    close(one["losses"], a["losses"])
    close([r["valid_loss"] for r in one["rows"]], [r["valid_loss"] for r in a["rows"]])
    close([r["train_loss"] for r in one["rows"]], [r["train_loss"] for r in a["rows"]])
    assert [r["accuracy"] for r in a["rows"]] == pytest.approx([r["accuracy"] for r in one["rows"]])


def test_three_processes_and_shares_that_are_not_equal():
    given = {**PLAIN, "per_class": 7, "batch_size": 10, "epochs": 2}  # 63 or so images in batches of 30: the last has 3
    one = losses("", {**given, "batch_size": 30})
    got = several(3, losses, "", given)
    assert got[0] == got[1] == got[2]
    close(one["losses"], got[0]["losses"])
    assert [r["accuracy"] for r in got[0]["rows"]] == pytest.approx([r["accuracy"] for r in one["rows"]])


@pytest.mark.parametrize("process", [slow(0), 1])
def test_a_step_that_is_bad_for_one_is_left_out_by_all(process):
    given = {"per_class": 10, "batch_size": 12, "epochs": 2}  # with BatchNorm, whose averages are kept clean
    a, b = several(2, losses, "", given, (process, 1))
    assert a["weights"] == b["weights"] and np.isfinite(a["weights"]) and a["rows"] == b["rows"]
    assert [r["skipped_steps"] for r in a["rows"]] == [1, 1] and all(np.isfinite(r["valid_loss"]) for r in a["rows"])


@pytest.mark.parametrize("selection", [slow("distill:teacher={}+label_smoothing+amp:dtype=bf16+accumulate"),
                                       "mixup:partner=previous+one_cycle", slow("mixup:per=sample")])
def test_every_trick_trains(teacher, selection):
    given = {"size": 32, "resize": 32, "per_class": 6, "epochs": 1, "batch_size": 8}
    a, b = several(2, losses, selection.format(teacher), given)
    assert a == b and all(np.isfinite(a["losses"]))


@pytest.mark.slow
def test_a_teacher_is_trained_once_by_all_together(tmp_path):
    given = dict(arch="test_resnet", size=16, resize=16, epochs=4)
    results = several(2, a_run, str(tmp_path), None, None, ["distill:teacher=test_resnet+mixup"], given,
                      train_with_pictures)
    assert len({r[0] for r in results}) == 1
    for folder in tmp_path.glob("*/"):
        assert read_json(folder / "status.json")["status"] == "finished" and (folder / "targets.png").exists()
        assert read_json(folder / "recipe.json")["recipe"]["processes"] == 2
    assert len([*tmp_path.glob("*/")]) == 2


def loses_images(out, data):
    "A run in whose first epoch images go away that the processes have yet to read"
    step = Checkpoint.after_step

    def after_step(self):
        step(self)
        if ranks.is_first() and (self.learn.epoch, self.learn.iter) == (0, 0):
            for dl in self.dls.loaders:
                for o in dl.items[:3]: Path(o.image).unlink()
    Checkpoint.after_step = after_step
    given = dict(data=data, pipeline="reference", pretrained=False, valid=.3, max_bad=.5, batch_size=6, epochs=3,
                 out=out)
    result = train(recipe_of(**given), silent, bar=False)
    return [result.metrics["n"], sorted(result.learn.dls.losses.found),
            [r["train_loss"] for r in result.learn.history.rows]]


def made_longer(folder, epochs):
    "A finished run's longer one, by one of several processes: its folder and last row"
    recipe, where = longer(resume.recipe_to_resume(folder), resume.Elsewhere(Path(folder), {}), epochs)
    result = train(recipe, silent, bar=False, resume=where)
    return [str(result.folder), result.metrics]


@pytest.mark.slow
def test_a_run_with_wsd_gets_longer_in_several_processes(tmp_path):
    (short, _), _ = several(2, a_run, str(tmp_path / "a"), None, None, ["wsd:cooldown=1."], {"epochs": 2})
    (new, final), _ = several(2, made_longer, short, 3)
    (whole, want), _ = several(2, a_run, str(tmp_path / "b"), None, None, ["wsd:cooldown=1."], {"epochs": 3})
    assert new != short and untimed(final) == untimed(want) and rows(new) == rows(whole)


def test_images_that_go_away_are_left_out_by_all(tmp_path):
    data = tmp_path / "photos"
    for c in "abc":
        (data / c).mkdir(parents=True)
        for i in range(14):
            noise = np.random.default_rng(i).integers(0, 255, (20, 18, 3), np.uint8)
            Image.fromarray(noise).save(data / c / f"{i}.png")
    a, b = several(2, loses_images, str(tmp_path / "runs"), str(data))
    assert a == b and len(a[1]) == 6 and a[0] == 6 - 3 and all(np.isfinite(a[2]))
    folder, = (tmp_path / "runs").glob("*/")
    assert len((folder / "skipped.csv").read_text().splitlines()) == 7
    assert len((folder / "predictions.csv").read_text().splitlines()) == 4


def a_run(out, at=None, folder=None, selection=(), given=(), train=train):
    "Train in one of several processes; process 1 gets a SIGTERM in a step `at` (epoch, batch)"
    step = Checkpoint.after_step

    def after_step(self):
        step(self)
        if ranks.rank() == 1 and (self.learn.epoch, self.learn.iter) == at: os.kill(os.getpid(), signal.SIGTERM)
    Checkpoint.after_step = after_step
    recipe = resume.recipe_to_resume(folder) if folder else recipe_of(
        *selection, **{**PLAIN, "per_class": 10, "batch_size": 12, "epochs": 4, "out": out, **dict(given)})
    try: result = train(recipe, silent, bar=False, resume=folder or False)
    except stop.Stopped: return [stop.exit_code()]
    return [str(result.folder), result.metrics]


def untimed(final): return {k: v for k, v in final.items() if "seconds" not in k and k != "images_per_s"}


def rows(folder): return [[float(r[k]) for k in ("train_loss", "valid_loss", "accuracy")] for r in
                          (dict(zip(*o, strict=True)) for o in with_titles((Path(folder) / "history.csv").read_text()))]


def with_titles(text):
    head, *lines = (line.split(",") for line in text.splitlines())
    return [(head, line) for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "A run of two processes that nobody disturbs"
    out = str(tmp_path_factory.mktemp("whole"))
    (folder, final), other = several(2, a_run, out)
    assert other[0] == folder and untimed(other[1]) == untimed(final)
    return Path(folder), final


def test_one_process_writes_one_run(whole):
    folder, final = whole
    assert [f.name for f in folder.parent.iterdir()] == [folder.name]
    assert read_json(folder / "metrics.json") == final and read_json(folder / "status.json")["status"] == "finished"
    assert read_json(folder / "environment.json")["processes"] == 2
    assert read_json(folder / "recipe.json")["recipe"]["processes"] == 2
    log = (folder / "log.txt").read_text()
    assert log.count("batches of 24 images, shared out among 2 processes") == 1
    assert len(re.findall(r"^ +[1-4] ", log, re.M)) == 4
    assert len((folder / "predictions.csv").read_text().splitlines()) == final["n"] + 1


def test_final_numbers_are_those_of_one_process(whole):
    folder, final = whole
    learn, _ = learner(**{**PLAIN, "per_class": 10, "batch_size": 12}, weights=str(folder / "model.safetensors"))
    want = {k: final[k] for k in ("top1", "top5", "correct", "n", "loss")}
    assert metrics(*logits_and_labels(learn, learn.dls.test)) == want
    valid = metrics(*logits_and_labels(learn, learn.dls.valid))
    assert valid == {k: final["valid"][k] for k in valid}


def test_scores_of_classes_are_over_the_images_of_all_processes(whole):
    "An epoch's, of the Learner's own shares of the images, are the final ones, of all predictions together"
    folder, final = whole
    last = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))[-1]
    for k in ("macro_f1", "balanced_accuracy"): assert float(last[k]) == pytest.approx(final["valid"][k])


@pytest.mark.parametrize("then", [slow(1), 2, slow(3)])
def test_a_signal_to_one_stops_all_and_any_number_goes_on(whole, tmp_path, then):
    assert several(2, a_run, str(tmp_path), (1, 2)) == [[143], [143]]
    folder, = tmp_path.glob("*/")
    assert read_json(folder / "status.json")["status"] == "interrupted"
    more = several(then, a_run, str(tmp_path), None,
                   str(folder)) if then > 1 else [a_run(str(tmp_path), None, str(folder))]
    assert {m[0] for m in more} == {str(folder)} and [f.name for f in tmp_path.glob("*/")] == [folder.name]
    assert "resumed at epoch 2, batch 4" in (folder / "log.txt").read_text()
    got, want = rows(folder), rows(whole[0])
    assert len(got) == len(want) == 4
    for g, w in zip(got, want, strict=True): close(g, w)  # the tolerance of the README
    if then == 2: assert got == want


# -- how they end

def launched(n, script, *words, **more):
    "torchrun on a script with words"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n, script, *words]
    return subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                            **more)


WORDS = [w for k, v in {**TINY, "epochs": 1}.items() if k != "device" for w in (f"--{k.replace('_', '-')}", str(v))]


@pytest.mark.slow
def test_torchrun_trains_and_the_error_of_one_process_ends_all_with_one_message(tmp_path):
    script = tmp_path / "good_then_bad.py"
    script.write_text("import os, runpy, sys\nfrom fastricks.cli.app import main\nwords = sys.argv[1:]\n"
                      f"try: runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\n"
                      "except SystemExit as e: assert not e.code\n"
                      "print('and again', file=sys.stderr, flush=True)\n"
                      "main(['train', '--data', 'digits' if os.environ['RANK'] == '0' else 'nowhere', '--name', "
                      "'none', *words])")
    p = launched(2, script, *WORDS, "--device", "cpu", "--out", tmp_path / "runs")
    out, err = p.communicate(timeout=120)
    good, bad = err.split("and again\n", 1)
    assert out.count("\naccuracy  ") == 1 and len([*(tmp_path / "runs").glob("*/")]) == 1 and "rror" not in good
    lines = [line for line in bad.splitlines() if line.startswith("error: ")]
    assert p.returncode == 1 and len(lines) == 1 and "nowhere" in lines[0]


def until(what, seconds=90):
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(.1)
    return got


def children(pid):
    "Process numbers of the trainings that a launcher started"
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return sorted(map(int, out.split()))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGKILL one"])
def test_a_launcher_that_is_stopped_and_a_process_that_is_killed(tmp_path, how):
    p = launched(2, ROOT / "train.py", *WORDS, "--device", "cpu", "--epochs", "1000", "--checkpoint-every", "0s",
                 "--out", tmp_path)
    until(lambda: [*tmp_path.glob("*/history.csv")])
    if how == "SIGKILL one": os.kill(children(p.pid)[1], signal.SIGKILL)
    else: p.send_signal(getattr(signal, how))
    _, err = p.communicate(timeout=60)
    folder, = tmp_path.glob("*/")
    begins = "error: " if how == "SIGKILL one" else "interrupted; "
    lines = [line for line in err.splitlines() if line.startswith(begins)]
    assert p.returncode and len(lines) == 1, err
    if how == "SIGKILL one": assert "another process" in lines[0]
    else: assert f"torchrun --nproc-per-node 2 -m fastricks resume {folder}" in lines[0]
    status = read_json(folder / "status.json")
    assert status["status"] == ("failed" if how == "SIGKILL one" else "interrupted")
    assert [*folder.glob("checkpoint-*.safetensors")]


@pytest.mark.gpu
def test_two_devices_with_sync_bn_train_as_one():
    import torch
    if torch.cuda.device_count() < 2: pytest.skip("there is one CUDA device")
    given = {"size": 32, "resize": 32, "per_class": 10, "batch_size": 12, "epochs": 5, "device": "cuda", "lr": 1e-3}
    one = losses("", {**given, "batch_size": 24})
    a, _ = several(2, losses, "", {**given, "sync_bn": True})
    close(one["losses"], a["losses"])

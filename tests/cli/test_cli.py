"""The command line as a user types it: real processes, real files, real errors."""
import csv
import json
import re
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from support.commands import TINY_WORDS, cli, fails
from support.fake_runs import fake_run
from support.forked import TRAIN, Forked
from support.marks import slow
from support.paths import ROOT, SHARED
from support.run_files import read

from fastricks.cli.app import run
from fastricks.cli.screens import worth_trying
from fastricks.core.files import write_json
from fastricks.recipe.command import command
from fastricks.recipe.plan import schedule_of
from fastricks.recipe.recipe import Recipe, options, read_recipe, resolve

pytestmark = pytest.mark.usefixtures("undrawn")  # those in this process; others draw


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    r = cli(*TINY_WORDS, "-t", "mixup:alpha=.3+cosine", "--seed", 3, "--out", out)
    assert r.returncode == 0, r.stderr
    return r, next(p for p in out.iterdir() if p.is_dir())


def test_a_run_leaves_its_folder(trained):
    _, folder = trained
    files = ("recipe.json environment.json status.json history.csv metrics.json predictions.csv predictions-valid.csv "
             "model.safetensors data.json heatmaps.json log.txt lr.png batch.png targets.png index.html")
    assert {p.name for p in folder.iterdir()} == set(files.split())
    assert re.fullmatch(r"digits-test_resnet-cosine-mixup_alpha0\.3-.*epochs2.*-s3", folder.name)
    assert read(folder, "status.json")["status"] == "finished"
    recipe = read(folder, "recipe.json")
    assert recipe["recipe"]["tricks"]["mixup"] == {"alpha": .3, "partner": "batch", "per": "batch"}
    assert len(recipe["identity"]) == 16
    assert recipe["data"]["train"] == 70 and recipe["recipe"]["device"] == "cpu" and recipe["recipe"]["threads"] == 1
    assert {"torch", "fastai", "timm", "cpu", "git", "python"} <= read(folder, "environment.json").keys()


def test_history_metrics_and_predictions_agree(trained):
    _, folder = trained
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [r["epoch"] for r in rows] == ["1", "2"]
    assert {"lr", "train_loss", "valid_loss", "accuracy", "seconds", "images_per_s"} <= rows[0].keys()
    m, p = read(folder, "metrics.json"), list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    assert m["n"] == len(p)
    assert m["correct"] == sum(r["label"] == r["predicted"] for r in p) == sum(r["rank"] == "0" for r in p)
    assert m["top1"] == m["correct"] / m["n"] and m["top5"] == sum(int(r["rank"]) < 5 for r in p) / m["n"]
    assert m["loss"] == pytest.approx(sum(float(r["loss"]) for r in p) / m["n"], abs=1e-4) and m["split"] == "test"


def test_weights_carry_what_is_needed_to_use_them(trained):
    _, folder = trained
    with safe_open(folder / "model.safetensors", "pt") as f: meta = json.loads(f.metadata()["fastricks"])
    assert meta["arch"] == "test_resnet.r160_in1k" and meta["classes"] == list("0123456789")
    assert (meta["size"], meta["resize"]) == (16, 16)
    assert len(meta["mean"]) == len(meta["std"]) == 3


def test_last_screen(trained):
    r, folder = trained
    assert "trained   test_resnet from scratch with" in r.stdout and "mixup:alpha=0.3" in r.stdout
    assert f"run       {folder}" in r.stdout and r.stdout.count("  # ") == 3
    m = read(folder, "metrics.json")
    assert f"{m['correct']} of {m['n']} right" in r.stdout and "test:" in r.stdout
    assert r.stderr == "" and "\r" not in r.stdout
    assert all(line in (folder / "log.txt").read_text() for line in r.stdout.split("\n")[2:5])


@pytest.mark.parametrize("epochs, train, text",
                         [(1, 20, "cosine+label_smoothing"), (40, 400, "warmup+cosine+label_smoothing")])
def test_the_tricks_that_are_suggested_fit_the_run(tmp_path, epochs, train, text):
    folder = fake_run(tmp_path, epochs=epochs)
    what = read(folder, "recipe.json")
    write_json(folder / "recipe.json", {**what, "data": {**what["data"], "train": train},
                                        "recipe": {**what["recipe"], "batch_size": 32}})
    assert worth_trying(folder) == text
    schedule_of(resolve({}, [text], str(folder)), images=train)


def test_a_run_folder_repeats_bit_for_bit(trained, tmp_path, monkeypatch):
    "In another process and another working directory"
    _, folder = trained
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--recipe", str(folder), "--out", str(tmp_path), "--wandb", "disabled"]) == 0
    again = next(p for p in tmp_path.iterdir() if (p / "recipe.json").exists())
    assert read(again, "recipe.json")["identity"] == read(folder, "recipe.json")["identity"]
    a, b = load_file(folder / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert (again / "predictions.csv").read_text() == (folder / "predictions.csv").read_text()


def test_names_are_unique_and_a_given_name_must_be_free(tmp_path, capsys):
    args = ["train", *TINY_WORDS, "--epochs", "1", "--out", str(tmp_path)]
    for _ in range(2): assert run(args) == 0
    assert run([*args, "--name", "mine"]) == 0
    first, second, mine = sorted((p.name for p in tmp_path.glob("*/")), key=lambda name: (name == "mine", name))
    assert re.fullmatch(r"digits-test_resnet-baseline-.*-s0", first) and second == f"{first}-2" and mine == "mine"
    capsys.readouterr()
    assert "is there already" in fails(capsys, *args, "--name", "mine")


def started(out):
    "A long training that has just written its first epochs"
    p = Forked(TRAIN, *TINY_WORDS, "--epochs", "1000", "--out", out)
    deadline = time.time() + 90
    while not list(out.glob("*/history.csv")) and time.time() < deadline: time.sleep(.1)
    return p


def test_a_killed_run_leaves_a_folder_that_says_so(tmp_path):
    p = started(tmp_path)
    p.kill()
    p.wait()
    folder = next(tmp_path.glob("*/"))
    assert read(folder, "status.json")["status"] == "unfinished" and not (folder / "metrics.json").exists()
    assert list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert read(folder, "recipe.json")["recipe"]["epochs"] == 1000


def test_ctrl_c_is_said_in_the_folder(tmp_path):
    p = started(tmp_path)
    p.send_signal(2)
    folder = next(tmp_path.glob("*/"))
    r = p.wait(60)
    assert r.stderr == f"interrupted; `fastricks resume {folder}` resumes it\n" and r.returncode == 130
    assert read(folder, "status.json")["status"] == "interrupted"


# -- errors

@pytest.mark.parametrize("words, says", [
    (["--lrr", "1"], "did you mean '--lr'"),
    (["--lr", "x"], "--lr x is neither a number nor 'find'"),
    (["--lr", "fnd"], "did you mean 'find'"),
    (["--epochs", "0"], "--epochs 0 is out of range"),
    (["-t", "warmpu"], "did you mean 'warmup'"),
    (["-t", "mixup:alfa=1"], "did you mean 'alpha'"),
    (["--recipe", "blgo"], "did you mean 'blog'"),
    (["--wandb", "onlin"], "did you mean 'online'"),
    (["--arch", "resnet8", *TINY_WORDS[2:]], "did you mean 'resnet18'"),
    (["--data", "digit", *TINY_WORDS], "did you mean 'digits'"),
    (["--device", "cuda", *TINY_WORDS], "no such device"),
    (["--weights", "nowhere.safetensors", *TINY_WORDS], "there is no such file"),
    (["--data", "digits", "--classes", "1,7,77", *TINY_WORDS], "77"),
    (["--no-pretrained", "--data", "food-101-21"], "--data PATH/food-101 --classes food-101-21"),
    (["-t", "warmup:by=epoch", *TINY_WORDS], "changes nothing"),
    (["extra"], "unknown --data 'extra': no such folder or file"),
    (["extra", "more"], "unexpected extra argument"),
])
def test_user_errors_are_one_sentence_and_leave_nothing(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if "cuda" in words and torch.cuda.is_available(): pytest.skip("there is a CUDA device")
    assert says in fails(capsys, "train", *words)
    assert not (tmp_path / "runs").exists()


def test_out_that_is_a_file_or_full(capsys, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "can't make a run folder" in fails(capsys, "train", *TINY_WORDS, "--out", tmp_path / "file")


def test_unknown_command(capsys): assert "did you mean 'train'" in fails(capsys, "trian").lower()


def photos(root, classes=("a", "b"), n=6, size=24):
    for c in classes:
        for i in range(n):
            f = root / c / f"{i}.png"
            f.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (size, size), (40 * i, 200 * (c == "a"), 90)).save(f)
    return root


def test_a_folder_of_photos_from_the_command_line(tmp_path, capsys):
    "No test set: the validation split is what is reported, and the label says so; a broken photo is named and left out"
    data = photos(tmp_path / "data")
    for name in ("broken", "b2", "b3", "b4", "b5", "b6"):
        (data / "a" / f"{name}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    args = ["train", "--data", str(data), "--no-pretrained", *TINY_WORDS, "--valid", ".3", "--out",
            str(tmp_path / "runs")]
    assert "--max-bad" in fails(capsys, *args)
    assert run([*args, "--max-bad", ".4"]) == 0
    out = capsys.readouterr().out
    assert "6 unreadable images" in out and "files: 18 found" in out and "validation (there is no test set)" in out
    folder = next((tmp_path / "runs").glob("*/"))
    assert read(folder, "metrics.json")["split"] == "valid" and "a/broken.jpg" in (folder / "skipped.csv").read_text()


def test_seeds_of_one_accuracy_have_no_interval():
    from fastricks.cli.screens import spread_of_accuracy
    said = spread_of_accuracy([{"top1": .5, "n": 4, "split": "valid"}] * 2)
    assert said.startswith("50.00%, the same with every seed, so no interval") and "nan" not in said


@pytest.mark.parametrize("classes, said", [("ab", False), ("abcde", False), ("abcdef", True)])
def test_top_5_is_told_where_it_can_be_wrong(classes, said, tmp_path, capsys):
    args = ["--data", str(photos(tmp_path / "data", classes)), "--no-pretrained", *TINY_WORDS, "--valid", ".4", "--out",
            str(tmp_path / "runs")]
    assert run(["train", *args]) == 0
    assert ("top-5" in capsys.readouterr().out) == said
    assert "top5" in read(next((tmp_path / "runs").glob("*/")), "metrics.json")


def test_valid_0_without_a_test_set_is_refused(tmp_path, capsys):
    assert "--valid" in fails(capsys, "train", "--data", photos(tmp_path / "d"), "--no-pretrained", *TINY_WORDS,
                              "--valid", "0")


# -- instant

@pytest.mark.parametrize("words", [["train.py", "--help"], ["-m", "fastricks", "tricks"], ["train.py", "-t", "warmpu"],
                                   ["train.py", "--lr", "-1"], ["-m", "fastricks", "recipes"]])
def test_help_and_usage_errors_import_nothing_heavy(words):
    code = ("import runpy, sys; sys.argv = sys.argv[1:]\n"
            "try:\n"
            "    if sys.argv[0].endswith('.py'): runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "    else: __import__('fastricks.cli.app').cli.app.run(sys.argv[2:])\n"
            "except SystemExit: pass\n"
            "heavy = {'torch', 'fastai', 'timm', 'wandb', 'numpy', 'PIL', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
            "sys.exit(f'imported {heavy}' if heavy else 0)")
    r = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT)
    assert r.returncode == 0, r.stderr


def test_every_option_is_in_the_help():
    text = subprocess.run([sys.executable, "train.py", "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    for f in options(): assert "--" + f.name.replace("_", "-") in text


# -- explain

def test_explain_says_all_and_trains_nothing(tmp_path, capsys):
    args = ["--epochs", "10", "-t", "warmup+cosine+no_bias_decay", "--wd", ".05", "--explain", "--out"]
    assert run(["train", *TINY_WORDS, *args, str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for words in ("--batch-size   16", "conv and linear weights", "weight decay 0.05", "weight decay 0",
                  "effective batch 16",
                  "5 steps an epoch, 50 in 10 epochs", "warm-up 8 steps", "learning rate", "70 train"):
                      assert words in out
    png = next((tmp_path / "explain").glob("*.png"))
    with Image.open(png) as im: assert im.size[0] > 300
    assert list(tmp_path.iterdir()) == [tmp_path / "explain"]


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data").exists(), reason="the Food-101 photos are not at hand")
def test_real_photos_from_archive_to_classifier(tmp_path, capsys):
    "prepare, then train from local weights on two classes of real photos"
    target = tmp_path / "food"
    assert run(["prepare", str(SHARED / "data/food-101-21-64px.tgz"), str(target), "--classes", "mussels,waffles"]) == 0
    w = SHARED / "weights/resnet18-food80-64px.safetensors"
    args = (f"--size 64 --resize 64 --weights {w} --per-class 64 --epochs 2 --lr 3e-4 --wandb disabled --out "
            f"{tmp_path}/runs")
    assert run(["train", "--data", str(target), *args.split()]) == 0
    out = capsys.readouterr().out
    assert "made new for 2 classes (the file's is of 80 classes)" in out and "500 test images" in out
    folder = next((tmp_path / "runs").glob("*/"))
    assert read(folder, "metrics.json")["top1"] > .8


def test_what_would_be_done_is_said_where_nothing_can_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["train", *TINY_WORDS, "--explain", "--out", str(tmp_path / "file" / "runs")]) == 0
    assert "no picture (" in capsys.readouterr().out.splitlines()[-1]


# -- networks

def test_options_of_a_network_are_in_recipe_and_file_and_repeated(tmp_path, capsys):
    given = ["--arch-option", "drop_path_rate=.1", "--arch-option", "stem_width=16"]
    assert run(["train", *TINY_WORDS, *given, "--epochs", "1", "--arch", "resnet10t", "--out", str(tmp_path), "--name",
                "r"]) == 0
    recipe = read(tmp_path / "r", "recipe.json")
    assert recipe["recipe"]["arch_option"] == {"drop_path_rate": .1, "stem_width": 16}
    assert (recipe["recipe"]["arch"], recipe["network"]) == ("resnet10t", "resnet10t.c3_in1k")
    assert run(["train", "--recipe", str(tmp_path / "r"), "--out", str(tmp_path), "--name", "again", "--wandb",
                "disabled"]) == 0
    assert read(tmp_path / "again", "recipe.json")["identity"] == recipe["identity"]
    from fastricks import load
    assert load(tmp_path / "r").meta["kwargs"] == recipe["recipe"]["arch_option"]
    stored = Recipe(**read_recipe(tmp_path / "r/recipe.json"))
    assert "--arch-option drop_path_rate=0.1 --arch-option stem_width=16" in command(stored)


@pytest.mark.parametrize("given, words", [
    (["--arch-option", "drop_pth_rate=.1"], "has no option 'drop_pth_rate'"),
    (["--arch-option", "drop_rate=1.5"], "from 0 to below 1"),
    (["--arch-option", "drop_rate"], "give NAME=VALUE"), (["--arch-option", "img_size=64"], "--size says that here"),
    (["--arch-option", "checkpoint_path=x"], "a network has no such option"),
    (["--arch-option", "act_layer=nope"], "timm can't make"),
    slow(["--arch", "inception_v3", "--size", "64", "--resize", "64"], "give --size 96"),
])
def test_networks_that_cannot_be_leave_no_run_folder(tmp_path, capsys, given, words):
    assert words in fails(capsys, "train", *TINY_WORDS, *given, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_vision_transformer_at_another_size_is_trained_and_used(tmp_path, capsys):
    words = [*TINY_WORDS, "--arch", "test_vit", "--size", "32", "--resize", "32", "--epochs", "1", "--out",
             str(tmp_path)]
    assert run(["train", *words, "--name", "v"]) == 0
    from fastricks import load
    p = load(tmp_path / "v")
    x = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    assert p.meta["size"] == 32 and p.logits(x).shape == (2, 10)
    assert run(["export", str(tmp_path / "v"), "--to", "timm"]) == 0
    assert run(["train", *words, "--weights", str(tmp_path / "v/model.safetensors"), "--size", "64", "--resize", "64",
                "--name", "w"]) == 0
    assert "resampled for this size of images: 1 tensor, as pos_embed" in capsys.readouterr().out

"""A training's offline W&B run, read back with wandb's own reader."""
import csv
import re

import pytest
from support.commands import TINY_WORDS, cli
from support.run_files import read, wandb_records
from support.small import recipe_of

from fastricks.core.words import silent
from fastricks.training.room import Room
from fastricks.training.settle import settle
from fastricks.training.track import wandb_summary


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    r = cli(*TINY_WORDS[:-2], "--wandb", "offline", "-t", "mixup:alpha=.3+cosine", "--out", out)
    assert r.returncode == 0, r.stderr
    folder = next(p for p in out.iterdir() if p.is_dir())
    return r, folder, wandb_records(folder)


def test_history_has_every_step_and_epoch(offline):
    _, folder, records = offline
    rows = [r["history"]["item"] for r in records if r.get("type") == "history"]
    steps = [r for r in rows if "train/loss" in r]
    assert [r["step"] for r in steps] == list(range(10)) and all(r["train/lr"] > 0 for r in steps)
    epochs = [r for r in rows if any(k.startswith("epoch/") for k in r)]
    table = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [r["epoch/valid_loss"] for r in epochs] == pytest.approx([float(t["valid_loss"]) for t in table])


def test_config_is_nested_and_the_group_leaves_out_the_seed(offline):
    _, folder, records = offline
    run = next(r["run"] for r in records if r.get("type") == "run")
    config = run["config"]["update"]
    assert config["tricks"]["mixup"]["alpha"] == .3 and config["tricks"]["cosine"] == {"on": True, "hold": 0.}
    assert config["tricks"]["warmup"] == {"on": False} and config["schedule"] == "cosine"
    assert config["arch"] == "test_resnet" and config["seed"] == 0 and config["lr"] == 1e-3
    assert sorted(run["tags"]) == ["cosine", "mixup"] and run["project"] == "fastricks" and run["job_type"] == "train"
    assert run["run_group"] == read(folder, "recipe.json")["group"]
    assert re.fullmatch(r"digits-test_resnet-\S+-[0-9a-f]{6}", run["run_group"])
    assert folder.name == run["display_name"]


def test_a_group_is_a_recipe_without_its_seed():
    def group(*selection, **given): return settle(recipe_of(*selection, **given), Room(silent)).group
    first = group("mixup")
    assert group("mixup", seed=3) == first == group("mixup", name="x", out="elsewhere", workers=1)
    others = [group("mixup:alpha=.3"), group("mixup", epochs=3), group("mixup", lr=.1), group("mixup", per_class=9),
              group("mixup", batch_size=8)]
    assert len({first, *others}) == 6


def test_summary_is_the_final_metrics(offline):
    _, folder, records = offline
    m, summary = read(folder, "metrics.json"), {}
    for r in records:
        if r.get("type") == "summary": summary |= r["summary"].get("update", {})
    assert summary["test/accuracy"] == m["top1"] and summary["test/loss"] == m["loss"] and summary["test/n"] == 359


def test_the_summary_of_few_classes_has_no_top_5():
    final = {"split": "valid", "top1": .5, "top5": 1., "loss": .7, "macro_f1": .5, "balanced_accuracy": .5, "n": 10,
             "seconds": 1.}
    assert "valid/top5" not in wandb_summary(final, 5) and wandb_summary(final, 6)["valid/top5"] == 1


def test_numbers_of_validation_images_are_marked():
    "One column has all runs, and another says whose images they are"
    final = {"top1": .5, "top5": 1., "loss": .7, "macro_f1": .5, "balanced_accuracy": .5, "n": 10, "seconds": 1.}
    of_valid, of_test = (wandb_summary({**final, "split": o}, 3) for o in ("valid", "test"))
    assert of_valid["test/accuracy"] == of_valid["valid/accuracy"] == .5 and of_valid["test/is_validation"] == 1
    assert of_test["test/accuracy"] == .5 and of_test["test/is_validation"] == 0 and "valid/accuracy" not in of_test


def test_the_last_screen_says_how_to_send_it(offline):
    r, folder, _ = offline
    assert f"wandb sync {folder}/wandb/offline-run-" in r.stdout and r.stderr == ""

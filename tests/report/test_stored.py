"""Runs kept in one JSON file, and ablations that go on from it."""
import json
import shutil

import numpy as np
import pytest
from support.fake_runs import fake_run
from support.small import TINY

from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.grid.ablate import ablate
from fastricks.grid.verdicts import Judging, comparison_of
from fastricks.report.compare.comparison import compare
from fastricks.report.find import load_runs
from fastricks.report.stored import pack_numbers, stored_runs

pytestmark = [pytest.mark.usefixtures("forked_cells"), pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]
TIMELESS = {"date"}


def hits(rng, n=600, rate=.7): return rng.random(n) < rate


@pytest.fixture
def folder(tmp_path):
    "A baseline and mixup, three seeds each"
    rng, out = np.random.default_rng(0), tmp_path / "runs"
    for tricks in ("none", "mixup"):
        for seed in range(3): fake_run(out, tricks, seed, hits(rng), hits(rng, 80), weights=None)
    return out


def test_a_file_of_runs_says_what_their_folders_say(folder, tmp_path, capsys):
    file = tmp_path / "kept.json"
    assert run(["compare", str(folder), "--to", str(file)]) == 0
    a, b = compare(str(folder)), compare(str(file))
    assert a.records() == b.records() and str(tmp_path) not in file.read_text()
    capsys.readouterr()
    assert run(["compare", str(file)]) == 0 and "mixup" in capsys.readouterr().out


def test_stored_runs_and_folders_are_one_table(folder, tmp_path):
    "Seeds 0 and 1 from the file, seed 2 from its folder: the table is that of all folders, images included"
    whole = compare(str(folder)).records()
    kept = [f for f in folder.iterdir() if f.name.endswith(("s0", "s1"))]
    file = tmp_path / "kept.json"
    assert run(["compare", *map(str, kept), "--to", str(file)]) == 0
    for f in kept: shutil.rmtree(f)
    assert compare([str(file), str(folder)]).records() == whole


def test_what_a_stored_run_does_not_know_is_said(folder, tmp_path, capsys):
    file = tmp_path / "kept.json"
    run(["compare", str(folder), "--to", str(file)])
    capsys.readouterr()
    assert run(["compare", str(file), "--metric",
                "ece"]) == 2 and "of stored runs the predicted classes alone are known" in capsys.readouterr().err
    a, b = (compare(str(x), metric="loss").rows[1].diff for x in (folder, file))
    assert a.delta == pytest.approx(b.delta), "each run's own number is there, the images' are not"
    assert a.images and not b.images, "each run's own number is there, the images' are not"


@pytest.mark.parametrize("change", [
    lambda d: d.pop("runs"), lambda d: d.pop("classes"), lambda d: d["runs"][0].pop("identity"),
    lambda d: d["runs"][0].update(predicted="?"),
    lambda d: d["runs"][0].update(predicted=pack_numbers([0, 1])),
    lambda d: d["runs"][0].update(predicted=pack_numbers(np.zeros(600, int) + 99)),
    lambda d: d["runs"][0].update(recipe={"no": 1}), lambda d: d["runs"][0]["metrics"].update(correct=1),
    lambda d: d.update(runs=3),
    lambda d: d.update(labels=d["labels"][:-8]), lambda d: d["runs"].append(None)])
def test_a_strangers_file(folder, tmp_path, change):
    file = tmp_path / "kept.json"
    run(["compare", str(folder), "--to", str(file)])
    d = json.loads(file.read_text())
    change(d)
    file.write_text(json.dumps(d))
    with pytest.raises(UserError, match=r"kept\.json is no file of stored runs"): stored_runs(file)


def test_one_that_is_no_json(tmp_path):
    (tmp_path / "x.json").write_text("[")
    with pytest.raises(UserError, match="no file of stored runs"): load_runs([tmp_path / "x.json"])


def test_an_ablation_goes_on_from_a_file(tmp_path, capsys):
    "The folders are gone: nothing but the new seed is trained, a teacher included, and all of it is one table"
    out, file = tmp_path / "runs", tmp_path / "kept.json"
    given, rows = {**TINY, "epochs": 1, "out": str(out)}, ["mixup", "distill:teacher=test_resnet"]
    first = ablate("add", given, None, rows, seeds=(0, 1), say=lambda _: None)
    c = comparison_of(first, Judging(once=True))
    from fastricks.report.compare.files import save_comparison
    save_comparison(c, file)
    shutil.rmtree(out)
    said = []
    again = ablate("add", given, None, rows, seeds=(0, 1), say=said.append, have=[str(file)])
    assert all(c.state == "found" for c in again.cells) and not again.teachers and not list(out.glob("*/recipe.json"))
    assert "6 of them found finished" in "\n".join(said)
    records = [[{k: v for k, v in r.items() if k not in TIMELESS} for r in x.records()]
               for x in (c, comparison_of(again, Judging(once=True)))]
    assert records[0] == records[1]
    more = ablate("add", given, None, ["mixup"], seeds=(0, 1, 2), say=said.append, have=[str(file)])
    assert sorted(c.state for c in more.cells) == ["done"] * 2 + ["found"] * 4
    mixup = comparison_of(more, Judging(once=True)).rows[1]
    assert mixup.diff.n == 3 and mixup.diff.paired and mixup.diff.images == 359


def test_a_file_that_is_not_there(tmp_path, capsys):
    args = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items() if k not in ("pretrained",)]
    assert run(["ablate", *args, "-t", "mixup", "--have", str(tmp_path / "no.json"), "--out",
                str(tmp_path / "runs")]) == 2
    assert "no.json can't be read" in capsys.readouterr().err and not (tmp_path / "runs").exists()

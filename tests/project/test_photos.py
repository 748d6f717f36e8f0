"""benchmarks/photos.py and its plain loop: that they count right and do the same work, not how fast."""
import csv
import importlib

import pytest
from support.paths import ROOT
from support.photos import make_photos

from fastricks.core.words import silent
from fastricks.recipe.recipe import resolve
from fastricks.training.training import train
from fastricks.use.api import load


@pytest.fixture
def photos(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("photos")


def test_ours_stands_beside_the_faster_loop(photos):
    spent = lambda wall, cpu: photos.Spent(cpu=cpu, wall=wall)
    found = {"ours": spent([2., 6.], [1., 3.]), "slow": spent([9., 9.], [1., 1.]), "fast": spent([4., 6.], [4., 4.])}
    row, = photos.beside_loop(found)
    assert (row["what"], row["value"], row["cpu"], row["n"]) == ("ours / fast", .75, .5, 2)
    assert row["verdict"] == "passes"


def test_a_first_epoch_has_what_its_run_took_longer(photos, capsys):
    row, = photos.beside_second([12., 13.], [10., 10.], [4., 6.])
    assert (row["value"], row["low"], row["high"], row["verdict"]) == (1.5, 1.5, 1.5, "fails")
    photos.show([row])
    assert "row 12" in capsys.readouterr().out


def test_the_loop_predicts_what_we_do(photos, tmp_path):
    "The same network and like pixels: the same classes, but for a photo near a border"
    data = make_photos(tmp_path / "photos")
    run = train(resolve(dict(data=str(data), arch="test_resnet", size=32, epochs=1, pretrained=False, device="cpu",
                             threads=1, out=str(tmp_path / "runs"), wandb="disabled")), silent).folder
    loop = importlib.import_module("predict_loop")
    loop.main(str(run), str(data / "test"), "0", str(tmp_path / "out.csv"))
    rows = [*csv.reader((tmp_path / "out.csv").read_text().splitlines())]
    model = load(run)
    ours = [model.classes.index(o.label) for o in model.predict([row[0] for row in rows])]
    assert len(rows) == len([*(data / "test").rglob("*.jpg")]) > 3
    assert sum(int(row[1]) == k for row, k in zip(rows, ours, strict=True)) >= .9 * len(rows)

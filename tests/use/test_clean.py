"""`fastricks clean`: wrong labels are found out of fold, and the table of decisions is data again."""
import csv
import shutil

import pytest
from support.commands import fails
from support.parsed_page import ParsedPage
from support.photos import CLASSES, make_photos

import fastricks as ft
from fastricks import UserError
from fastricks.cli.app import run
from fastricks.data.sources.open import open_source

pytestmark = pytest.mark.usefixtures("undrawn")
HOW = dict(arch="test_resnet", pretrained=False, size=16, resize=18, epochs=12, batch_size=8, lr=3e-3, threads=1,
           workers=0, device="cpu", wandb="disabled", valid=.1)
WRONG = {f"train/{a}/wrong{i}.jpg": b for i, (a, b) in enumerate([("blue", "grün"), ("grün", "red sky"),
                                                                  ("red sky", "blue"), ("red sky", "grün")])}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    "Photos of three colours in folders, four of them in the wrong one: file -> the class that it shows"
    pytest.importorskip("cleanlab")
    root = make_photos(tmp_path_factory.mktemp("clean") / "sky", train=16, test=4)
    for name, true in WRONG.items():
        shown = next(f for f in sorted((root / "train" / true).iterdir()) if f.suffix == ".jpg" and f.stem != "02")
        shutil.move(shown, root / name)
    return root


@pytest.fixture(scope="module")
def found(photos):
    return ft.clean(photos, folds=3, decide="relabel", out=str(photos.parent / "runs"), quiet=True, **HOW)


def read_table(file): return list(csv.DictReader(file.read_text().splitlines()))
def rows(found): return read_table(found.table)


def test_wrong_labels_are_found(found, photos):
    assert {s.name for s in found.suspects} >= {*WRONG} and len(found.suspects) < 12 and found.n == 48
    assert {s.name: s.suggested for s in found.suspects if s.name in WRONG} == WRONG
    assert [s.score for s in found.suspects] == sorted(s.score for s in found.suspects)
    assert found.table == photos.parent / "runs/clean-sky/labels.csv" and found.frame.shape == (len(found.suspects), 5)


def test_scores_are_out_of_fold(found, photos):
    "Recomputed from the folds' runs: each photo by the one whose test set it was in"
    scores = {r["path"]: r["score"] for r in rows(found)}
    for k in (1, 2, 3):
        fold = found.table.parent / f"fold-{k}-of-3.csv"
        mine = [r for r in read_table(fold) if r["split"] == "test"]
        model, = (ft.load(f.parent) for f in fold.parent.glob("folds/*/recipe.json") if fold.name in f.read_text())
        probs = model.probs([fold.parent / r["path"] for r in mine])
        for r, p in zip(mine, probs, strict=True):
            assert abs(float(scores[r["path"]]) - p[model.classes.index(r["label"])].item()) < 1e-4
    assert sum(r["score"] == "" for r in rows(found)) == 12 == sum(r["split"] == "test" for r in rows(found))


def test_the_table_is_data(found, photos):
    before, after = open_source(photos), open_source(found.table)
    label = {o.image.resolve(): (o.label, o.split) for o in after.items}
    suspects = {s.name: s.suggested for s in found.suspects}
    assert label == {o.image.resolve(): (suspects.get(o.name, o.label), o.split) for o in before.items}


def test_the_page(found):
    page = ParsedPage(found.page.read_text())
    assert not page.open and page.tags.count("img") == len(found.suspects)
    assert "Suspicious labels of sky" in page.text and "wrong0.jpg" in page.text


def test_a_finished_fold_is_not_trained_again(found, photos, capsys):
    "A table that is there is not written over: it may have decisions"
    folder = found.table.parent
    words = ["clean", photos, "--folds", 3, "--to", folder,
             *(w for k, v in HOW.items() if k != "pretrained" for w in (f"--{k.replace(chr(95), chr(45))}", v)),
             "--no-pretrained"]
    assert "perhaps with your decisions" in fails(capsys, *words)
    found.table.rename(folder / "old.csv")
    when = {f: f.stat().st_mtime_ns for f in folder.glob("folds/*/model.safetensors")}
    assert run([*map(str, words)]) == 0 and len(when) == 3
    assert {f: f.stat().st_mtime_ns for f in folder.glob("folds/*/model.safetensors")} == when
    assert [r["score"] for r in rows(found)] == [r["score"] for r in read_table(folder / "old.csv")]
    assert {r["decision"] for r in rows(found)} == {"keep"}
    assert f"{len(found.suspects)} of 48 labels suspicious" in capsys.readouterr().out


def test_groups_stay_in_one_fold(photos, tmp_path, monkeypatch):
    from fastricks.use import cleaning
    monkeypatch.setattr(cleaning, "trained_without", lambda *_: pytest.fail("stop here"))
    (tmp_path / "t.csv").write_text("path,label,who\n" + "".join(
        f"{photos}/train/{k}/{f.name},{k},{i // 4}\n" for k in CLASSES
        for i, f in enumerate(sorted((photos / "train" / k).iterdir()))))
    with pytest.raises(pytest.fail.Exception):
        ft.clean(tmp_path / "t.csv", folds=2, group_by="who", to=tmp_path / "c", quiet=True, **HOW)
    sides = {}
    for r in read_table(tmp_path / "c/fold-1-of-2.csv"):
        sides.setdefault(r["group"], set()).add(r["split"])
    assert len(sides) == 5 and all(len(o) == 1 for o in sides.values())


@pytest.mark.parametrize("words, says", [
    (["--folds", "1"], "give 2 or more"), (["--decide", "dorp"], "did you mean 'drop'"),
    (["--data", "digits"], "is for files, and")])
def test_usage_errors(words, says, capsys, tmp_path):
    pytest.importorskip("cleanlab")
    assert says in fails(capsys, "clean", *words, "--out", tmp_path, "--wandb", "disabled")
    assert not [*tmp_path.iterdir()]


def test_without_cleanlab(monkeypatch):
    from fastricks.use import cleaning
    monkeypatch.setattr(cleaning, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'fastricks\[clean\]'"): ft.clean("x")

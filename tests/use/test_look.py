"""`fastricks evaluate`, the page that each run has, `fastricks page`: trained for real, on digits and on a stranger's
photos.
"""
import csv
import io
import math
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image
from support.commands import fails
from support.fake_runs import fake_images
from support.marks import slow
from support.parsed_page import ParsedPage
from support.paths import ROOT
from support.run_files import read
from support.small import recipe_of

from fastricks import load
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.files import rows_to_csv, write_json
from fastricks.core.tensors import plain
from fastricks.core.words import silent
from fastricks.data.sources.digits import digit_items
from fastricks.data.sources.others import name_map
from fastricks.recipe.command import command
from fastricks.recipe.recipe import resolve
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.files import save_comparison
from fastricks.report.pages import pictures as page_pictures
from fastricks.report.pages import run as page
from fastricks.report.pages.quality import measure
from fastricks.report.runs import read_images, read_run
from fastricks.use import evaluate as look
from fastricks.use import evaluation_page as look_page
from fastricks.use.train import train

EVIL = '<img src=x onerror=alert(1)>', "a&b <script>", "ćevapi_with_a_very_long_name_that_goes_on_and_on_and_on"


def rows_of(folder): return [*csv.DictReader(io.StringIO((folder / "predictions.csv").read_text()))]


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    "A run with a validation and a test split, ten classes"
    return train(recipe_of("cosine", per_class=30, epochs=4, lr=3e-3, out=str(tmp_path_factory.mktemp("look"))),
                 silent).folder


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    "Two classes, no validation, the reference pipeline"
    return train(recipe_of(classes="3,8", valid=0., pipeline="reference", out=str(tmp_path_factory.mktemp("two"))),
                 silent).folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    "A run on a stranger's photos without a test set, one of which can't be read"
    at = tmp_path_factory.mktemp("photos")
    draw = random.Random(5)
    for c in EVIL:
        (at / "pets" / c).mkdir(parents=True)
        for i in range(14):
            Image.frombytes("RGB", (20, 18), draw.randbytes(20 * 18 * 3)).save(at / "pets" / c / f"{i}.png")
    (at / "pets" / EVIL[0] / "3.png").write_bytes(b"no image")
    with pytest.MonkeyPatch.context() as m:
        m.setenv("FASTRICKS_CACHE", str(at / "cache"))
        return train(recipe_of(data=str(at / "pets"), pretrained=False, valid=.3, max_bad=.1, per_class=None,
                               out=str(at / "runs")), silent).folder


def evaluated(folder, *words, name="evaluate"):
    "(exit code 0) what evaluate.json says"
    assert run(["evaluate", str(folder), *map(str, words)]) == 0
    return read(folder, f"{name}.json")


# -- the numbers

@pytest.mark.parametrize("which", ["digits", slow("two"), "photos"])
def test_the_runs_own_images_give_its_own_numbers(which, request, capsys):
    "To the last bit, whatever the pipeline, with an image that could not be read"
    folder = request.getfixturevalue(which)
    got, metrics = evaluated(folder), read(folder, "metrics.json")
    assert {k: got[k] for k in ("top1", "top5", "correct", "n", "loss", "split")} == {
        k: metrics[k] for k in ("top1", "top5", "correct", "n", "loss", "split")}
    assert got["own_data"] and got["tta"] is None and not got["notes"]
    assert got["identity"] == read(folder, "recipe.json")["identity"]
    out = capsys.readouterr().out
    assert f"{100 * metrics['top1']:.2f}%" in out and str(folder / "evaluate.html") in out and "TTA" not in out


def test_other_splits(digits, two, photos, capsys):
    valid = evaluated(digits, "--split", "valid", name="evaluate-valid")
    own = read(digits, "metrics.json")["valid"]
    for k in ("top1", "top5", "correct", "n", "loss"): assert valid[k] == own[k]
    train = evaluated(digits, "--split", "train", name="evaluate-train")
    assert train["n"] == read(digits, "recipe.json")["data"]["train"] and train["split"] == "train"
    assert "has no test images: its data has train, valid" in fails(capsys, "evaluate", photos, "--split", "test")
    assert "has no valid images: its data has train, test" in fails(capsys, "evaluate", two, "--split", "valid")


def test_the_json_is_what_the_predictions_say(digits):
    got = evaluated(digits)
    rows = rows_of(digits)
    n, right, taken = (sum(map(f, rows)) for f in (
        lambda r: r["label"] == "3", lambda r: r["label"] == r["predicted"] == "3", lambda r: r["predicted"] == "3"))
    c = got["classes"][3]
    assert (c["class"], c["n"], c["correct"], c["predicted"]) == ("3", n, right, taken)
    assert math.isclose(c["f1"]["value"], 2 * right / (n + taken))
    assert c["f1"]["low"] < c["f1"]["value"] < c["f1"]["high"]
    assert np.array(got["confusion"]).sum() == got["n"] == 359 and np.trace(got["confusion"]) == got["correct"]
    assert got["intervals"]["top1"][0] < got["top1"] < got["intervals"]["top1"][1] and got["ece"]["bins"] == 15
    worst = max(rows, key=lambda r: float(r["loss"]))
    assert got["highest_losses"][0] == worst["image"] and sum(b["n"] for b in got["reliability"]) == 359


def test_tta_is_the_mean_with_the_mirror_image(digits, capsys):
    learn = load(digits).learner(say=silent)
    with torch.no_grad():
        batches = [(plain(x), plain(y)) for x, y in learn.dls.test]
        p = torch.cat([(learn.model(x).softmax(1) + learn.model(x.flip(3)).softmax(1)) / 2 for x, _ in batches])
    y = torch.cat([y for _, y in batches])
    got = evaluated(digits, "--tta", name="evaluate-tta")
    assert got["correct"] == int((p.argmax(1) == y).sum())
    assert math.isclose(got["loss"], -p.gather(1, y[:, None]).log().mean(), rel_tol=1e-5)
    assert "mirror" in got["tta"] and got["loss"] != read(digits, "metrics.json")["loss"]
    out, html = capsys.readouterr().out, (digits / "evaluate-tta.html").read_text()
    assert out.count("TTA") >= 2 and "trained with --no-flip" in out
    assert "Test-time augmentation" in html and "(TTA)" in html
    first = (digits / "evaluate-tta.json").read_bytes()
    evaluated(digits, "--tta", name="evaluate-tta")
    assert (digits / "evaluate-tta.json").read_bytes() == first


# -- other images

def some_digits(at, classes, split="test"):
    "Folders of digits as PNG files, those of the run's own split"
    for o in digit_items().items:
        if o.split == split and o.label in classes:
            (at / classes[o.label]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(o.image).save(at / classes[o.label] / f"{o.name.replace('/', '-')}.png")
    return at


def test_fewer_classes(digits, tmp_path, capsys):
    "The numbers are those of these very images among all, and it says that classes are missing"
    data = some_digits(tmp_path / "three", {o: o for o in "378"})
    got = evaluated(digits, "--data", data, name="evaluate-three")
    rows = [r for r in rows_of(digits) if r["label"] in "378"]
    assert (got["n"], got["correct"]) == (len(rows), sum(r["rank"] == "0" for r in rows))
    assert not got["own_data"] and got["split"] is None
    assert math.isclose(got["loss"], np.mean([float(r["loss"]) for r in rows]), abs_tol=1e-4)
    assert got["classes_without_images"] == [*"0124569"]
    assert got["taken_for_those"] == sum(r["predicted"] not in "378" for r in rows)
    empty = next(c for c in got["classes"] if c["class"] == "0")
    assert empty["n"] == 0 and empty["recall"]["value"] is None is empty["f1"]["value"]
    assert math.isclose(got["macro_f1"]["value"],
                        np.mean([c["f1"]["value"] for c in got["classes"] if c["class"] in "378"]))
    words = "images of 3 of the model's 10 classes only"
    assert words in " ".join(capsys.readouterr().out.split())
    assert words in ParsedPage((digits / "evaluate-three.html").read_text()).text


def test_one_class_and_one_image(digits, tmp_path):
    data = some_digits(tmp_path / "one", {"3": "3"})
    for f in sorted((data / "3").iterdir())[1:]: f.unlink()
    got = evaluated(digits, "--data", data, name="evaluate-one")
    assert got["n"] == 1 and got["top1"] in (0, 1) and len(got["classes_without_images"]) == 9


def test_class_names_that_are_not_the_models(digits, photos, tmp_path, capsys):
    some_digits(tmp_path / "odd", {"3": "3", "4": "four"})
    got = evaluated(digits, "--data", tmp_path / "odd", name="evaluate-odd")
    assert any("passed over" in o and "'four'" in o for o in got["notes"]) and "'four'" in capsys.readouterr().out
    assert got["n"] == sum(1 for _ in (tmp_path / "odd" / "3").iterdir())
    shutil.rmtree(tmp_path / "odd" / "3")
    err = fails(capsys, "evaluate", digits, "--data", tmp_path / "odd")
    assert "no images of the model's 10 classes: it has no class 'four'" in err
    classes = ["apple_pie", "Ice Cream", "a b", "a_b"]
    assert name_map({"Apple-Pie", "ice_cream", "a b", "A B", "pie"}, classes) == {
        "Apple-Pie": "apple_pie", "ice_cream": "Ice Cream", "a b": "a b", "A B": None, "pie": None}


def test_the_runs_own_data_lies_somewhere_else_now(photos, tmp_path, monkeypatch, capsys):
    "It is split as the run was; where it is not found, a sentence"
    own = photos.parents[1] / "pets"
    shutil.copytree(own, tmp_path / "moved")
    own.rename(own.with_name("gone"))
    try:
        err = fails(capsys, "evaluate", photos)
        assert "can't be opened" in err and "give --data with its place now" in err
        got = evaluated(photos, "--data", tmp_path / "moved")
        assert got["own_data"] and got["loss"] == read(photos, "metrics.json")["loss"]
        shutil.copytree(photos, tmp_path / "runs" / "again")
        assert run(["page", str(tmp_path / "runs")]) == 0 and "no images of mistakes" in capsys.readouterr().out
        assert "not readable here" in (tmp_path / "runs" / "again" / "index.html").read_text()
    finally: own.with_name("gone").rename(own)


def test_data_that_has_changed_is_told(photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "run")
    meta = read(photos, "recipe.json")
    write_json(tmp_path / "run" / "recipe.json", {**meta, "data": {**meta["data"], "fingerprint": "0" * 12}})
    got = evaluated(tmp_path / "run", name="evaluate-pets")
    assert not got["own_data"] and any("is not what it was trained on" in o for o in got["notes"])


def test_unreadable_images_are_left_out_and_told(digits, tmp_path, capsys):
    data = some_digits(tmp_path / "bad", {o: o for o in "37"})
    n = sum(1 for _ in data.rglob("*.png"))
    next((data / "3").iterdir()).write_bytes(b"")
    got = evaluated(digits, "--data", data, name="evaluate-bad")
    assert got["n"] == n - 1 and any("1 image can't be read" in o and "empty file" in o for o in got["notes"])
    for f in data.rglob("*.png"): f.write_bytes(b"")
    assert "no image of bad can be read" in fails(capsys, "evaluate", digits, "--data", data)


def test_splits_of_other_data(digits, tmp_path, capsys):
    at = tmp_path / "split"
    some_digits(at / "train", {o: o for o in "37"}, "train")
    some_digits(at / "test", {o: o for o in "37"})
    got = evaluated(digits, "--data", at, name="evaluate-split")
    assert got["split"] == "test" and got["n"] == sum(1 for _ in (at / "test").rglob("*.png"))
    assert evaluated(digits, "--data", at, "--split", "train", name="evaluate-split-train")["n"] > got["n"]
    err = fails(capsys, "evaluate", digits, "--data", at, "--split", "valid")
    assert "has no valid images: it has train, test" in err
    shutil.rmtree(at / "train")
    alone = evaluated(digits, "--data", at, name="evaluate-split")
    assert alone["split"] == "test" and alone["loss"] == got["loss"]
    rows = [f"{f},{f.parent.name},test" for f in sorted((at / "test").rglob("*.png"))]
    (tmp_path / "rows.csv").write_text("\n".join(["path,label,split", *rows]))
    assert math.isclose(evaluated(digits, "--data", tmp_path / "rows.csv", name="evaluate-rows")["loss"], got["loss"])
    assert "as it has no splits" in fails(capsys, "evaluate", digits, "--data", at / "test", "--split", "valid")


# -- errors

def test_errors_are_sentences(digits, tmp_path, capsys):
    (tmp_path / "d.html").mkdir()
    begun = tmp_path / "begun"
    shutil.copytree(digits, begun)
    write_json(begun / "status.json", {"status": "unfinished"})
    for words, text in [((tmp_path,), "it has no recipe.json"), ((tmp_path / "no",), "there is no run"),
                        ((begun,), "fastricks resume"),
                        ((digits, "--split", "tset"), "did you mean 'test'?"),
                        ((digits, "--to", "x.pdf"), "--to x.pdf"),
                        ((digits, "--to", tmp_path / "d.html"), "is a folder: name a file in it"),
                        ((digits, "--data", "nowhere"), "no such folder or file")]:
        assert text in fails(capsys, "evaluate", *words), words
    assert "is no run folder" in fails(capsys, "page", tmp_path / "no")
    (begun / "predictions.csv").unlink()
    write_json(begun / "status.json", {"status": "finished"})
    assert "has no page" in fails(capsys, "page", begun)


def test_errors_and_help_need_no_torch(digits):
    code = (f"import sys; from fastricks.cli.app import run; d = {str(digits)!r}\n"
            "for w in (['--help'], [d, '--split', 'tset'], [d, '--data', 'nowhere'], [d, '--to', 'x.pdf']):\n"
            "    run(['evaluate', *w])\nassert not {'torch', 'fastai', 'timm'} & {*sys.modules}")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert r.returncode == 0 and r.stderr.count("error: ") == 3, r.stderr


# -- pages

def whole(file):
    "The text of a page that needs nothing from elsewhere"
    html = file.read_text()
    p = ParsedPage(html)
    away = [x for x in p.links if not x.startswith(("#", "data:image/webp;base64,"))]
    assert not p.open and not [x for x in away if not (file.parent / unquote(x)).exists() and x != "../index.html"]
    assert not re.search(r"url\((?!#)|@import|<script|<link|<iframe|<img src=x", html)
    assert len(html) < 300_000 and not list(file.parent.glob(".*.tmp"))
    return p


@pytest.mark.parametrize("which, words", [
    ("digits", ["cosine", "10", "359", "validation", "Training batch after augmentation",
                "The learning rate of every step"]),
    ("two", ["Per-class results", "Most frequent mistakes"]),
    ("photos", [*EVIL[:2], "There is no test set", "Left out, as 1 image can't be read"])])
def test_every_run_has_its_page(which, words, request):
    folder = request.getfixturevalue(which)
    p = whole(folder / "index.html")
    m = read(folder, "metrics.json")
    for w in (folder.name, f"{100 * m['top1']:.2f}%", f"{m['loss']:.4f}", "fastricks train --recipe", "Environment",
              *words):
        assert w in p.text, w
    assert p.tags.count("img") > 20 and p.tags.count("svg") == (4 if which == "two" else 5)


def test_evaluations_have_their_page(photos, tmp_path):
    evaluated(photos)
    assert run(["evaluate", str(photos), "--to", str(tmp_path / "deep" / "x.html")]) == 0
    p = whole(tmp_path / "deep" / "x.html")
    assert all(c in p.text for c in EVIL[:2]) and (tmp_path / "deep" / "x.json").is_file() and "TTA" not in p.text


def test_the_page_is_made_again(digits, tmp_path):
    shutil.copytree(digits, tmp_path / digits.name)
    old = (tmp_path / digits.name / "index.html").read_text()
    (tmp_path / digits.name / "index.html").unlink()
    assert run(["page", str(tmp_path)]) == 0
    new = (tmp_path / digits.name / "index.html").read_text().replace(str(tmp_path), str(digits.parent))
    alike = lambda s: re.sub(r"finished \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "", s)
    assert alike(old) == alike(new)


def test_the_page_of_a_strangers_run(digits, tmp_path, capsys):
    "Pictures that are none, a history that is none, a pipe: left out; answers that are none: a sentence"
    at = tmp_path / "strange"
    shutil.copytree(digits, at)
    (at / "batch.png").write_bytes(b"<script>")
    (at / "lr.png").unlink()
    os.mkfifo(at / "lr.png")
    (at / "targets.png").unlink()
    (at / "targets.png").symlink_to("/dev/zero")
    (at / "history.csv").write_text("epoch\nx,y\n")
    assert run(["page", str(at)]) == 0
    p = whole(at / "index.html")
    assert "No history that can be read" in p.text and "Training batch after augmentation" in p.text
    assert p.tags.count("svg") == 3
    rows = [{**r, "p": "nan"} for r in rows_of(at)]
    (at / "predictions.csv").write_text(rows_to_csv(rows))
    assert "has no page: there are probabilities outside of 0 to 1" in fails(capsys, "page", at)
    (at / "predictions.csv").write_text(rows_to_csv([{**r, "p": "0.5", "label": "x"} for r in rows]))
    assert "the model has no class 'x'" in fails(capsys, "page", at)


def test_a_page_that_fails_loses_nothing(tmp_path, monkeypatch):
    def broken(*a): raise RuntimeError("no ink")
    monkeypatch.setattr(page, "run_page", broken)
    said = []
    folder = train(recipe_of(epochs=1, out=str(tmp_path)), said.append).folder
    assert read(folder, "status.json")["status"] == "finished" and not (folder / "index.html").exists()
    assert any("no index.html (RuntimeError: no ink)" in o for o in said) and not list(folder.glob(".*.tmp"))


def test_compare_links_to_the_pages(digits):
    c = compare([digits])
    file = save_comparison(c, digits.parent / "deep" / "c.html")
    link, = [x for x in ParsedPage(file.read_text()).links if not x.startswith("#") and "-s0" in x]
    assert link == f"../{digits.name}/index.html"
    assert (file.parent / link).resolve() == (digits / "index.html").resolve()
    assert not [x for x in ParsedPage(c._repr_html_()).links if not x.startswith("#")]


@pytest.mark.parametrize("recipe, given, selection", [
    (None, {}, ["cosine+mixup:alpha=.3"]), ("blog-best", {"data": "digits", "lr": 3e-4}, []),
    ("blog-best", {"data": "digits"}, ["none", "warmup"]),
    (None, {"data": "my photos", "flip": False, "pretrained": False, "keep": "best", "patience": 3, "classes": "a,b c"},
     ["label_smoothing"])])
def test_the_command_repeats_the_recipe(recipe, given, selection, monkeypatch):
    "As a person would paste it"
    want, got = resolve({"wd": .01, **given}, selection, recipe), []
    def caught(r, **kw):
        got.append(r)
        raise UserError("stop")
    monkeypatch.setattr("fastricks.use.train.train", caught)
    line = command(want)
    assert line.startswith("fastricks train ") and run(["train", *shlex.split(line)[2:]]) == 2
    for k in ("data", "wd", "lr", "tricks", "schedule", "flip", "pretrained", "keep", "patience", "classes", "epochs",
              "size", "resize"):
        assert getattr(got[0], k) == getattr(want, k), k


# -- pictures

def many(K, n=4, seed=1):
    "Images of K classes with long names, half of them right"
    rng = np.random.default_rng(seed)
    names = [f"a_class_whose_name_is_long_{i}" for i in range(K)]
    y = [names[i % K] for i in range(n * K)]
    return fake_images(y, [a if rng.random() < .5 else names[rng.integers(K)] for a in y],
                       p=[*rng.random(n * K)]), names


@pytest.mark.parametrize("K", [2, 21, 101, 300])
def test_the_confusion_matrix_of_many_classes(K):
    found, names = many(K)
    q = measure(found, names)
    svg = page_pictures.confusion_svg(q)
    shown = min(K, page_pictures.MOST)
    assert len(svg) < 150_000 and svg.count("<text") >= 2 * shown + 1
    assert ("<title>" in svg) == (K <= page_pictures.MANY)
    assert (f"{K - shown} classes with fewer mistakes" in page_pictures.left_out(q)) == (shown < K)


def test_cells_are_where_they_belong():
    q = measure(fake_images("aab", "abb"), "ab")
    svg = page_pictures.confusion_svg(q)
    cells = re.findall(r'class="(\w+)" fill-opacity="([\d.]+)" d="([^"]+)"', svg)
    assert cells == [("hit", "0.8", "M0 0h1v1h-1z"), ("hit", "1", "M1 1h1v1h-1z"), ("miss", "0.8", "M1 0h1v1h-1z")]


def test_of_many_classes_the_terminal_shows_the_worst(digits):
    found, names = many(60)
    q = measure(found, names)
    e = look.Evaluation(read_run(digits), "x", "", False, False, {}, found, q, ())
    text = "\n".join(look_page.evaluation_lines(e, 200))
    assert "the 15 of 60 with the lowest F1" in text and text.count("a_class_whose_name_is_long") >= 15
    worst = min((r.f1.value, r.name) for r in q.rows)[1]
    assert text.index(worst[:24]) < text.index("most confused")


def test_probabilities_are_read(digits):
    got = read_images(digits / "predictions.csv", read(digits, "metrics.json"))
    assert got.p.min() > .1 and got.p.max() <= 1

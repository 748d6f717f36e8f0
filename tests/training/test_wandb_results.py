"""What a run's W&B run has beside numbers, read back from the offline run by wandb's own reader."""
import json
import os
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support.photos import train_on_photos
from support.run_files import read, rows_of, wandb_records

from fastricks.report.reporter import RunReporter
from fastricks.runfolder import wandb_results
from fastricks.use.train import train


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    "(run folder, key -> last logged value, config, records, folder of the files)"
    with pytest.MonkeyPatch.context() as m:
        for name in [n for n in os.environ if n.startswith("WANDB_")]: m.delenv(name)
        m.setenv("WANDB_DATA_DIR", str(tmp_path_factory.mktemp("staging")))
        for name in ("batch", "targets", "rates"): m.setattr(RunReporter, name, lambda *_: None)
        folder, _ = train_on_photos(tmp_path_factory, "fast", epochs=2, wandb="offline", train=train)
    records, items = wandb_records(folder), {}
    for r in records:
        if r.get("type") == "history": items |= r["history"]["item"]
    config = {}
    for r in records:
        for kind in ("run", "config"):
            if r.get("type") == kind: config |= (r["run"]["config"] if kind == "run" else r["config"])["update"]
    return folder, items, config, records, next((folder / "wandb").glob("offline-run-*")) / "files"


def table(logged, key):
    "The rows of a logged table, as dicts"
    _, items, _, _, files = logged
    found = json.loads((files / items[f"{key}.path"]).read_text())
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def test_confusion_matrix(logged):
    "Counted again from predictions.csv"
    rows = rows_of(logged[0])
    got = {(r["Actual"], r["Predicted"]): r["nPredictions"] for r in table(logged, "confusion_matrix_table")}
    classes = sorted({r["label"] for r in rows})
    assert got == {(a, b): sum(r["label"] == a and r["predicted"] == b for r in rows) for a in classes for b in classes}


def test_classes(logged):
    rows = rows_of(logged[0])
    for r in table(logged, "per_class"):
        of = [o for o in rows if o["label"] == r["class"]]
        hits = sum(o["predicted"] == r["class"] for o in of)
        assert (r["n"], r["correct"]) == (len(of), hits) and r["recall"] == pytest.approx(hits / len(of))


def test_mistakes_with_pictures(logged):
    "The table with its pictures is an artifact: W&B's own way for tables with media"
    wrong = sorted((r for r in rows_of(logged[0]) if r["label"] != r["predicted"]), key=lambda r: -float(r["loss"]))
    artifacts = [r["artifact"] for r in logged[3] if r.get("type") == "artifact"]
    artifact = next(o for o in artifacts if o["name"].endswith("-mistakes"))
    files = {o["path"]: o["local_path"] for o in artifact["manifest"]["contents"]}
    found = json.loads(Path(files["mistakes.table.json"]).read_text())
    got = [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]
    assert wrong and [o["image"] for o in got] == [r["image"] for r in wrong][:24]
    for o in got:
        with Image.open(files[o["picture"]["path"]]) as im: assert np.asarray(im.convert("RGB")).std() > 1


def test_the_page_and_the_model(logged):
    folder, items, _, records, files = logged
    assert (files / items["page.path"]).read_text() == (folder / "index.html").read_text()
    artifact = next(r["artifact"] for r in records if r.get("type") == "artifact" and r["artifact"]["type"] == "model")
    digests = {o["path"]: o["digest"] for o in artifact["manifest"]["contents"]}
    assert digests.keys() == {"model.safetensors", "recipe.json", "metrics.json"}
    import base64
    assert list(digests) and not any("staging" in o["local_path"] for o in artifact["manifest"]["contents"])
    for name, digest in digests.items():
        assert base64.b64decode(digest) == md5((folder / name).read_bytes()).digest()


def test_versions_and_code(logged):
    folder, _, config, *_ = logged
    there, here = config["environment"], read(folder, "environment.json")
    assert there["torch"] == here["torch"] and there["fastricks"] == here["fastricks"]
    assert there["code"] == (here["git"] or {}).get("revision") and "platform" not in there


@pytest.mark.parametrize("broken", ["log_confusion", "log_files", "everything"])
def test_what_fails_ends_nothing(logged, capsys, monkeypatch, broken):
    seen = []

    class Run:
        id = "x"
        config = {}
        def log(self, facts): seen.extend(facts)
        def log_artifact(self, artifact): seen.append("artifact")

    def fail(*_): raise ConnectionError("the line is down")
    if broken == "everything": monkeypatch.setattr(Run, "log", fail)
    else: monkeypatch.setattr(wandb_results, broken, fail)
    results = wandb_results.TrackedResults(["a", "b"], [0, 1], [0, 0], [{"class": "a", "n": 1}], [])
    wandb_results.log_results(Run(), logged[0], results)
    assert "the line is down" in capsys.readouterr().err
    assert {*seen} == {"log_confusion": {"page", "artifact", "per_class"}, "everything": {"artifact"},
                       "log_files": {"page", "confusion_matrix", "per_class"}}[broken]


def test_one_that_does_not_answer_is_left(logged, capsys, monkeypatch):
    import threading
    gate = threading.Event()
    monkeypatch.setattr(wandb_results, "log_environment", lambda *_: gate.wait(20))
    run = SimpleNamespace(id="x", log=len, log_artifact=lambda o: None)
    wandb_results.log_results(run, logged[0], None, patience=.1)
    gate.set()
    assert "W&B: no answer for 0.1 s" in capsys.readouterr().err

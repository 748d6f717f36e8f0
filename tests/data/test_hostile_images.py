"""Hostile files among healthy photos: nothing crashes, hangs or fills the memory, and the healthy ones do not notice.
"""
import csv
import io
import json
import os
import resource
import shutil

import pytest
import torch
from support.batches import Batches
from support.data_trees import photo
from support.forked import forked
from support.hostile import hostile_images
from support.marks import slow
from support.small import TINY, learner, recipe_of

from fastricks.core.errors import UserError
from fastricks.training.learner import fit
from fastricks.training.training import train

CLASSES = "cat", "dog", "emu"
PIPELINES = pytest.mark.parametrize("pipeline", [slow("reference"), "fast"])
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def tree(tmp_path):
    "36 healthy photos of three classes, named like h12.jpg"
    for k, label in enumerate(CLASSES):
        for i in range(12): photo(tmp_path / "pets" / label / f"h{i}.jpg", seed=100 * k + i, size=(40, 30))
    return tmp_path / "pets"


def of(tree): return dict(data=str(tree), per_class=None, pretrained=False, max_bad=1., batch_size=8)


def recipe(tree, **given):
    return recipe_of(**{**of(tree), "out": str(tree.parent / "runs"), **given})


def rows(file): return list(csv.DictReader(io.StringIO(file.read_bytes().decode(), newline="")))
def skipped(folder):
    return {r["image"]: r["reason"] for r in rows(folder / "skipped.csv")} if (folder / "skipped.csv").exists() else {}


def batches(tree, **given):
    cb = Batches()
    learn, parts = learner(cbs=[cb], **{**of(tree), **given})
    fit(learn, parts)
    return cb.seen, [o.name for o in learn.dls.train.items], [o.name for o in learn.dls.valid.items]


def same(a, b): return a[1:] == b[1:] and len(a[0]) == len(b[0]) and all(
    torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(a[0], b[0], strict=True))


SCRIPT = """
import json, resource, sys
from fastricks.cli.app import run
code = run(sys.argv[1:])
own, children = (resource.getrusage(o).ru_maxrss / 1024 for o in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([code, own, children]))
"""


def command(tree, **given):
    "Train from the command line: the run's folder, peak MB of the process and of its children"
    words = [w for k, v in {**TINY, **given}.items() for w in (f"--{k.replace('_', '-')}", str(v)) if k != "per_class"]
    own = ["--data", str(tree), "--max-bad", "1", "--no-pretrained", "--out", str(tree.parent / "runs")]
    done = forked(SCRIPT, "train", *own, *words, cwd=tree.parent, timeout=1500)
    code, *mb = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    run, = (tree.parent / "runs").glob("*/")
    return run, max(mb)


def attacked(tree, n, pipeline, seed=0):
    hostile_images([tree / c for c in CLASSES], n, seed)
    folder, mb = command(tree, pipeline=pipeline, epochs=1)
    gone = skipped(folder)
    assert all(gone.values()) and not any("/h" in o and o.split("/")[1][1:-4].isdigit() for o in gone)
    assert len(gone) > n / 5 and mb < 2500, mb
    assert not list(tree.parent.rglob("pwned*"))
    return gone


def remove(tree, names):
    for label in CLASSES:
        for o in os.scandir(os.fsencode(tree / label)):
            name = f"{label}/" + os.fsdecode(o.name).encode(errors="backslashreplace").decode()
            if name in names: os.unlink(o.path)


@PIPELINES
def test_100_hostile_files_among_36_photos(tree, pipeline): hostile_run(tree, 100, pipeline)


@pytest.mark.slow
@PIPELINES
def test_1000_hostile_files_among_36_photos(tree, pipeline): hostile_run(tree, 1000, pipeline, seed=1)


def hostile_run(tree, n, pipeline, seed=0):
    gone = attacked(tree, n, pipeline, seed)
    with_them = batches(tree, pipeline=pipeline)
    remove(tree, gone)
    assert same(with_them, batches(tree, pipeline=pipeline)), "an unreadable file changed the others"


@PIPELINES
def test_splits_are_as_if_the_unreadable_had_never_been_there(tree, pipeline):
    "Those that would have been held out, or be among the first of a class"
    _, _, held = batches(tree, valid=.25, pipeline=pipeline)
    for o in held: (tree / o).write_bytes(b"x")
    one = batches(tree, valid=.25, per_class=7, pipeline=pipeline)
    for o in held: (tree / o).unlink()
    assert same(one, batches(tree, valid=.25, per_class=7, pipeline=pipeline)) and len(one[2]) == 6


def test_above_max_bad_is_one_sentence(tree):
    for i in range(6): (tree / f"cat/h{i}.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"^6 of \d+ images of pets cannot be read, more than --max-bad 0.01 allows: "
                                        r"cat/h0.jpg \(no image\)"):
        train(recipe(tree, max_bad=.01), lambda _: None)


# -- images that go while a training runs

class Spoil:
    "What happens to files when an epoch begins: an own History.before_train"
    def __init__(self, monkeypatch, then, epoch=1):
        from fastricks.callbacks.history import History
        old = History.before_train
        def before_train(cb):
            if cb.learn.epoch == epoch: then()
            old(cb)
        monkeypatch.setattr(History, "before_train", before_train)


def spoil(tree, names):
    "Remove every other file, damage the rest"
    for i, o in enumerate(names):
        if i % 2: (tree / o).unlink()
        else: (tree / o).write_bytes((tree / o).read_bytes()[:200])


@pytest.fixture
def no_cache(monkeypatch): monkeypatch.setenv("FASTRICKS_CACHE_GB", "0")


@pytest.mark.parametrize("pipeline, workers", [
    ("reference", 0), ("fast", 2), slow("reference", 2), slow("fast", 0)])
def test_what_vanishes_in_training_is_left_out_and_listed(tree, monkeypatch, no_cache, pipeline, workers):
    names = [f"{c}/h{i}.jpg" for c in CLASSES for i in (1, 5, 7)]
    Spoil(monkeypatch, lambda: spoil(tree, names))
    said = []
    r = train(recipe(tree, valid=.25, epochs=3, pipeline=pipeline, workers=workers), said.append)
    gone = skipped(r.folder)
    assert {*gone} == {*names} and {*gone.values()} == {"truncated", "not there"}
    assert sum("left out from now on" in line for line in said) >= 3
    assert "left out from now on" in (r.folder / "log.txt").read_text()
    left = rows(r.folder / "predictions.csv")
    assert len(left) == r.metrics["n"] == 9 - sum(o.name in gone for o in r.learn.dls.valid.items)
    assert not {o["image"] for o in left} & {*gone}
    assert len(r.learn.history.rows) == 3


@pytest.mark.parametrize("pipeline", ["reference", "fast"])
def test_what_vanishes_changes_no_other_batch_and_workers_do_not_matter(tree, monkeypatch, no_cache, pipeline):
    plain = batches(tree, pipeline=pipeline, epochs=3)
    names = ["cat/h1.jpg", "dog/h2.jpg"]
    keep = {o: (tree / o).read_bytes() for o in names}
    Spoil(monkeypatch, lambda: spoil(tree, names))
    runs = []
    for workers in (0, 2):
        for o, data in keep.items(): (tree / o).write_bytes(data)
        runs.append(batches(tree, pipeline=pipeline, epochs=3, workers=workers))
    assert same(*runs)
    n = len(plain[0]) // 3
    for k, ((x, y), (u, v)) in enumerate(zip(plain[0], runs[0][0], strict=True)):
        assert len(v) <= len(y) and (k >= n or torch.equal(x, u))
        left, whole = ({o.numpy().tobytes() for o in images} for images in (u, x))
        assert left <= whole, "an image has moved to another batch, or changed"


@pytest.mark.parametrize("which, words", [("*/h[0-8].jpg", "cannot be read any more, more than --max-bad 0.5 allows"),
                                          ("cat/*", "no training image of class 'cat'")])
def test_losing_too_much_in_training_ends_the_run(tree, monkeypatch, no_cache, which, words):
    Spoil(monkeypatch, lambda: [o.unlink() for o in tree.glob(which)])
    with pytest.raises(UserError, match=words) as e: train(recipe(tree, max_bad=.5, epochs=3), lambda _: None)
    run, = (tree.parent / "runs").glob("*/")
    assert "\n" not in str(e.value)
    assert json.loads((run / "status.json").read_text())["status"] == "failed"
    assert (run / "skipped.csv").exists()


def test_a_cached_image_is_not_missed(tree, monkeypatch):
    Spoil(monkeypatch, lambda: shutil.rmtree(tree))
    r = train(recipe(tree, epochs=2, pipeline="fast"), lambda _: None)
    assert not skipped(r.folder) and r.metrics["n"]


# kilobytes, so above is in MB
def test_memory_limit_of_the_test_is_real(): assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1024

import json
import os
import time
from pathlib import Path

import pytest
from support.data_trees import food, jpeg, says, splits

from fastricks.core.cache import cache_dir, recall, remember
from fastricks.data import scan
from fastricks.data.scan import drop_unreadable
from fastricks.data.sources.open import open_source


@pytest.fixture
def tree(tmp_path):
    "20 good images"
    for k in ("cat", "dog"):
        (tmp_path/"pets"/k).mkdir(parents=True)
        for i in range(10): (tmp_path/f"pets/{k}/{i}.jpg").write_bytes(jpeg(i))
    return tmp_path/"pets"


@pytest.fixture
def cache(tmp_path): return tmp_path/"cache"


@pytest.fixture
def decoded(monkeypatch):
    "The paths that were decoded"
    seen, old = [], scan.reading_trouble
    monkeypatch.setattr(scan, "reading_trouble", lambda path: seen.append(path.name) or old(path))
    return seen


def spoil(tree):
    (tree/"cat/1.jpg").write_bytes(jpeg()[:300])
    (tree/"cat/2.jpg").write_bytes(b"garbage"*50)
    (tree/"dog/3.jpg").write_bytes(b"")
    (tree/"dog/30.jpg").symlink_to(tree/"gone.jpg")


def test_a_clean_source_comes_back_as_it_is(tree, cache):
    source = open_source(tree)
    assert drop_unreadable(source, cache=cache) is source


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_unreadable_images_are_dropped(tree, cache, threads):
    spoil(tree)
    before = open_source(tree)
    after = drop_unreadable(before, .5, threads, cache)
    assert after.skipped == (("cat/1.jpg", "truncated"), ("cat/2.jpg", "no image"), ("dog/3.jpg", "empty file"),
                             ("dog/30.jpg", "not there"))
    assert after.notes == ("skipped 4 unreadable images: cat/1.jpg (truncated), cat/2.jpg (no image), dog/3.jpg (empty "
                           "file), …",)
    gone = {o for o, _ in after.skipped}
    assert splits(after) == {k: v for k, v in splits(before).items()
                             if k not in gone} and after.classes == before.classes


def test_one_is_singular(tree, cache):
    (tree/"cat/1.jpg").write_bytes(jpeg()[:300])
    assert drop_unreadable(open_source(tree), .1, cache=cache).notes == (
        "skipped 1 unreadable image: cat/1.jpg (truncated)",)


def test_too_many(tree, cache):
    spoil(tree)
    for i in (8, 9): (tree/f"dog/{i}.jpg").write_bytes(b"")
    with says("6 of 21 images of pets cannot be read, more than --max-bad 0.1 allows: cat/1.jpg (truncated)",
              "--max-bad"):
        drop_unreadable(open_source(tree), .1, cache=cache)
    for i in (8, 9): (tree/f"dog/{i}.jpg").write_bytes(jpeg())
    (tree/"cat/2.jpg").write_bytes(jpeg())
    (tree/"dog/3.jpg").write_bytes(jpeg())
    (tree/"dog/30.jpg").unlink()
    assert len(drop_unreadable(open_source(tree), .05, cache=cache).items) == 19
    with says("1 of 20 images"): drop_unreadable(open_source(tree), 0, cache=cache)


def test_a_few_are_left_out_whatever_their_share(tree, cache):
    for i in range(5): (tree/f"cat/{i}.jpg").write_bytes(b"x")
    assert len(drop_unreadable(open_source(tree), .01, cache=cache).skipped) == 5
    (tree/"cat/5.jpg").write_bytes(b"x")
    with says("6 of 20 images"): drop_unreadable(open_source(tree), .01, cache=cache)


@pytest.mark.parametrize("v", [-.1, 1.1, float("nan")])
def test_wrong_max_bad(tree, v):
    with says(f"--max-bad {v}: give a fraction from 0 to 1"): drop_unreadable(open_source(tree), v)


def test_a_class_that_loses_all_its_training_images(tree, cache):
    source = open_source(tree)
    for o in source.of("train"):
        if o.label == "dog": o.image.write_bytes(b"x")
    with says("no training image of class 'dog' of pets can be read: dog/"): drop_unreadable(source, 1, cache=cache)


def test_a_split_that_loses_all_its_images(tree, cache):
    source = open_source(tree)
    for o in source.of("valid"): o.image.unlink()
    with says("no valid image of pets can be read"): drop_unreadable(source, 1, cache=cache)


def test_folders_and_files_that_vanish(tmp_path, cache):
    food(tmp_path/"f", train=9, images=False)
    for k in [o for s in ("train", "test") for o in (tmp_path/f"f/meta/{s}.txt").read_text().split()]:
        (tmp_path/f"f/images/{k}.jpg").parent.mkdir(exist_ok=True)
        (tmp_path/f"f/images/{k}.jpg").write_bytes(jpeg())
    (tmp_path/"f/images/ramen/0.jpg").unlink()
    (tmp_path/"f/images/ramen/0.jpg").mkdir()
    os.mkfifo(tmp_path/"f/images/ramen/9.jpg")
    source = open_source(tmp_path/"f")
    (tmp_path/"f/images/steak/0.jpg").unlink()
    skipped = drop_unreadable(source, 1, cache=cache).skipped
    assert skipped == (("images/ramen/0.jpg", "a folder"), ("images/steak/0.jpg", "not there"))


def test_what_is_clean_is_remembered(tree, cache, decoded):
    drop_unreadable(open_source(tree), cache=cache)
    assert len(decoded) == 20
    drop_unreadable(open_source(tree), cache=cache)
    drop_unreadable(open_source(tree, valid=.5), cache=cache)
    assert len(decoded) == 20
    os.utime(tree/"cat/1.jpg", ns=(1, time.time_ns() + 1))
    drop_unreadable(open_source(tree), cache=cache)
    assert len(decoded) == 40


def test_only_what_was_bad_is_tried_again(tree, cache, decoded):
    spoil(tree)
    first = drop_unreadable(open_source(tree), 1, cache=cache)
    decoded.clear()
    assert drop_unreadable(open_source(tree), 1, cache=cache).skipped == first.skipped
    assert decoded == ["1.jpg", "2.jpg", "3.jpg", "30.jpg"]


@pytest.mark.parametrize("text", ["", "{", "null", "3", '{"a": 1}', "[1, 2]", "[[]]", "\xff", "["*100_000])
def test_a_broken_cache_is_ignored(tree, cache, decoded, text):
    drop_unreadable(open_source(tree), cache=cache)
    record, = (cache/"scan").iterdir()
    record.write_text(text, encoding="latin-1")
    decoded.clear()
    drop_unreadable(open_source(tree), cache=cache)
    assert len(decoded) == 20 and json.loads(record.read_text()) == []


def test_a_cache_that_cannot_be_written_is_no_error(tree, tmp_path):
    (tmp_path/"file").touch()
    drop_unreadable(open_source(tree), cache=tmp_path/"file")
    assert (tmp_path/"file").read_bytes() == b""


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*a): raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", full)
    remember(tmp_path/"a/x.json", [1])
    assert recall(tmp_path/"a/x.json") is None and not list((tmp_path/"a").iterdir())


def test_arrays_are_not_scanned(cache, decoded):
    source = open_source("digits")
    assert drop_unreadable(source, cache=cache) is source and not decoded and not cache.exists()


def test_a_long_check_is_told(tree, cache, monkeypatch):
    said = []
    monkeypatch.setattr(scan, "MANY_IMAGES", 19)
    for _ in range(2): drop_unreadable(open_source(tree), cache=cache, say=said.append)
    assert said == ["checking 20 images, once"]


def test_the_cache_folder(monkeypatch):
    for o in ("FASTRICKS_CACHE", "XDG_CACHE_HOME"): monkeypatch.delenv(o, raising=False)
    monkeypatch.setenv("HOME", "/h")
    assert cache_dir() == Path("/h/.cache/fastricks")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_dir() == Path("/x/fastricks")
    monkeypatch.setenv("FASTRICKS_CACHE", "~/own")
    assert cache_dir() == Path("/h/own")


def test_the_cache_is_the_user_s(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path/"own"))
    drop_unreadable(open_source(tree))
    assert len(list((tmp_path/"own/scan").iterdir())) == 1

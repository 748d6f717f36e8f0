import errno
import multiprocessing
import ntpath
import os
import shutil
import signal
import time

import numpy as np
import pytest
from support.pictures import encoded, scene

from fastricks.data.pixels import canonical as canonical_module
from fastricks.data.pixels import store
from fastricks.data.pixels.canonical import canonical
from fastricks.data.pixels.store import kept_pixels, open_pixels
from fastricks.data.sources.open import open_source

N = 24


@pytest.fixture
def tree(tmp_path):
    for k in ("cat", "dog"):
        (tmp_path/"pets"/k).mkdir(parents=True)
        for i in range(N // 2):
            (tmp_path/f"pets/{k}/{i}.jpg").write_bytes(encoded(scene(40, 30 + i, seed=i + 50 * (k == "dog"))))
    return tmp_path/"pets"


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path/"cache"))
    monkeypatch.setattr(store, "PACK", 5)


@pytest.fixture
def decoded(monkeypatch):
    seen, old = [], canonical_module.canonical
    monkeypatch.setattr(store, "canonical", lambda *a: seen.append(a[0]) or old(*a))
    return seen


def opened(tree, side=24, say=lambda _: None): return open_pixels(open_source(tree).items, side, 2, say)


def right(tree, p, side=24): return all((p[o] == canonical(o.image, side)).all() for o in open_source(tree).items)
def kept(tmp_path, kind): return sorted((tmp_path/"cache").rglob(f"*.{kind}"))


def test_decoded_once_and_said_in_one_line(tree, tmp_path, decoded):
    said = []
    p, bad = opened(tree, say=said.append)
    assert right(tree, p) and bad == [] and len(decoded) == N and len(kept(tmp_path, "bin")) == 5
    assert len(said) == 1 and f"{N} photos at 24 pixels" in said[0] and f"{N} decoded" in said[0]
    p, _ = opened(tree, say=said.append)
    assert right(tree, p) and len(decoded) == N and "loaded from cache" in said[1]
    assert not kept(tmp_path, "part")


def test_what_is_kept_can_be_looked_at_without_adding_to_it(tree, tmp_path, decoded):
    items = open_source(tree).items
    assert not kept_pixels(items, 24).kept and not kept(tmp_path, "bin")
    opened(tree)
    (tree/"cat/3.jpg").write_bytes(encoded(scene(33, 55, seed=9)))
    os.utime(tree/"cat/3.jpg", (1, 1))
    p, before = kept_pixels(open_source(tree).items, 24), kept(tmp_path, "bin")
    assert right(tree, p) and len(decoded) == N + 1 and kept(tmp_path, "bin") == before
    assert not kept_pixels([], 24).kept


def test_a_changed_photo_is_another_one(tree, decoded):
    opened(tree)
    (tree/"cat/3.jpg").write_bytes(encoded(scene(33, 55, seed=9)))
    os.utime(tree/"cat/3.jpg", (1, 1))
    p, _ = opened(tree)
    assert len(decoded) == N + 1 and right(tree, p)


def test_a_copy_of_the_data_elsewhere_is_not_decoded_again(tree, tmp_path, decoded):
    opened(tree)
    copy = tmp_path/"scratch"/"job 7"/"pets"
    shutil.copytree(tree, copy)
    (copy/"cat/3.jpg").write_bytes(encoded(scene(33, 55, seed=9)))
    said = []
    p, bad = opened(copy, say=said.append)
    assert right(copy, p) and bad == [] and len(decoded) == N + 1 and "1 decoded" in said[0]
    assert right(copy, opened(copy)[0]) and len(decoded) == N + 1


def test_another_image_of_the_same_name_size_and_time_is_another(tree, tmp_path, decoded):
    opened(tree)
    copy = tmp_path/"scratch"/"pets"
    shutil.copytree(tree, copy)
    data = bytearray((copy/"cat/3.jpg").read_bytes())
    data[-20] ^= 1
    (copy/"cat/3.jpg").write_bytes(data)
    os.utime(copy/"cat/3.jpg", ns=((tree/"cat/3.jpg").stat().st_mtime_ns,) * 2)
    assert right(copy, opened(copy)[0]) and len(decoded) == N + 1


@pytest.mark.parametrize("text", [None, b"", b"x", b"12345678"])
def test_broken_hashes_are_none(tree, tmp_path, decoded, text):
    opened(tree)
    for file in kept(tmp_path, "same"): file.unlink() if text is None else file.write_bytes(text)
    shutil.copytree(tree, tmp_path/"copy")
    assert right(tmp_path/"copy", opened(tmp_path/"copy")[0]) and len(decoded) > N


def test_another_size_is_kept_apart(tree):
    a, b = opened(tree, 24)[0], opened(tree, 16)[0]
    assert right(tree, a, 24) and right(tree, b, 16)


def test_part_of_the_photos_adds_to_what_is_there(tree, decoded):
    items = open_source(tree).items
    open_pixels(items[::3], 24, 1, print)
    open_pixels(items, 24, 1, print)
    assert len(decoded) == N


@pytest.mark.parametrize("kind", ["bin", "idx"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone", "longer"])
def test_damage_is_noticed_and_made_good(tree, tmp_path, kind, harm):
    opened(tree)
    for n, file in enumerate(kept(tmp_path, kind)):
        data = bytearray(file.read_bytes())
        data[(len(data) * n) // 5] ^= 16
        if harm == "gone": file.unlink()
        else:
            file.write_bytes({"flip": bytes(data), "cut": data[:len(data) // 2], "empty": b"",
                              "longer": data + b"x"}[harm])
    p, bad = opened(tree)
    assert right(tree, p) and not bad


def test_every_flipped_byte_of_an_index_is_noticed(tree, tmp_path):
    opened(tree)
    file = kept(tmp_path, "idx")[0]
    data = file.read_bytes()
    for i in range(len(data)):
        file.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1:])
        assert store.read_index(file) is None
    file.write_bytes(data)
    assert store.read_index(file) is not None


def test_packs_that_go_while_a_run_lasts_are_done_without(tree, tmp_path):
    p, _ = opened(tree)
    shutil.rmtree(tmp_path/"cache")
    assert right(tree, p)


def test_unreadable_photos_are_named_and_tried_again(tree, decoded):
    (tree/"cat/3.jpg").write_bytes(b"no image")
    (tree/"dog/4.jpg").write_bytes((tree/"dog/5.jpg").read_bytes()[:200])
    _, bad = opened(tree)
    assert {n for n, _ in bad} == {"cat/3.jpg", "dog/4.jpg"} and all(why for _, why in bad)
    before = len(decoded)
    assert opened(tree)[1] == bad and len(decoded) == before + 2


def build(tree, go):
    go.wait()
    p, bad = opened(tree)
    assert right(tree, p) and not bad


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_builders_at_once_end_right_and_decode_once(tree, tmp_path):
    ctx = multiprocessing.get_context("fork")
    go = ctx.Event()
    ps = [ctx.Process(target=build, args=(tree, go)) for _ in range(3)]
    for p in ps: p.start()
    go.set()
    for p in ps: p.join(60)
    assert [p.exitcode for p in ps] == [0, 0, 0] and len(kept(tmp_path, "bin")) == 5 and not kept(tmp_path, "part")


def slow_build(tree):
    old = canonical_module.canonical
    canonical_module.canonical = lambda *a: time.sleep(.05) or old(*a)
    opened(tree)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_builder_leaves_whole_packs_and_its_rest_is_swept(tree, tmp_path, decoded):
    p = multiprocessing.get_context("fork").Process(target=slow_build, args=(tree,))
    p.start()
    end = time.time() + 30
    while not (kept(tmp_path, "idx") and kept(tmp_path, "part")) and time.time() < end: time.sleep(.01)
    os.kill(p.pid, signal.SIGKILL)
    p.join()
    there = len(kept(tmp_path, "idx"))
    assert there and kept(tmp_path, "part")
    assert right(tree, opened(tree)[0]) and not kept(tmp_path, "part") and len(decoded) == N - 5 * there


def test_the_size_is_bounded_and_the_longest_unused_go_first(tree, tmp_path, monkeypatch):
    other = tmp_path/"other"
    shutil.copytree(tree, other)
    for o in other.rglob("*.jpg"): o.write_bytes(o.read_bytes() + b" ")  # no copy
    opened(tree)
    old = kept(tmp_path, "idx")
    for o in old: os.utime(o, (1, 1))
    one = sum(o.stat().st_size for o in kept(tmp_path, "bin"))
    monkeypatch.setattr(store, "GB", one)
    monkeypatch.setattr(store, "usual_bytes", lambda side: one / N)
    monkeypatch.setenv("FASTRICKS_CACHE_GB", "1.5")
    assert right(other, opened(other)[0])
    assert sum(o.stat().st_size for o in kept(tmp_path, "bin")) <= 1.5 * one
    assert 0 < sum(o.exists() for o in old) < len(old)


@pytest.mark.parametrize("free, gb, words", [(0, "50", "the disk has 0.0 GB free"),
                                             (10**12, "0", "FASTRICKS_CACHE_GB is 0"), (10**12, "1e-6",
                                             "FASTRICKS_CACHE_GB allows 1e-06 GB")])
def test_without_room_photos_are_decoded_again(tree, tmp_path, monkeypatch, free, gb, words):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, free))
    monkeypatch.setenv("FASTRICKS_CACHE_GB", gb)
    said = []
    p, bad = opened(tree, say=said.append)
    assert bad is None and right(tree, p) and not p.kept and not kept(tmp_path, "bin") and words in said[0]


def test_a_full_disk_or_a_closed_folder_is_done_without(tree, tmp_path, monkeypatch):
    def full(f): raise OSError(errno.ENOSPC, "No space left on device", "pack")
    said = []
    monkeypatch.setattr(store, "sync_file", full)
    p, bad = opened(tree, say=said.append)
    assert bad is None and right(tree, p) and not kept(tmp_path, "part")
    assert "no cache (No space left on device" in said[0]
    (tmp_path/"file").write_text("")
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path/"file"))
    assert right(tree, opened(tree)[0])


def test_a_worker_process_can_be_given_them(tree):
    import pickle  # as torch sends a loader to its workers
    p, _ = opened(tree)
    right(tree, p)
    q = pickle.loads(pickle.dumps(p))
    assert right(tree, q) and isinstance(q.read(*next(iter(q.rows.values()))), np.ndarray)


def test_photos_on_two_drives_have_a_place_too(monkeypatch):
    monkeypatch.setattr(store.os, "path", ntpath)
    assert store.common_folder([r"C:\data\a", r"D:\more"]) == ""
    assert store.common_folder([r"C:\data\a", r"C:\data\b"]) == r"C:\data"

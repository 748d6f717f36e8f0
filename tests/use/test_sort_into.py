"""`predict --sort-into`: copies in a folder a class; nothing is moved or written over."""
import os
import shutil
from collections import Counter

import pytest
from support.commands import fails

from fastricks import UserError, load
from fastricks.cli.app import run as cli
from fastricks.use.sorting import Sorter, folders_of, names_of


def files_in(folder):
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def sort(photo_run, tmp_path, capsys):
    "What stderr says of sorting photos into tmp_path/out"
    def go(*words):
        assert cli(["predict", str(photo_run[0]), *map(str, words), "--sort-into", str(tmp_path / "out"), "--to",
                    "csv"]) == 0
        return capsys.readouterr().err
    return go


def test_each_photo_lies_with_its_class(photo_run, sort, tmp_path):
    "Names that two have get numbers; a second time nothing is copied again"
    run, data = photo_run
    before = files_in(data)
    said = sort(data / "test")
    photos = sorted(o for o in (data / "test").rglob("*") if o.is_file())
    want = Counter((o.label, o.path.read_bytes()) for o in load(run).predict(photos, k=1))
    got = files_in(tmp_path / "out")
    assert Counter((name.split("/")[0], x) for name, x in got.items()) == want and files_in(data) == before
    counts = ", ".join(f"{n} {c}" for c, n in sorted(Counter(c for c, _ in want.elements()).items()))
    assert f"copied    30 photos into {tmp_path / 'out'}: {counts}\n" in said
    assert "copied    0 photos" in (again := sort(data / "test"))
    assert "; 30 lay there already" in again and files_in(tmp_path / "out") == got


def test_other_files_of_that_name_stay(photo_run, sort, tmp_path):
    run, data = photo_run
    photo = data / "test/blue/00.jpg"
    folder = tmp_path / "out" / load(run).predict(photo)[0].label
    folder.mkdir(parents=True)
    (folder / "00.jpg").write_bytes(b"mine")
    (folder / "00-2.jpg").symlink_to(tmp_path / "nowhere")
    sort(photo)
    assert (folder / "00.jpg").read_bytes() == b"mine" and (folder / "00-3.jpg").read_bytes() == photo.read_bytes()
    assert not (tmp_path / "nowhere").exists()


def test_unknown_ones_have_a_folder(photo_run, sort, tmp_path):
    assert "1 unknown" in sort(photo_run[1] / "test/blue/00.jpg", "--unknown-below", "1")
    assert [*files_in(tmp_path / "out")] == ["unknown/00.jpg"]


def test_names_of_classes_lead_nowhere_else():
    want = {
        "a/b": "a_b",
        "..": "_",
        "/etc": "_etc",
        "x\0y": "x_y",
        ".hidden": "hidden",
        "red sky": "red sky",
        "日本": "日本",
    }
    assert folders_of([*want]) == want
    with pytest.raises(UserError, match="would be one folder"): folders_of(["a/b", "a_b"])
    with pytest.raises(UserError, match="would be one folder"): folders_of(["Cat", "cat"])
    with pytest.raises(UserError, match="has a class 'unknown'"): names_of(["cat", "unknown"], True)
    assert names_of(["cat", "unknown"], False) == ["cat", "unknown"]


def test_where_it_cannot_be(photo_run, tmp_path, capsys):
    run, data = photo_run
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file/out"):
        assert f"--sort-into {out}:" in fails(capsys, "predict", run, data / "test/blue", "--sort-into", out)
    (tmp_path / "out").mkdir()
    for c in load(run).classes: (tmp_path / "out" / c).write_text("a file in the folder's place")
    with pytest.raises(UserError, match="can't be copied or written"):
        Sorter(tmp_path / "out", ["blue"])(str(data / "test/blue/00.jpg"), "blue")


def test_a_copy_that_fails_leaves_nothing(photo_run, tmp_path, monkeypatch):
    def full(old, new):
        new.write(b"half")
        raise OSError(28, os.strerror(28))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(UserError, match="No space left on device"):
        Sorter(tmp_path / "out", ["blue"])(str(photo_run[1] / "test/blue/00.jpg"), "blue")
    assert not files_in(tmp_path / "out")

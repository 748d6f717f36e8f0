"""`fastricks predict` as a user types it: files, folders, globs, lists; good and bad ones."""
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest
from PIL import Image
from support.commands import fails
from support.paths import ROOT
from support.run_files import rows_of

from fastricks import load
from fastricks.cli.app import run

SURE = "probabilities at temperature 1: all validation images are right, which no temperature fits\n"


@pytest.fixture
def predict(photo_run, capsys):
    "(exit code, stdout, stderr) of a command line"
    def go(*words):
        code = run(["predict", str(photo_run[0]), *map(str, words)])
        return SimpleNamespace(code=code, **dict(zip(("out", "err"), capsys.readouterr(), strict=True)))
    return go


def test_three_forms_say_the_same(photo_run, predict, tmp_path):
    folder, data = photo_run
    rows = [r for r in rows_of(folder) if "/blue/" in r["image"]]
    lines, table, text = (predict(data / "test/blue", "--to", o, "-k", 2) for o in ("jsonl", "table", "csv"))
    got = [json.loads(o) for o in lines.out.splitlines()]
    assert lines.code == table.code == text.code == 0 and lines.err == table.err == text.err == SURE and len(got) == 10
    assert [o["path"] for o in got] == [str(data / r["image"]) for r in rows]
    for o, r in zip(got, rows, strict=True):
        assert o["predictions"][0]["label"] == r["predicted"] and abs(o["predictions"][0]["p"] - float(r["p"])) < 1e-4
    cells = list(csv.DictReader(io.StringIO(text.out)))
    assert list(cells[0]) == ["path", "label", "p", "label_2", "p_2"]
    assert [(c["path"], c["label"], float(c["p"]), c["label_2"]) for c in cells] == [
        (o["path"], o["predictions"][0]["label"], o["predictions"][0]["p"], o["predictions"][1]["label"]) for o in got]
    for line, o in zip(table.out.splitlines()[1:], got, strict=True):
        assert o["predictions"][0]["label"] in line and f"{o['predictions'][0]['p']:.1%}" in line and "\x1b" not in line
    for form, want in (("jsonl", lines), ("csv", text)):
        r = predict(data / "test/blue", "--to", tmp_path / "new" / f"p.{form}", "-k", 2)
        assert r.out == f"written   {tmp_path}/new/p.{form}: 10 images\n"
        assert (tmp_path / "new" / f"p.{form}").read_text() == want.out


def test_files_folders_and_globs(photo_run, predict, monkeypatch):
    _, data = photo_run
    def paths(*words):
        return [json.loads(o)["path"] for o in predict(*words, "--to", "jsonl", "-k", 1).out.splitlines()]
    one, all_of_it = str(data / "test/grün/00.jpg"), paths(data / "test")
    assert len(all_of_it) == 30 and all_of_it == sorted(all_of_it)
    assert paths(one, data / "test/blue", one)[::11] == [one, one]
    assert paths(f"{data}/test/*/00.*") == sorted(o for o in all_of_it if "/00." in o)
    assert paths(f"{data}/te*") == all_of_it and len(paths(f"{data}/**/0[01].*")) == 12
    monkeypatch.chdir(data / "test")
    assert paths("blue", "red*")[0] == "blue/00.jpg" and len(paths(".")) == 30


def test_a_list_on_stdin(photo_run, predict, monkeypatch):
    _, data = photo_run
    def given(text): monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    given(f"{data}/test/blue/00.jpg\n\n{data}/test/gone.jpg\r\n{data}/test/red sky")
    r = predict("-", "--to", "jsonl")
    assert r.code == 0 and len(r.out.splitlines()) == 11 and "left out" in r.err
    assert "11 images predicted, 1 left out" in r.err
    given("\n\n")
    r = predict("-")
    assert r.code == 2 and "the list on stdin is empty" in r.err and not r.out


def test_bad_files_are_told_and_passed_over(photo_run, predict, tmp_path):
    _, data = photo_run
    good = tmp_path / "good.png"
    shutil.copy(data / "test/blue/01.png", good)
    for name, what in {"empty.jpg": b"", "text.png": b"hello", "cut.png": good.read_bytes()[:300]}.items():
        (tmp_path / name).write_bytes(what)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "bare").mkdir()
    r = predict(tmp_path, tmp_path / "gone.jpg", tmp_path / "*.xyz", tmp_path / "bare", "--to", "csv", "--bs", 1)
    told = dict(line.removeprefix("left out: ").removeprefix(f"{tmp_path}/").split(" ", 1)
                for line in r.err.splitlines()[:-2])
    assert r.code == 0 and len(r.out.splitlines()) == 2 and r.err.splitlines()[-2] == "1 image predicted, 8 left out"
    assert told.keys() == {"empty.jpg", "text.png", "cut.png", "pipe.jpg", "loop.jpg", "gone.jpg", "*.xyz", "bare"}
    assert told["empty.jpg"] == "(empty file)" and told["cut.png"] == "(truncated)"
    assert told["*.xyz"] == "(matches nothing)"
    r = predict(tmp_path / "empty.jpg", tmp_path / "cut.png", "--to", tmp_path / "p.csv")
    assert r.code == 2 and "none of 2 images could be read" in r.err and not r.out and not (tmp_path / "p.csv").exists()
    assert predict(tmp_path / "empty.jpg").code == 2


def test_odd_names(photo_run, predict, tmp_path):
    """Commas, quotes, newlines, control characters, bytes that are no text: each row is of its file, and a terminal
    shows no tricks
    """
    _, data = photo_run
    names = ["a,b.png", 'q"q.png', "new\nline.png", "\x1b[31mred.png", "-k.png", "[x].png", "日本.png", "*.png"]
    for o in [*names, os.fsdecode(b"\xff.png")]: shutil.copy(data / "test/blue/01.png", tmp_path / o)
    lines, text, table = (predict(tmp_path, "--to", o) for o in ("jsonl", "csv", "table"))
    predicted = {os.path.basename(json.loads(o)["path"]) for o in lines.out.splitlines()}
    assert predicted == {*names, os.fsdecode(b"\xff.png")}
    assert {os.path.basename(o["path"]) for o in csv.DictReader(io.StringIO(text.out))} == {*names, "\\udcff.png"}
    assert len(table.out.splitlines()) == 10 and "\x1b" not in table.out
    for o in names: assert len(predict(tmp_path / o, "--to", "jsonl").out.splitlines()) == 1, o
    assert predict(tmp_path / "cut\x1b[31m", tmp_path / names[0]).err.count("\x1b") == 0


@pytest.mark.parametrize("words, says", [
    ([], "missing argument 'PATH'"), (["gone.jpg"], "no image is given: gone.jpg (not there)"),
    (["*.nothing"], "*.nothing (matches nothing)"), ([""], "'' (not there)"), (["good.jp"], "did you mean 'good.jpg'"),
    (["-k", 0, "x"], "--top"), (["--bs", 0, "x"], "--bs"),
    (["--to", "xls", "x"], "table, jsonl, csv, FILE.jsonl and FILE.csv"),
    (["--to", "jsnol", "x"], "'jsonl'"), (["--device", "tpu", "x"], "--device tpu"),
    (["--threads", 0, "x"], "--threads"),
    (["--tops", 3, "x"], "--top")])
def test_usage_errors_are_instant(photo_run, capsys, words, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.jpg").write_bytes(b"x")
    monkeypatch.setattr("fastricks.model.network.make_network",
                        lambda *a: pytest.fail("the network is made before the arguments are checked"))
    assert says in fails(capsys, "predict", photo_run[0], *words)


def test_user_errors_need_no_torch(photo_run, tmp_path):
    code = ("import sys; from fastricks.cli.app import run\n"
            "model, out = sys.argv[1:]\n"
            "for w in (['none', 'x.jpg'], [model, 'gone.jpg'], [model, 'x', '--to', 'xls']):\n"
            "    assert run(['predict', *w]) == 2\n"
            "for w in (['none', '--to', 'onnx'], [model, '--to', 'tf'], [model, '--to', 'timm', '--out', out]):\n"
            "    assert run(['export', *w]) == 2\n"
            "assert not {'torch', 'fastai', 'timm'} & {*sys.modules}")
    subprocess.run([sys.executable, "-c", code, photo_run[0], __file__], check=True, cwd=tmp_path,
                   env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_one_photo_takes_neither_fastai_nor_what_others_import_for_themselves(photo_run):
    code = ("import sys; from fastricks.cli.app import run\n"
            "assert run(['predict', *sys.argv[1:]]) == 0\n"
            "print({'fastai', 'wandb', 'pandas', 'sklearn', 'matplotlib'} & {*sys.modules})")
    r = subprocess.run([sys.executable, "-c", code, photo_run[0], photo_run[1] / "test/blue/01.png"],
                       capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert r.stdout.endswith("set()\n")


def test_where_the_file_cannot_be_written(photo_run, predict, tmp_path):
    _, data = photo_run
    (tmp_path / "file").write_text("x")
    (tmp_path / "d.csv").mkdir()
    for to in (tmp_path / "file/p.csv", tmp_path / "d.csv"):
        r = predict(data / "test/blue", "--to", to)
        assert r.code == 2 and r.err.startswith("error: --to") and r.err.count("\n") == 1


@pytest.mark.slow
def test_a_reader_that_goes_away(photo_run, tmp_path):
    "As `| head -1` does: no error, no traceback; the first row comes before stdin is at its end"
    folder, data = photo_run
    p = subprocess.Popen([sys.executable, "-m", "fastricks", "predict", folder, "-", "--to", "jsonl", "--bs", "1",
                          "--threads", "1"], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    try:
        for _ in range(8): p.stdin.write(f"{data}/test/blue/00.jpg\n")
        p.stdin.flush()
        assert json.loads(p.stdout.readline())["path"].endswith("00.jpg")
        p.stdout.close()
        for _ in range(100):
            if p.poll() is not None: break
            try:
                p.stdin.write(f"{data}/test/blue/00.jpg\n" * 50)
                p.stdin.flush()
            except BrokenPipeError: break
            time.sleep(.05)
        assert p.wait(60) == 0 and p.stderr.read() == ""
    finally:
        p.kill()
        p.wait()
        p.stderr.close()
        with suppress(BrokenPipeError): p.stdin.close()


def test_threads_of_torch(photo_run, predict):
    import torch
    assert predict(photo_run[1] / "test/blue", "--threads", 2).code == 0 and torch.get_num_threads() == 2


def test_a_long_path_is_whole_in_a_pipe_and_shortened_on_a_terminal(photo_run, predict, tmp_path, monkeypatch):
    file = tmp_path / ("x" * 60 + ".jpg")
    Image.new("RGB", (3000, 2000), "blue").save(file)
    (head, line), (o,) = predict(file).out.splitlines(), load(photo_run[0]).predict(file)
    assert line.startswith(f"{file}  {o.label} ") and f"{o.p:.1%}" in line
    assert head.split() == ["image", *["class", "p"] * 3] and head.index("class") == line.index(o.label, len(str(file)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert predict(file).out.splitlines()[1].startswith("…" + "x" * 43 + ".jpg  ")

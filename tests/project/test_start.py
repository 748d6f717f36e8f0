"""benchmarks/start.py: that it counts right, not how fast anything starts."""
import importlib
from pathlib import Path

import pytest
from support.forked import forked
from support.paths import ROOT

BUSY = "import time; end = time.process_time() + {}; [None for _ in iter(lambda: time.process_time() < end, False)]"
CPU = f"""import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from start import spent
print(*spent(sys.argv[2:], Path({str(ROOT)!r}), Path(sys.argv[1]))[::2])
"""
WITH_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"


@pytest.fixture
def start(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("start")


def test_the_seconds_of_all_that_a_command_starts_are_counted(tmp_path):
    "In a process of its own, for it waits for all its children: another test's fork server never ends"
    def spent(*words):
        r = forked(CPU, tmp_path, *words)
        assert r.returncode == 0, r.stderr
        return [float(o) for o in r.stdout.split()]
    (alone, _), (with_child, _) = spent("-c", BUSY.format(.3)), spent("-c", WITH_A_CHILD, BUSY.format(.3))
    assert .3 <= alone < .6 and .3 <= with_child < .8
    assert spent("-c", "b'x' * (200 << 20)")[1] > 200
    r = forked(CPU, tmp_path, "-c", "raise ValueError('no such luck')")
    assert r.returncode == 1 and "no such luck" in r.stderr


def test_every_row_has_a_command_and_its_bound(start):
    rows = start.rows_of(Path("/work"), 600)
    assert [r.row for r in rows] == ["7", "7", "8", *["9"] * 6, "10"]
    assert all(r.aim < r.most and all(isinstance(w, str) for w in r.words) for r in rows)


def test_ratios_are_of_one_round_and_a_run_more_is_a_difference(start, monkeypatch, tmp_path, capsys):
    row = start.Start("10", "a run more", "base", ("more",), .7, .4, ("few",), 2)
    seconds = {("-c", "base"): [2., 4.], ("more",): [5., 5.], ("few",): [3., 1.]}
    monkeypatch.setattr(start, "spent", lambda words, tree, work: (seconds[words].pop(0), 9., 100.)
                        if words in seconds else None)
    *_, found = start.measure([row], [ROOT], 2, tmp_path, say=lambda _: None)
    got = start.result(row, ROOT, found)
    assert (got["cpu_seconds"], got["value"], got["n"], got["verdict"]) == ([1., 2.], .5, 2, "passes")
    start.show([got])
    assert "a run more" in capsys.readouterr().out


def test_its_photos_and_runs(start, tmp_path):
    start.write_photos(tmp_path / "photos", 24)
    assert len([*(tmp_path / "photos" / "train").glob("*/*.jpg")]) == 16
    start.write_runs(tmp_path / "many")
    assert len([*(tmp_path / "many").iterdir()]) == len(start.TRICKS) * start.SEEDS

"""Grids on Ray and on SLURM. What needs Ray itself is slow, and skipped where it is not installed (`pip install
'fastricks[ray]'`).
"""
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.paths import ROOT
from support.small import TINY, recipe_of

from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.files import read_json
from fastricks.grid import ray as on_ray
from fastricks.grid.plan import make_rows
from fastricks.grid.scripts import whole_selection
from fastricks.recipe.recipe import resolve
from fastricks.runfolder.folder import find_finished, find_runs

WORDS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]
on_real_ray = [pytest.mark.slow, pytest.mark.skipif(not find_spec("ray"), reason="Ray is not installed")]


def test_the_address():
    assert on_ray.address_of("ray") is None and on_ray.address_of("ray:auto") == "auto"
    assert on_ray.address_of("ray:ray://head:10001") == "ray://head:10001"
    with pytest.raises(UserError, match="give ray"): on_ray.address_of("dask")


def test_a_node_that_does_not_see_the_folder_sends_the_run_back(tmp_path):
    out = tmp_path / "runs"
    recipe = recipe_of("mixup", out=str(out), epochs=1)
    got = on_ray.train_task(json.dumps(asdict(recipe)), "train", None, str(tmp_path / "no mark"))
    assert not out.exists()
    for name in ("", "-2"):
        on_ray.unpack_run(out, got["name"], got["files"])
        assert find_finished(out, read_json(out / f"{got['name']}{name}" / "recipe.json")["identity"])
    (tmp_path / "nothing").mkdir()
    nothing = recipe_of(data=str(tmp_path / "nothing"), pretrained=False)
    assert on_ray.train_task(json.dumps(asdict(nothing)), "train", None, str(out))["reason"]


class UsersRay(SimpleNamespace):
    "A stand-in for the module of Ray, whose session may run already"
    def __init__(self, runs): super().__init__(runs=runs, is_initialized=lambda: self.runs, cancel=print)
    def init(self, *_, **__): self.runs = True
    def shutdown(self): self.runs = False


@pytest.mark.parametrize("runs", [True, False])
def test_a_session_of_the_users_is_left_running(monkeypatch, runs):
    monkeypatch.setitem(sys.modules, "ray", UsersRay(runs))
    ray, ours = on_ray.connect(None)
    with on_ray.tasks_ended_with_us(ray, {}, ours): assert ray.runs
    assert ray.runs == runs and ours == (not runs)


def test_the_slurm_script_trains_every_cell(tmp_path, capsys):
    assert run(["ablate", *WORDS, "-t", "mixup:alpha=.4", "-t", "warmup+cosine", "--seeds", "2", "--slurm"]) == 0
    script = tmp_path / "grid.sh"
    script.write_text(capsys.readouterr().out)
    assert "#SBATCH --array=0-5" in script.read_text() and "--gpus" not in script.read_text()
    stub = tmp_path / "srun"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    given, seen = TINY | {"epochs": 2}, []
    rows = make_rows("add", given, None, ["mixup:alpha=.4", "warmup+cosine"])
    for i in range(6):
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": str(i)}
        words = subprocess.run(["bash", script], capture_output=True, text=True, env=env,
                               check=True).stdout.split("\n")[:-1]
        assert words[:2] == ["fastricks", "train"] and words[-1] == "--resume"
        at = {w: words[j + 1] for j, w in enumerate(words[:-1])}
        seen.append((at["--tricks"], int(at["--seed"])))
        assert run([*words[1:-1], "--explain", "--out", str(tmp_path)]) == 0
    assert seen == [(whole_selection(r.recipe), s) for s in (0, 1) for r in rows]
    assert [resolve(given, [t]).active for t, _ in seen[:3]] == [r.recipe.active for r in rows]


def start_grid(out, *words):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    cmd = [sys.executable, "-m", "fastricks", "ablate", *WORDS, "--on", "ray", "-t", "mixup", "--seeds", "2",
           "--checkpoint-every", "0s",
           "--out", out, *words]
    return subprocess.Popen(list(map(str, cmd)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def training(out):
    "(folder, pid) of a run that is in its second epoch or later"
    for f in Path(out).glob("*/history.csv"):
        status = read_json(f.parent / "status.json")
        if status["status"] == "unfinished": return f.parent, status["pid"]


def until(what, seconds=120):
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(.05)
    return got


class TestRay:
    pytestmark = on_real_ray

    def test_a_killed_workers_cell_is_gone_on_with(self, tmp_path):
        p = start_grid(tmp_path, "--epochs", 12)
        folder, pid = until(lambda: training(tmp_path))
        os.kill(pid, signal.SIGKILL)
        out, err = p.communicate(timeout=240)
        assert p.returncode == 0, err
        found = [(f, status) for f, _, status in find_runs(tmp_path)]
        assert len(found) == 4 and {s for _, s in found} == {"finished"}
        assert "resumed at epoch" in (folder / "log.txt").read_text() and len(re.findall(r"^\[\d/4\]", out, re.M)) == 4

    def test_ctrl_c_saves_and_leaves_nothing_behind(self, tmp_path):
        p = start_grid(tmp_path, "--epochs", 3000)
        folder, pid = until(lambda: training(tmp_path))
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=120)
        assert p.returncode == 130 and "the same command resumes it" in err
        assert read_json(folder / "status.json")["status"] == "interrupted" and [*folder.glob("checkpoint-*")]
        until(lambda: not Path(f"/proc/{pid}").exists(), 20)

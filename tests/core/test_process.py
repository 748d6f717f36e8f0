"What importing fastricks sets for the process: OpenMP's wait policy and glibc's allocator, and what it leaves alone."
import json
import os
import subprocess
import sys

import pytest

from fastricks.core import process
from fastricks.runfolder.environment import environment

pytestmark = pytest.mark.skipif(not process.glibc(), reason="only where libc is glibc")
SAYS = "import json, os; from fastricks.core import process; " \
       "print(json.dumps([process.found, os.environ.get('OMP_WAIT_POLICY')]))"
FAULTS = """
import resource, fastricks
for i in range(20):
    if i == 10: before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    large = b"x" * (64 << 20)
    del large
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(code, **environment):
    left = {k: v for k, v in os.environ.items()
            if k not in (*process.WAITS, "GLIBC_TUNABLES", "LD_PRELOAD", "FASTRICKS_PROCESS")
            and not k.startswith("MALLOC_")}
    r = subprocess.run([sys.executable, "-c", code], env={**left, **environment}, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout.splitlines()[-1])


@pytest.mark.parametrize("first, environment, omp, malloc, policy", [
    ("import fastricks; ", {}, "passive", "keeps memory", "PASSIVE"),
    ("import sys; sys.modules['torch'] = sys; import fastricks; ", {}, "too late: torch was imported first",
     "keeps memory", None),
    ("import fastricks; ", {"OMP_WAIT_POLICY": "active"}, "the user's own", "keeps memory", "active"),
    ("import fastricks; ", {"OMP_WAIT_POLICY": "passive"}, "passive", "keeps memory", "passive"),
    ("import fastricks; ", {"GOMP_SPINCOUNT": "100"}, "the user's own", "keeps memory", None),
    ("import fastricks; ", {"MALLOC_ARENA_MAX": "2"}, "passive", "the user's own", "PASSIVE"),
    ("import fastricks; ", {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=1"}, "passive", "the user's own", "PASSIVE"),
    ("import fastricks; ", {"LD_PRELOAD": ""}, "passive", "keeps memory", "PASSIVE"),
    ("import fastricks; ", {"FASTRICKS_PROCESS": "0"}, "as it was", "as it was", None),
])
def test_what_is_set_and_what_is_left(first, environment, omp, malloc, policy):
    assert run(first + SAYS, **environment) == [{"omp": omp, "malloc": malloc}, policy]


def test_another_allocator_stays_alone(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    assert process.malloc() == "the user's own"


def test_a_mallopt_that_refuses_is_noted(monkeypatch):
    for name in [n for n in os.environ if n.startswith("MALLOC_") or n in ("LD_PRELOAD", "GLIBC_TUNABLES")]:
        monkeypatch.delenv(name)
    libc = type("libc", (), {"mallopt": staticmethod(lambda key, value: int(key == process.TRIM_THRESHOLD))})
    monkeypatch.setattr("ctypes.CDLL", lambda name: libc)
    assert process.malloc() == "refused by mallopt"


@pytest.mark.parametrize("missing", [AttributeError, ValueError])
def test_nothing_happens_under_another_libc(monkeypatch, missing):
    def fail(name): raise missing(name)
    monkeypatch.setattr(os, "confstr", fail)
    monkeypatch.setattr(process, "found", {})
    monkeypatch.setattr(process, "malloc", lambda: pytest.fail("called"))
    process.settle()
    assert process.found == {"omp": "as it was", "malloc": "as it was"}


def test_large_blocks_are_not_asked_for_again():
    assert run(FAULTS) < 100
    assert run(FAULTS, FASTRICKS_PROCESS="0") > 300  # ten times 16,384 pages, or 32 huge ones


@pytest.mark.slow
def test_no_result_changes_by_a_bit(tmp_path):
    words = ["train", "--arch", "test_resnet", "--epochs", "1", "--threads", "1", "--per-class", "20", "--wandb",
             "disabled"]
    weights = []
    for value in ("0", "1"):
        out = tmp_path / value
        code = f"from fastricks.cli.app import run; print(run({[*words, '--out', str(out)]!r}))"
        run(code, FASTRICKS_PROCESS=value)
        weights.append(next(out.glob("*/model.safetensors")).read_bytes())
    assert weights[0] == weights[1]


def test_a_run_notes_it():
    assert environment("cpu").items() >= process.found.items() > {}.items()

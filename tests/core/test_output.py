"""What is printed where its letters or its reader are missing."""
import os
import subprocess
import sys

import pytest
from support.marks import crossed
from support.paths import ROOT

MANY_LINES = """
from fastricks.core import output
output.outlive_readers()
import rich.console, sys, time
for k in range(5000): print("a line", k, flush=k % 100 == 0)
rich.console.Console().print("a last line")
print("done", file=sys.stderr)
"""


def run_all(command, **how):
    return subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=60, **{"text": True, **how})


def test_a_reader_that_leaves_ends_nothing(tmp_path):
    (tmp_path / "s.py").write_text(MANY_LINES)
    done = run_all(f"({sys.executable} {tmp_path / 's.py'}; echo rc $? >&2) | head -1",
                   env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout == "a line 0\n" and done.stderr == "done\nrc 0\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux'")
def test_nor_does_a_full_disk_under_stdout(tmp_path):
    (tmp_path / "s.py").write_text(MANY_LINES)
    done = run_all(f"{sys.executable} {tmp_path / 's.py'} > /dev/full", env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (0, "done\n")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_nor_does_a_terminal_that_is_closed(tmp_path):
    (tmp_path / "s.py").write_text("import time; time.sleep(1)\n"
                                   + MANY_LINES.replace('print("done", file=sys.stderr)', 'open("done", "w")'))
    reader, terminal = os.openpty()
    with subprocess.Popen([sys.executable, str(tmp_path / "s.py")], cwd=tmp_path, stdout=terminal, stderr=terminal,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) as p:
        os.close(terminal)
        os.close(reader)
        assert p.wait(60) == 0 and (tmp_path / "done").exists()


@pytest.mark.parametrize("words, encoding", crossed(
    ["tricks", "tricks mixup", "recipes", "train --help"], ["cp1252", "ascii"],
    plain=[("tricks", "cp1252"), ("train --help", "ascii")]))
def test_letters_that_an_encoding_lacks_are_written_as_numbers(encoding, words):
    done = run_all(f"{sys.executable} -m fastricks {words}", env={**os.environ, "PYTHONIOENCODING": encoding},
                   encoding=encoding)
    assert done.returncode == 0 and done.stderr == "" and done.stdout

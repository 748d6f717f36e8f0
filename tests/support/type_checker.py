"""What mypy says of a user's code."""
import os
import subprocess
import sys

import pytest

from fastricks.core.lock import ProcessLock

from .paths import ROOT


def checked(tmp_path, code):
    "What mypy says of a file, with the project's own settings"
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text(code)
    cache = everybodys_folder(tmp_path) / "mypy"
    words = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", cache, "mine.py"]
    lock = ProcessLock(cache.with_suffix(".lock"))
    lock.take(wait=True)  # the first fills the cache, which takes the others' seconds
    try:
        return subprocess.run([sys.executable, "-m", "mypy", *words], cwd=tmp_path,
                              env={**os.environ, "MYPYPATH": str(ROOT)},
                              capture_output=True, text=True).stdout
    finally: lock.release()


def everybodys_folder(tmp_path):
    "One for all of xdist's workers, each of which has its own in it"
    return tmp_path.parents[1] if "PYTEST_XDIST_WORKER" in os.environ else tmp_path.parent

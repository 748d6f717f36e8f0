"""What mypy says of a user's code."""
import os
import subprocess
import sys

import pytest

from .paths import ROOT


def checked(tmp_path, code):
    "What mypy says of a file, with the project's own settings"
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text(code)
    # one for a worker's tests
    words = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path.parent / "mypy", "mine.py"]
    return subprocess.run([sys.executable, "-m", "mypy", *words], cwd=tmp_path,
                          env={**os.environ, "MYPYPATH": str(ROOT)},
                          capture_output=True, text=True).stdout

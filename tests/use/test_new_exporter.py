"""A format that nobody knew of is one new file."""
import subprocess
import sys

import pytest
from support.commands import fails

from fastricks import load
from fastricks.cli.app import run
from fastricks.use import exporters

FILE = '''"""The shape of the logits, as text."""
from fastricks.use.exporters.kinds import Exporter


class ToText(Exporter):
    name, meaning, suffix = "text", "a line for people", ".txt"

    def write(self, p, x, out, sizes):
        from fastricks.use.exporters.common import agree, deliver
        worst = agree(p, x, sizes, p.logits)
        deliver(out, f"{p.meta['arch']}: {list(p.logits(x[:2]).shape)}".encode())
        return worst

    def how(self, p, out): return [f"read it   cat {out}"]
'''
HELP = '''import sys
from fastricks.use import exporters
exporters.__path__.append(sys.argv[1])
from fastricks.cli.app import run
assert "torch" not in sys.modules
sys.exit(run(["export", "--help"]))
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    "A folder with one more exporter, for one test"
    (tmp_path / "more").mkdir()
    (tmp_path / "more/to_text.py").write_text(FILE)
    monkeypatch.setattr(exporters, "__path__", [*exporters.__path__, str(tmp_path / "more")])
    yield tmp_path / "more"
    sys.modules.pop(f"{exporters.__name__}.to_text", None)
    vars(exporters).pop("to_text", None)


def test_it_is_exported_to(photo_run, folder, capsys, tmp_path):
    out = tmp_path / "m.txt"
    assert run(["export", str(photo_run[0]), "--to", "text", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert out.read_text() == f"{load(photo_run[0]).meta['arch']}: [2, 3]"
    assert said[0].startswith(f"written   {out} (") and said[1] == f"read it   cat {out}"
    assert said[2].endswith("differ by 0.0e+00 at most")
    assert "did you mean 'text'" in fails(capsys, "export", photo_run[0], "--to", "tekst")
    assert "ends in .txt" in fails(capsys, "export", photo_run[0], "--to", "text", "--out", "x.onnx")


def test_the_help_has_it_and_stays_light(folder):
    said = subprocess.run([sys.executable, "-c", HELP, str(folder)], capture_output=True, text=True, check=True).stdout
    words = " ".join(said.split())
    assert "onnx|timm|torch-export|text" in words and "text: a line for people" in words and "RUN/model.txt" in words

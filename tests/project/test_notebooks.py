"""The notebooks as files. `nbdev-test` runs them."""
import json
import re
import subprocess
import sys

import pytest
from support.pages import blocks
from support.paths import ROOT

from fastricks.recipe.registry import registry

NBS = sorted((ROOT / "nbs").glob("*.ipynb"))


def cells(file): return json.loads(file.read_text())["cells"]
def source(cell): return "".join(cell["source"])


@pytest.mark.parametrize("file", NBS, ids=lambda f: f.stem)
def test_it_has_a_title_and_outputs_without_errors(file):
    first, *rest = cells(file)
    assert re.fullmatch(r"# [^\n]+\n\n> [^\n]+\n\n\[!\[Open in Colab\][^\n]+", source(first))
    outputs = [o for c in rest for o in c.get("outputs", [])]
    assert outputs and not any(o["output_type"] == "error" or o.get("name") == "stderr" for o in outputs)


@pytest.mark.parametrize("file", NBS, ids=lambda f: f.stem)
def test_it_is_clean(file):
    """As `nbs/execute.py` leaves it: run once from top to bottom, nobody's metadata, and no path of the machine that it
    was run on
    """
    nb = json.loads(file.read_text())
    code = [c for c in nb["cells"] if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == list(range(1, len(code) + 1))
    assert {*nb["metadata"]} <= {"kernelspec"} and not any(c["metadata"] for c in nb["cells"])
    assert [c["id"] for c in nb["cells"]] == [f"cell-{i:02}" for i in range(len(nb["cells"]))]
    shown = lambda o: "".join([*o.get("text", []), *o.get("data", {}).get("text/plain", [])])
    text = "\n".join(source(c) + "".join(map(shown, c.get("outputs", []))) for c in nb["cells"])
    assert not re.search(r"/(tmp|root|home|Users|work)/|0x[0-9a-f]{6,}", text)


# -- what they import

PAGES = {f.stem: "\n".join(source(c) for c in cells(f) if c["cell_type"] == "code") for f in NBS}
SNIPPETS = blocks("python")
PAGES |= {b.id: b.text for b in SNIPPETS if "fastricks" in b.text}


@pytest.mark.parametrize("page", PAGES)
def test_it_imports_from_the_face_alone(page):
    import fastricks
    from fastricks import callbacks
    text = PAGES[page]
    froms = dict(re.findall(r"^from (fastricks[.\w]*) import (.+)$", text, re.M))
    assert {*froms} <= {"fastricks", "fastricks.callbacks"}
    assert {*re.findall(r"^import (fastricks[.\w]*)(?: as (?:ft))?$", text, re.M)} <= {"fastricks"}
    names = {module: {o.strip() for line in re.findall(rf"^from {module} import (.+)$", text, re.M)
                      for o in line.split(",")} for module in froms}
    assert names.get("fastricks", set()) <= {*dir(fastricks)}
    assert names.get("fastricks.callbacks", set()) <= {*dir(callbacks)}
    used = {*re.findall(r"\bft\.(\w+)", text)}
    assert (used or froms) and used <= {*dir(fastricks)}


def test_no_snippet_uses_a_name_that_it_does_not_define(tmp_path):
    for i, block in enumerate(SNIPPETS): (tmp_path / f"snippet{i}.py").write_text(block.text)
    r = subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", str(tmp_path)],
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stdout


@pytest.mark.parametrize("file", NBS, ids=lambda f: f.stem)
def test_its_set_up_is_out_of_the_readers_way(file):
    first = next(c for c in cells(file) if c["cell_type"] == "code")
    assert source(first) == "#| hide\nfrom helpers import start\n\nstart()"
    assert sum("#| hide" in source(c) for c in cells(file)) == 1


def test_they_are_small_enough_to_keep(): assert NBS and sum(f.stat().st_size for f in NBS) < 1_400_000


def test_every_trick_has_a_section():
    text = next(f for f in NBS if f.stem == "01_tricks").read_text()
    assert [n for n in registry() if f'trick(\\"{n}\\")' not in text or f"### {n}" not in text] == []


def test_epochs_are_rows_of_text_in_jupyter(monkeypatch, capsys):
    "Not a piece of HTML each, and no bar, though ipykernel's stdout says it is a terminal"
    from rich import console

    from fastricks.callbacks.screen import Screen
    monkeypatch.setattr(console, "_is_jupyter", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    screen = Screen()
    screen.line("a row")
    assert not screen.shows_bar and capsys.readouterr().out == "a row\n"

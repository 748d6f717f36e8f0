"""The notebooks as files. `nbdev-test` runs them."""
import copy
import json
import re

import pytest
from support.paths import ROOT

from fastricks.recipe.registry import registry

NBS = sorted((ROOT / "nbs").glob("*.ipynb"))


def cells(file): return json.loads(file.read_text())["cells"]
def source(cell): return "".join(cell["source"])


@pytest.mark.parametrize("file", NBS, ids=lambda f: f.stem)
def test_it_has_a_title_and_outputs_without_errors(file):
    first, *rest = cells(file)
    assert re.fullmatch(r"# [^\n]+\n\n> [^\n]+", source(first))
    outputs = [o for c in rest for o in c.get("outputs", [])]
    assert outputs and not any(o["output_type"] == "error" or o.get("name") == "stderr" for o in outputs)


@pytest.mark.parametrize("file", NBS, ids=lambda f: f.stem)
def test_it_is_clean(file):
    "As `nbdev-clean` leaves it: no counts, no ids, nobody's metadata; and no path of the machine that it was run on"
    from nbdev.clean import clean_nb
    nb = json.loads(file.read_text())
    cleaned = copy.deepcopy(nb)
    clean_nb(cleaned)
    assert cleaned == nb
    text = "\n".join(source(c) + "".join("".join(o.get("text", [])) + "".join(o.get("data", {}).get("text/plain", []))
                                         for o in c.get("outputs", [])) for c in nb["cells"])
    assert not re.search(r"/(tmp|root|home|Users|work)/|0x[0-9a-f]{6,}|█", text)


def test_they_are_small_enough_to_keep(): assert NBS and sum(f.stat().st_size for f in NBS) < 840_000


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

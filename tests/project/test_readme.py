"""The README says what is true: its commands are CI's, its tricks the registry's, its selections parse."""
import re

import pytest
from support.paths import ROOT

from fastricks.core.errors import UserError
from fastricks.recipe.named import RECIPES
from fastricks.recipe.recipe import resolve
from fastricks.recipe.registry import registry

README = (ROOT / "README.md").read_text()
LINES = [c for c in re.findall(r"`((?:python train\.py|fastricks) [^`]+)`", README) if "…" not in c]


def test_ci_runs_the_two_commands():
    ci = (ROOT / ".ci" / "run").read_text()
    for line in ("pip install -e . && python train.py", "pip install -e '.[dev]' && pytest"):
        assert f"\n{line}\n" in README and f"\n{line}\n" in ci


def test_every_trick_has_its_row_and_every_recipe_its_name():
    assert set(re.findall(r"^\| `(\w+)` \| \w+ \|", README, re.M)) == set(registry())
    assert all(f"`{name}`" in README for name in RECIPES)


@pytest.mark.parametrize("line", LINES)
def test_every_selection_parses(line):
    texts = re.findall(r"(?:-t|--tricks)[ =](\S+)", line)
    for t in texts:
        try: resolve({"data": "digits", "batch_size": 16}, [t])
        except UserError as e: pytest.fail(f"{line}: {e}")


def test_the_pictures_are_there():
    names = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert names and all((ROOT / n).is_file() for n in names)

"""README and the pages of docs/ say what is true: CI runs the README's two commands, the command line understands every
line, links lead somewhere, and README is short.
"""
import re

import pytest
from support.pages import PAGES, README, command_lines, links
from support.paths import ROOT
from typer.main import get_command

from fastricks.cli.app import app
from fastricks.recipe.recipe import options, resolve

TEXT = README.read_text()
OTHER_BATCH = {"batch_size": 16}  # than the default, at which linear_scaling alone changes nothing
# lines that stand for others: a verb without what it needs, and what the reader is to fill in
SPOKEN_OF = {"resume", "predict", "predict --to jsonl", "push", "VERB --help", "show"}
MADE = ROOT / "docs" / "results.md"  # its lines are benchmarks/results.py's, which test_results_page.py tries
LINES = sorted({(*words,) for page in PAGES if page != MADE for words in command_lines(page.read_text())
                if " ".join(words) not in SPOKEN_OF})


def understood(words):
    "(verb, what its function would be called with); nothing is run"
    called, command = [], get_command(app)

    def only_say(verb, leaf): leaf.callback = lambda **given: called.append((verb, given))

    def only_say_all(group):
        for verb, c in group.commands.items():
            if hasattr(c, "commands"): only_say_all(c)
            else: only_say(verb, c)
    only_say_all(command)
    command(list(words), prog_name="fastricks", standalone_mode=False)
    return called[0] if called else (words[0], {})  # `--version` and its like end by themselves


def test_ci_runs_the_two_commands():
    ci = (ROOT / ".ci" / "run").read_text()
    for line in ("pip install -e . && python train.py", "pip install -e '.[dev]' && pytest"):
        assert f"\n{line}\n" in TEXT and f"\n{line}\n" in ci


def test_it_is_five_minutes_of_reading():
    assert len(re.sub(r"<!--.*?-->", "", TEXT, flags=re.S).split()) <= 700


def test_all_command_lines_are_found():
    assert {"train", "ablate", "compare", "show", "resume", "predict", "export", "demo", "card", "push", "soup", "runs",
            "evaluate"} <= {words[0] for words in LINES}
    assert ("train",) in {(*words,) for words in command_lines(TEXT)}
    assert ("train", "--data", "PHOTOS", "-t", "linear_scaling+warmup") in LINES


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_the_command_line_understands(words):
    verb, given = understood(words)
    tricks, recipe = given.get("tricks") or [], given.get("recipe")
    if any("./" in t for t in tricks): return  # a trick's own file; test_docs.py makes it and trains with it
    for t in tricks: resolve({"data": "digits", **OTHER_BATCH}, [t])
    if verb == "train":
        fields = {f.name: v for f in options() if (v := given[f.name]) not in (None, ())}
        resolve({**OTHER_BATCH, **fields}, tricks, None if recipe == "runs/NAME" else recipe)


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent == ROOT], ids=lambda p: p.name)
def test_its_links_lead_to_files_of_the_repository(page):
    "As on GitHub, where no page is made; those of the site are checked by `mkdocs build --strict`"
    targets = [target for _, target in links(page.read_text())]
    ours = [t.partition("#")[0] for t in targets if not t.startswith("https://")]
    assert ours and [t for t in ours if not (ROOT / t).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_elsewhere_are_well_formed(page):
    outside = [t for _, t in links(page.read_text()) if ":" in t]
    assert [t for t in outside if not re.fullmatch(r"https://[\w.-]+\.[a-z]+(/[\w./%#?=&~+@-]*)?", t)] == []

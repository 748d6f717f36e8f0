"""The README says what is true: its commands are CI's and the command line understands them all, its tricks are the
registry's.
"""
import re
import shlex

import pytest
from support.paths import ROOT
from typer.main import get_command

from fastricks.cli.app import app
from fastricks.recipe.named import RECIPES
from fastricks.recipe.recipe import options, resolve
from fastricks.recipe.registry import registry

README = (ROOT / "README.md").read_text()
OURS = re.compile(r"(?:python|torchrun\b.*) (?P<train>train\.py)\b(?P<options>.*)|fastricks (?P<words>.+)")


def command_lines(text):
    """The words after `fastricks` of every command in backticks, in a block of code or indented; `…`, comments, pipes
    and `> file` are no words
    """
    blocks = re.findall(r"^```.*\n((?:.*\n)*?)```", text, re.M)
    lines = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*\n(?:.*\n)*?```", "", text, flags=re.M))
    lines += [line for block in blocks for line in block.splitlines()] + re.findall(r"^ {4}(\S.*)", text, re.M)
    for part in (p for line in lines for p in re.split(r"&&| \| ", line)):
        if not (m := OURS.fullmatch(part.strip())): continue
        words = f"train{m['options']}" if m["train"] else m["words"]
        yield shlex.split(words.replace("…", "").partition(" > ")[0], comments=True)


OTHER_BATCH = {"batch_size": 16}  # than the default, at which linear_scaling alone changes nothing
SPOKEN_OF = ("resume",)  # a verb without what it needs
LINES = list(dict.fromkeys(map(tuple, command_lines(README))))


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
    return called[0]


def test_ci_runs_the_two_commands():
    ci = (ROOT / ".ci" / "run").read_text()
    for line in ("pip install -e . && python train.py", "pip install -e '.[dev]' && pytest"):
        assert f"\n{line}\n" in README and f"\n{line}\n" in ci


def test_every_trick_has_its_row_and_every_recipe_its_name():
    assert set(re.findall(r"^\| `(\w+)` \| \w+ \|", README, re.M)) == set(registry())
    assert all(f"`{name}`" in README for name in RECIPES)


def test_all_command_lines_are_found():
    assert {"train", "ablate", "compare", "show", "tricks", "resume", "predict", "export", "demo",
            "evaluate"} <= {words[0] for words in LINES}
    assert ("train",) in LINES and ("train", "--data", "PHOTOS", "-t", "linear_scaling+warmup") in LINES
    # some differ by a … only
    assert len(LINES) >= len(set(re.findall(r"`(?:python train\.py|fastricks) [^`]+`", README))) - 5


@pytest.mark.parametrize("words", [w for w in LINES if w != SPOKEN_OF], ids=" ".join)
def test_the_command_line_understands(words):
    verb, given = understood(words)
    tricks, recipe = given.get("tricks") or [], given.get("recipe")
    for t in tricks: resolve({"data": "digits", **OTHER_BATCH}, [t])
    if verb == "train":
        fields = {f.name: v for f in options() if (v := given[f.name]) not in (None, ())}
        resolve({**OTHER_BATCH, **fields}, tricks, None if recipe == "runs/NAME" else recipe)


def test_the_pictures_are_there():
    names = re.findall(r"!\[[^\]]*\]\((?!https:)([^)]+)\)", README)  # a badge lies elsewhere
    assert names and all((ROOT / n).is_file() for n in names)

"""Help, version, completion, and what a narrow terminal shows."""
import sys

import pytest
from support.commands import TINY_WORDS, fails

from fastricks import __version__
from fastricks.cli import screens
from fastricks.cli.app import run, takes_a_while
from fastricks.cli.help import FIELDS, VERBS
from fastricks.core import output
from fastricks.recipe.recipe import options

GROUPED = [["train"], ["ablate"], ["resume"], ["show", "data"]]


def said(capsys, *words):
    assert run([*words]) == 0
    return capsys.readouterr().out


def test_every_option_of_a_recipe_is_in_one_group():
    names = [name for group in FIELDS.values() for name in group]
    assert sorted(names) == sorted(f.name for f in options())


@pytest.mark.parametrize("words", GROUPED, ids=" ".join)
def test_options_are_listed_in_groups(words, capsys):
    text = said(capsys, *words, "--help")
    assert text.index("Options:") < text.index("\nData:") < text.index("\n  --data")
    assert text == said(capsys, *words, "-h")


def test_verbs_are_listed_in_groups_and_none_is_missing(capsys):
    text = said(capsys, "-h")
    assert [group for group in VERBS if f"\n{group}:\n" not in text] == []
    verbs = [verb for group in VERBS.values() for verb in group]
    for verb in verbs: assert run([verb, "-h"]) == 0
    from typer.main import get_command

    from fastricks.cli.app import app
    assert sorted(get_command(app).commands) == sorted(verbs)


def test_the_version(capsys): assert said(capsys, "--version") == f"fastricks {__version__}\n"


def test_completion(monkeypatch, capsys):
    for word, found in (("fastricks tra", "train"), ("fastricks train --epo", "--epochs")):
        asked = {"_FASTRICKS_COMPLETE": "complete_bash", "COMP_WORDS": word, "COMP_CWORD": str(len(word.split()) - 1)}
        for k, v in asked.items(): monkeypatch.setenv(k, v)
        with pytest.raises(SystemExit) as e: run([])
        assert e.value.code == 0 and capsys.readouterr().out.split() == [found]


def test_photos_may_be_named_without_data(capsys, tmp_path):
    assert "PHOTOS and --data: give one of them" in fails(capsys, "train", "a", "--data", "b")
    assert "nowhere" in fails(capsys, "train", "nowhere", *TINY_WORDS, "--out", tmp_path)


def test_a_wrong_verb_has_the_nearest_in_one_sentence(capsys):
    assert fails(capsys, "trian").strip() == "error: no such command 'trian'; did you mean 'train'?"


@pytest.mark.parametrize("words, expected", [
    (["train"], True), (["predict", "run", "x"], True), (["show", "data"], True), (["tricks"], False),
    (["runs"], False), (["train", "-h"], False),
    (["--version"], False), ([], False)])
def test_what_loads_torch_says_so_at_once(words, expected): assert takes_a_while(words) == expected


def test_what_is_announced_goes_when_there_is_more_to_say(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", sys.stdout), monkeypatch.setattr(sys, "stderr", sys.stderr)
    output.announce("loading …")
    assert capsys.readouterr().err == "loading …"
    print("first")
    print("second")
    got = capsys.readouterr()
    assert got.out == "first\nsecond\n" and got.err == "\r\x1b[2K"


def test_nothing_is_announced_in_a_pipe(capsys):
    output.announce("loading …")
    assert capsys.readouterr() == ("", "")


def test_lines_end_between_words_on_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    command = "next      fastricks train --recipe " + "runs/a-long-name-" * 3 + " --seed 1"
    screens.show_screen(["trained   resnet18 from scratch with cosine+mixup, 12 epochs in 60 s", command])
    first, *others, last = capsys.readouterr().out.splitlines()
    assert first == "trained   resnet18 from scratch with"
    assert all(line.startswith(" " * 10) and len(line) <= 40 for line in others)
    assert last == command  # it is to be copied


def test_a_trick_that_was_not_applied_is_no_part_of_what_was_trained():
    from fastricks.recipe.recipe import resolve
    m = {"epochs": 1, "train_seconds": 1., "images_per_s": 1.}
    line = screens.what_was_trained(resolve({}, ["amp+cosine"]), m, ["amp"])
    assert "with cosine (amp not applied)," in line
    assert "with no tricks (amp not applied)," in screens.what_was_trained(resolve({}, ["amp"]), m, ["amp"])

"""`--compile auto` and `--layout auto`: decided by timed steps, once, and recorded; `--layout contiguous`."""
import shutil

import pytest
import torch
from support.commands import TINY_WORDS, fails
from support.run_files import read
from support.small import TINY, recipe_of
from support.stopped import EACH, resumed, stopped

import fastricks as ft
from fastricks.callbacks.compile_probe import compiled_times
from fastricks.callbacks.distill import Distill
from fastricks.cli.app import run
from fastricks.cli.help import without_words
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.grid.ablate import ablate
from fastricks.model.layout import CHANNELS_LAST, CONTIGUOUS, layout_of
from fastricks.model.network import make_network
from fastricks.model.probe import layout_times
from fastricks.recipe.command import command, option_words
from fastricks.recipe.recipe import options, takes_word
from fastricks.training import by_probe
from fastricks.training.by_probe import compile_pays
from fastricks.training.notebook import learner_of
from fastricks.training.settle import settle
from fastricks.use.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
AUTO = dict(compile="auto", layout="auto")


class Timed:
    "What the probes find, without timing anything; how often each was asked"
    def __init__(self): self.asked, self.plain, self.compiled, self.contiguous = [], 2., 1., 2.

    def compiled_times(self, *_):
        self.asked.append("compile")
        return {"plain": self.plain, "compiled": self.compiled, "compiling": 1.}

    def layout_times(self, *_):
        self.asked.append("layout")
        return {CHANNELS_LAST: 1., CONTIGUOUS: self.contiguous}

    def step_of(self, *_): return self.plain


@pytest.fixture
def timed(monkeypatch, tmp_path):
    found = Timed()
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path / "cache"))
    for name in ("compiled_times", "layout_times", "step_of"): monkeypatch.setattr(by_probe, name, getattr(found, name))
    monkeypatch.setattr(by_probe, "why_not_compiled", lambda device: "")
    return found


def settled(*selection, **given):
    "(compile, layout, what was said)"
    said = []
    learner_of(recipe_of(*selection, **given), say=said.append)
    return said


# -- decisions

@pytest.mark.parametrize("steps, plain, compiled, pays", [
    (1000, .10, .05, True), (100, .10, .05, False), (100_000, .10, .095, False), (1000, .05, .10, False)])
def test_compiling_pays_where_it_saves_more_than_it_takes_and_more_than_noise(steps, plain, compiled, pays):
    assert compile_pays(steps, plain, compiled, compiling=20.)[0] is pays


@pytest.mark.parametrize("compiled, contiguous, said", [
    (1., 2., ("compile: yes (a compiled step is 2.00 times as fast, which saves 10 s in 10 steps, and compiling takes "
              "1.0 s)", "layout: channels_last (a contiguous step is 0.50 times as fast as a channels-last one)")),
    (1.9, .5, ("compile: no (a compiled step is 1.05 times as fast)",
               "layout: contiguous (a contiguous step is 2.00 times as fast as a channels-last one)"))])
def test_what_the_probe_finds_is_decided_once_and_said_in_a_line(timed, compiled, contiguous, said):
    timed.compiled, timed.contiguous = compiled, contiguous
    for _ in range(2): assert {*said} <= {*settled(**AUTO)}
    assert timed.asked == ["layout", "compile"]


def test_a_run_that_is_shorter_than_compiling_is_not_probed(timed):
    timed.plain = .01
    assert "compile: no (all 10 steps take about 0.1 s, and compiling longer)" in settled(compile="auto")
    assert timed.asked == []


def test_what_cannot_be_compiled_is_not_probed(timed, monkeypatch):
    why = "compile: no (progressive_resize has images of several sizes, and --compile compiles for one"
    assert any(why in line for line in settled("progressive_resize", compile="auto", size=64, resize=64))
    monkeypatch.setattr(by_probe, "why_not_compiled", lambda device: "no compiler")
    assert "compile: no (not possible here: no compiler)" in settled(compile="auto")
    assert timed.asked == []


def test_a_probe_that_fails_leaves_the_default(timed, monkeypatch):
    def broken(*_): raise RuntimeError("no kernel for this")
    for name in ("compiled_times", "layout_times"): monkeypatch.setattr(by_probe, name, broken)
    said = settled(**AUTO)
    for line in ("compile: no", "layout: channels_last"):
        assert f"{line} (the probe failed: RuntimeError: no kernel for this)" in said


@pytest.mark.parametrize("compiles", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_probes_measure(monkeypatch, compiles):
    if not compiles: monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    times = compiled_times(recipe_of(), 10, {"in_chans": 1}, "fp32", rounds=1)
    assert times.keys() == {"plain", "compiled", "compiling"} and 0 < times["plain"] < 50
    assert (times["compiling"] > 5 * times["compiled"]) or not compiles
    assert all(0 < s < 50 for s in layout_times(recipe_of(), 10, {}, "fp32", rounds=1).values())


# -- what is recorded is used

def decided(folder):
    r = read(folder, "recipe.json")["recipe"]
    return r["compile"], r.get("layout", CHANNELS_LAST)


def test_a_resumed_run_has_what_was_decided_at_its_start(timed, tmp_path, monkeypatch):
    timed.compiled, timed.contiguous = 4., .5
    folder = stopped(tmp_path, monkeypatch, **AUTO)
    assert decided(folder) == (False, CONTIGUOUS)
    timed.compiled, timed.contiguous = .1, 2.
    shutil.rmtree(tmp_path / "cache")
    resumed(folder)
    assert decided(folder) == (False, CONTIGUOUS) and "compile" not in read(folder, "metrics.json")
    whole = train(recipe_of(**EACH, layout=CONTIGUOUS, out=str(tmp_path / "whole")), silent).folder
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert read(folder, "recipe.json")["identity"] == read(whole, "recipe.json")["identity"]


def test_all_cells_of_an_ablation_have_the_same(timed, tmp_path):
    timed.contiguous = .5
    given = {**TINY, **AUTO, "out": str(tmp_path)}
    said = []
    grid = ablate("add", given, None, ["mixup", "cosine"], range(2), dry=True, say=said.append)
    assert {(c.recipe.compile, c.recipe.layout) for c in grid.cells} == {(True, CONTIGUOUS)} and len(grid.cells) == 6
    assert timed.asked == ["layout", "compile"] and sum(line.startswith("compile: yes") for line in said) == 1
    given |= dict(size=64, resize=64)
    grid = ablate("add", given, None, ["mixup", "progressive_resize"], range(2), dry=True, say=said.append)
    assert {c.recipe.compile for c in grid.cells} == {False}


# -- the command line, and Python

WORDS = {
    ("--compile", "auto"): ([], "auto"),
    ("--compile=auto", "PHOTOS"): (["PHOTOS"], "auto"),
    ("--compile", "PHOTOS"): (["--compile", "PHOTOS"], None),
    ("PHOTOS", "--compile"): (["PHOTOS", "--compile"], None),
    ("--compile", "./auto"): (["--compile", "./auto"], None),
    ("--no-compile", "auto"): (["--no-compile", "auto"], None),
    ("--compile", "auto", "--no-compile"): (["--no-compile"], None),
    ("--no-compile", "--compile", "auto"): (["--no-compile"], "auto"),
}


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_a_flag_takes_the_one_word_that_it_knows(words):
    rest, value = WORDS[words]
    flags = [f for f in options() if takes_word(f)]
    assert without_words(flags, words) == (rest, {"compile": value} if value else {})


@pytest.mark.parametrize("words, given", [
    (["--compile", "auto"], {"compile": "auto"}), (["--compile", "here"], {"compile": True, "data": "here"}),
    (["--no-compile"], {"compile": False}), (["--layout", "auto"], {"layout": "auto"}), ([], {})])
def test_the_recipe_gets_what_the_command_line_says(words, given, monkeypatch, capsys):
    from fastricks.cli import train as verb

    def resolve(given, *_): raise UserError(str(given))
    monkeypatch.setattr(verb, "resolve", resolve)
    assert fails(capsys, "train", *words).strip() == f"error: {given}"


def test_other_values_are_refused_with_the_nearest_right_one(capsys):
    compiled = "--compile takes no value but auto, and 'atuo' was given; did you mean 'auto'?"
    layout = "--layout contigous is not one of channels_last, contiguous, auto; did you mean 'contiguous'?"
    assert compiled in fails(capsys, "train", "--compile=atuo")
    assert layout in fails(capsys, "train", "--layout=contigous")
    for given, text in (({"compile": "atuo"}, compiled), ({"layout": "contigous"}, layout)):
        with pytest.raises(UserError) as e: ft.make_recipe(**given)
        assert str(e.value) == text
    with pytest.raises(UserError, match="not a valid boolean"): ft.make_recipe(compile=3)
    assert ft.make_recipe(**AUTO).compile == "auto" and "no such option" in fails(capsys, "runs", "--compile=auto")


def test_a_recipe_is_said_as_it_was_given():
    assert option_words(AUTO) == ["--compile", "auto", "--layout", "auto"]
    assert "--compile auto --layout contiguous" in command(recipe_of(compile="auto", layout=CONTIGUOUS))


# -- contiguous

def layouts(model): return {layout_of(model), *(layout_of_weight(m) for m in model.modules() if is_spatial(m))}
def is_spatial(m): return isinstance(m, torch.nn.Conv2d) and m.kernel_size != (1, 1) and m.in_channels > 1
def layout_of_weight(m): return CONTIGUOUS if m.weight.is_contiguous() else CHANNELS_LAST


def test_a_contiguous_run_is_used_as_it_was_trained_and_says_the_same_in_the_other_layout(tmp_path):
    result = train(recipe_of(layout=CONTIGUOUS, out=str(tmp_path), lr=1e-3), silent)
    plain = train(recipe_of(out=str(tmp_path), lr=1e-3), silent)
    assert layouts(result.learn.model) == {CONTIGUOUS} and layouts(plain.learn.model) == {CHANNELS_LAST}
    assert decided(result.folder) == (False, CONTIGUOUS)
    shutil.copyfile(result.folder / "model.safetensors", tmp_path / "alone.safetensors")
    own, other = ft.load(result.folder, device="cpu"), ft.load(tmp_path / "alone.safetensors", device="cpu")
    assert layouts(own.model) == {CONTIGUOUS} and layouts(other.model) == {CHANNELS_LAST}
    assert layouts(own.learner(say=silent).model) == {CONTIGUOUS}
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(own.probs(images), other.probs(images), atol=1e-5)
    losses = [r.learn.history.rows[0]["train_loss"] for r in (result, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_contiguous_network_computes_in_that_order():
    learn, _ = learner_of(recipe_of(layout=CONTIGUOUS), say=silent)
    seen = []
    learn.model.layer2.register_forward_hook(lambda m, x, y: seen.append((x[0].is_contiguous(), y.is_contiguous())))
    x = learn.dls.train.one_batch()[0]
    learn.model.train()(x)
    assert not x.is_contiguous() and seen == [(True, True)]


def test_a_teacher_has_the_students_layout():
    for layout in (CONTIGUOUS, CHANNELS_LAST):
        teacher = make_network("test_resnet", 10)
        learn, _ = learner_of(recipe_of(layout=layout, epochs=1), [Distill(teacher)], say=silent)
        learn.fit(1)
        assert layouts(teacher) == {layout}


def test_from_the_command_line(timed, tmp_path, capsys):
    timed.plain = .1
    words = [*TINY_WORDS, "--per-class", "8", "--device", "cpu", "--epochs", "1", "--out", str(tmp_path), "--name", "a"]
    assert run(["train", *words, "--compile", "auto", "--layout", "auto"]) == 0
    assert "compile: no (all 5 steps" in capsys.readouterr().out and decided(tmp_path / "a") == (False, CHANNELS_LAST)
    recorded = read(tmp_path / "a", "recipe.json")
    assert recorded["identity"] == settle(recipe_of(epochs=1)).identity and "layout" not in recorded["recipe"]

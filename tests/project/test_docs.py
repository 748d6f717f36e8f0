"""What README and the pages of docs/ show is run, with the smallest settings: every command and every snippet, or the
page says why not. The reference is that of the app, the cards and the face; the notebooks become pages.
"""
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.pages import BLOCK, PAGES, blocks, words_of
from support.paths import ROOT
from support.stopped import stopped

from fastricks.cli.app import app, run
from fastricks.recipe.recipe import options
from fastricks.recipe.registry import registry

pytestmark = pytest.mark.usefixtures("forked_cells")
SMALL = {"arch": "test_resnet", "pretrained": False, "size": 32, "resize": 32, "epochs": 2, "batch_size": 4,
         "threads": 1, "workers": 0, "device": "cpu", "wandb": "disabled"}
WORDS = [w for k, v in SMALL.items() if k != "pretrained" for w in (f"--{k.replace('_', '-')}", str(v))]
# what a verb is given beside its line: the last of two options counts
MORE = {"train": [*WORDS, "--no-pretrained"], "ablate": [*WORDS, "--no-pretrained", "--seeds", "1"],
        "show": ["--size", "32"]}
SHELL = blocks("sh", "console")
RUN = [b for b in SHELL if not b.reason and any(words_of(o) for o in b.text.splitlines())]
FREE = "python3 -m venv", "pip install"  # CI's own first lines, which .ci/run has


@pytest.fixture(scope="module")
def docs():
    "The scripts of docs/ that make pages, which need no mkdocs"
    with pytest.MonkeyPatch.context() as m:
        m.syspath_prepend(str(ROOT / "docs"))
        import drawn
        import reference
        yield SimpleNamespace(drawn=drawn, reference=reference)


@pytest.fixture(scope="module")
def desk(docs, tmp_path_factory):
    "A folder with all that the pages speak of: PHOTOS, photo.jpg, a finished run, a teacher, a stopped run, a trick"
    import fastricks as ft
    top = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as m:
        m.chdir(top)
        m.setenv("FASTRICKS_CACHE", str(top / "cache"))
        docs.drawn.draw_folder("PHOTOS", 10)
        docs.drawn.draw("pear", 1000).save("photo.jpg")
        for name, seed in (("NAME", 0), ("first", 0), ("TEACHER", 1)):
            ft.train("PHOTOS", **SMALL, name=name, seed=seed, valid=.3, quiet=True)
        ft.ablate("PHOTOS", ["one_cycle"], **SMALL, seeds=2, out="grid", quiet=True)
        stopped(top / "runs", m, name="STOPPED")
        page = (ROOT / "docs" / "howto" / "trick.md").read_text()
        (top / "half_rate.py").write_text(next(x[2] for x in BLOCK.finditer(page) if x[1] == "python"))
    return top


@pytest.fixture
def at_desk(desk, monkeypatch):
    monkeypatch.chdir(desk)
    monkeypatch.setenv("FASTRICKS_CACHE", str(desk / "cache"))
    return desk


def small(words):
    "A line's words with those that make it small; tables are read of runs that can be compared"
    words = [w.replace("resnet50.tv_in1k", "test_resnet") for w in words]
    if words[0] in ("compare", "soup"): return ["grid" if w.rstrip("/") == "runs" else w for w in words]
    if words[0] == "resume" and "--epochs" in words: return [*words, "--epochs", "3"]
    if "--name" in words and Path("runs", name := words[words.index("--name") + 1]).exists():
        words = [*words, "--name", f"{name}-again"]
    return words if "--recipe" in words else [*words, *MORE.get(words[0], [])]


@pytest.mark.parametrize("block", RUN, ids=lambda b: b.id)
def test_the_commands_run(block, at_desk, capsys):
    for line in block.text.splitlines():
        words = words_of(line)
        # the digits' own minute is CI's first line, and the snippet that reads an ONNX file writes it first
        if not words or words == ["train"] or words[-1] == "onnx": continue
        assert run(small(words)) == 0, (line, capsys.readouterr().err)


def test_every_other_command_says_why_not():
    "A reason below the block, or a program that is not ours"
    silent = [b.id for b in SHELL if not b.reason and b not in RUN and not b.text.lstrip().startswith(FREE)]
    assert silent == []


SMALLER = {"Resize(224)": "Resize(32)", "bs=16": "bs=4, num_workers=0", ".fit(5": ".fit(3", "seeds=5": "seeds=2"}
SNIPPETS = [b for b in blocks("python") if not b.reason]


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # fastai's
@pytest.mark.parametrize("block", SNIPPETS, ids=lambda b: b.id)
def test_the_snippets_run(block, at_desk, monkeypatch):
    if "onnxruntime" in block.text:
        pytest.importorskip("onnxruntime")
        run(["export", "runs/NAME", "--to", "onnx"])
    make_small(monkeypatch)
    text = block.text
    for old, new in SMALLER.items(): text = text.replace(old, new)
    exec(compile(text, block.id, "exec"), {"__name__": "snippet"})


def make_small(monkeypatch):
    "Trainings from Python too"
    from functools import partial

    import fastai.vision.all as vision

    from fastricks.grid import api as grid
    from fastricks.use import api
    recipe_from, row_options = api.recipe_from, grid.row_options
    monkeypatch.setattr(api, "recipe_from", lambda data, tricks, recipe, given: recipe_from(
        data, tricks, recipe, {**given, **SMALL}))
    monkeypatch.setattr(grid, "row_options", lambda data, asked: row_options(data, {**asked, **SMALL}))
    monkeypatch.setattr(vision, "vision_learner", partial(vision.vision_learner, pretrained=False))


# -- the reference

def test_the_command_lines_pages_have_every_verb_and_option(docs):
    pages = docs.reference.cli_pages()
    for verb, command in docs.reference.verbs().items():
        text = pages[docs.reference.place(verb)]
        assert [o for p in command.params for o in p.opts if o.startswith("--") and o not in text] == [], verb
    assert {place.removeprefix("reference/") for place in pages if place.count("/") == 2} == {
        *re.findall(r"\((cli/[\w-]+\.md)\)", pages["reference/cli.md"])}
    assert {info.name or info.callback.__name__ for info in app.registered_commands} <= {*docs.reference.verbs()}


def test_the_tricks_page_has_every_trick_and_recipe(docs):
    from fastricks.recipe.named import RECIPES
    text = docs.reference.tricks_page()
    assert {*re.findall(r"^\| \[`(\w+)`\]", text, re.M)} == {*registry()} == {*re.findall(r"^## (\w+)$", text, re.M)}
    assert all(f"\n{name}: " in text for name in RECIPES)


def test_the_python_page_has_every_name_and_option(docs):
    import fastricks
    text = docs.reference.python_page()
    names = {*re.findall(r"^      heading: ft\.(\w+)$", text, re.M), "stats"}
    assert names == {*docs.reference.public()} <= {*dir(fastricks)}
    assert [f.name for f in options() if f"| `{f.name}` |" not in text] == []


def test_every_page_is_in_the_order_of_the_site():
    order = (ROOT / "docs" / "hooks.py").read_text()
    pages = [p.relative_to(ROOT / "docs").with_suffix("").as_posix() for p in PAGES if p.parent != ROOT]
    assert [p for p in pages if f'"{p}"' not in order] == []
    assert [f'"tutorials/{nb.stem}"' in order for nb in (ROOT / "nbs").glob("*.ipynb")].count(False) == 0


def test_the_notebooks_become_pages(monkeypatch):
    "Without the set-up, with their pictures; where the tools of the docs extra are"
    pytest.importorskip("nbconvert")
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from notebooks import converted
    files = converted(ROOT / "nbs" / "03_distillation.ipynb")
    text = files["tutorials/03_distillation.md"]
    assert text.startswith("# Knowledge distillation") and "#| hide" not in text and "<math" in text
    pictures = re.findall(r"!\[[^\]]+\]\((.+?)\)", text)
    own = [name for name in pictures if not name.startswith("https://")]  # all but the badge
    assert own and all(f"tutorials/{name}" in files for name in own)


def test_no_page_speaks_of_the_machine_it_was_written_on():
    found = [p.name for p in PAGES if re.search(r"/(?:tmp|root|home|Users|work)/", p.read_text())]
    assert found == []

"""benchmarks/results.py: from run folders to a small file, and from that file to the page."""
import json
from pathlib import Path

import numpy as np
import pytest
from fake_runs import fake_run, population, right

from fastricks.compare import compare, load_runs

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results
    monkeypatch.setattr(results, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(results, "KEPT", tmp_path / "docs" / "results")
    (tmp_path / "docs").mkdir()
    return results


@pytest.fixture
def out(tmp_path):
    "Table 8 as trainings would have left it: cosine better, mixup worse, warm-up the same"
    rng = np.random.default_rng(0)
    hard = population(2000, rng)
    for tricks, gain in (("none", 0), ("warmup", 0), ("cosine", 1.), ("mixup", -1.)):
        for seed, hits in enumerate(right(hard, 5, rng, gain)):
            fake_run(tmp_path / "runs" / "table8", tricks, seed, hits, np.ones(20), data="food-101-21", seconds=10 + seed + 2 * (tricks == "mixup"))
    return tmp_path / "runs"


def arguments(out, *words):
    from results import parse
    return parse([*words, "--out", str(out)])


def test_a_file_says_what_the_run_folders_say(tool, out):
    from stored import load
    tool.gather(arguments(out, "gather"))
    file = tool.KEPT / "table8.json"
    kept, folders = compare(load(file)[0]), compare(load_runs(str(out / "table8")))
    drop = {"date"}
    for a, b in zip(kept.records(), folders.records(), strict=True):
        assert {k: v for k, v in a.items() if k not in drop} == {k: v for k, v in b.items() if k not in drop}
    text = file.read_text()
    assert str(out) not in text and len(text) < 60_000 * 20 and [r.name for r in sorted(tool.KEPT.iterdir())] == ["table8.json"]


def test_the_page(tool, out):
    tool.gather(arguments(out, "gather"))
    tool.page()
    page = (tool.DOCS / "results.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| [")}
    pick = lambda name: next(v for k, v in rows.items() if k.startswith(f"[{name}]"))
    assert "helps" in pick("cosine") and "+0.17 ± 0.26" in pick("cosine") and "0.84" in pick("cosine")
    assert "hurts" in pick("mixup") and "not resolved" in pick("mixup")  # 0.45 ± 0.32 is within two deviations
    for link in [p.split(")")[0] for p in page.split("](")[1:]]: assert (tool.DOCS / link).is_file(), link
    assert "Not measured yet" in page and "From scratch" in page
    recipe = json.loads(next((tool.KEPT / "recipes").glob("table8-*.json")).read_text())["recipe"]
    assert recipe["arch"] == "test_resnet"


@pytest.mark.parametrize("ours, low, high, word, theirs, sd, said", [
    (1., .5, 1.5, "helps", .8, .1, "agrees"), (1., .5, 1.5, "helps", -.8, .1, "disagrees: the other sign"),
    (-1., -1.5, -.5, "hurts", .8, .1, "disagrees: the other sign"), (.1, -.3, .4, "no difference", .2, .2, "agrees"),
    (.1, -.3, .4, "no difference", .9, .1, "disagrees: the tutorial's gain is not there"), (.1, -2., 2., "not resolved", .9, .1, "not resolved"),
    (1., .5, 1.5, "helps", .2, .2, "not resolved: the tutorial's own gain is within twice its deviation")])
def test_what_is_said_beside_the_tutorial(tool, ours, low, high, word, theirs, sd, said):
    from types import SimpleNamespace as N
    row = N(diff=N(delta=ours, low=low, high=high), verdict=word)
    assert tool.sentence(row, N(gain=theirs, gain_sd=sd), .5) == said


@pytest.mark.slow
def test_the_lines_are_ones_that_ablate_takes(tool, tmp_path, capsys):
    "--explain of each, on a tree of a few pictures"
    import timm
    from photos import make_photos
    from safetensors.torch import save_file

    from fastricks.cli import run
    data, w = make_photos(tmp_path / "sky"), tmp_path / "w.safetensors"
    save_file(timm.create_model("resnet18", num_classes=3).state_dict(), w)
    for name in tool.EXPERIMENTS:
        for line in tool.lines(arguments(tmp_path / "runs", "commands", name, "--data", str(data), "--weights", str(w)), name):
            assert run([*line.split()[1:], "--explain"]) == 0, capsys.readouterr().err

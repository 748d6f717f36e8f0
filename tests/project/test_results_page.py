"""benchmarks/results.py: from run folders to a small file, and from that file to the page."""
import json

import numpy as np
import pytest
from support.fake_runs import fake_run, population, right
from support.paths import ROOT
from support.photos import make_photos

from fastricks.report.compare.comparison import compare
from fastricks.report.compare.stats import HELPS, HURTS, OPEN, SAME
from fastricks.report.find import load_runs
from fastricks.report.stored import stored_runs


@pytest.fixture
def tool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results
    import results_page
    monkeypatch.setattr(results_page, "DOCS", tmp_path / "docs")
    for m in (results, results_page): monkeypatch.setattr(m, "KEPT", tmp_path / "docs" / "results")
    monkeypatch.setattr(results_page, "README", tmp_path / "README.md")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"# before\n\n{results_page.OPENS}\nold\n{results_page.CLOSES}\n\nafter\n")
    return results


def fine(out, tricks, seed, hits, seconds=10, batch_size=32, **more):
    "A training of 'weights', which are there"
    (w := out.parent / "w.safetensors").touch()
    name = f"{tricks}-{batch_size}-s{seed}".replace(":", "_")
    fake_run(out, tricks, seed, hits, np.ones(20), data="food-101-21", seconds=seconds, weights=str(w),
             batch_size=batch_size, name=name, **{"epochs": 6, **more})


@pytest.fixture
def out(tmp_path):
    "Table 8 as trainings would have left it: cosine better, mixup worse, warm-up the same"
    rng = np.random.default_rng(0)
    hard = population(2000, rng)
    for tricks, gain in (("none", 0), ("warmup", 0), ("cosine", 1.), ("mixup", -1.)):
        for seed, hits in enumerate(right(hard, 5, rng, gain)):
            fine(tmp_path / "runs", tricks, seed, hits, seconds=10 + seed + 2 * (tricks == "mixup"))
    return tmp_path / "runs"


def arguments(out, *words):
    from results import parse
    return parse([*words, "--out", str(out)])


def test_a_file_says_what_the_run_folders_say(tool, out):
    tool.gather(arguments(out, "gather", "table8"))
    file = tool.KEPT / "table8.json"
    kept, folders = compare(stored_runs(file)), compare(load_runs(str(out)))
    drop = {"date"}
    for a, b in zip(kept.records(), folders.records(), strict=True):
        assert {k: v for k, v in a.items() if k not in drop} == {k: v for k, v in b.items() if k not in drop}
    text = file.read_text()
    assert (
        str(out) not in text
        and len(text) < 60_000 * 20
        and [r.name for r in sorted(tool.KEPT.iterdir())] == ["table8.json"]
    )


def second_table(text):
    "Of the first section, the rows beside the tutorial's: name -> cells"
    lines = [x for x in text[text.index("| recipe | our Δ"):].split("\n\n")[0].splitlines() if x.startswith("|")][2:]
    cells = [[o.strip() for o in x.split("|")[1:-1]] for x in lines]
    return {x[0]: x[1:] for x in cells}


def test_the_page(tool, out):
    tool.gather(arguments(out, "gather", "table8"))
    tool.page()
    page = (tool.KEPT.parent / "results.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| [")}
    pick = lambda name: next(v for k, v in rows.items() if k.startswith(f"[{name}]"))
    assert "helps" in pick("cosine") and "hurts" in pick("mixup")
    told = second_table(page)
    assert told["cosine"][1].startswith("+0.17 [") and told["cosine"][3] == "0.84" and told["mixup"][-1] == "disagrees"
    for link in [p.split(")")[0] for p in page.split("](")[1:]]: assert (tool.KEPT.parent / link).is_file(), link
    assert "Not measured yet" in page and "From scratch" in page
    recipe = json.loads(next((tool.KEPT / "recipes").glob("table8-*.json")).read_text())["recipe"]
    assert recipe["arch"] == "test_resnet" and recipe["data"] == "food-101-21" and recipe["out"] == "runs"


@pytest.mark.parametrize("low, high, word, theirs, sd, said", [
    (.5, 1.5, HELPS, .8, .1, "agrees"), (.5, 1.5, OPEN, .8, .1, "agrees"), (.5, 1.5, HELPS, -.8, .1, "disagrees"),
    (-1.5, -.5, HURTS, -.8, .1, "agrees"),
    (-1.5, -.5, HURTS, .8, .1, "disagrees"), (-.3, .4, SAME, .2, .1, "agrees: neither is larger than 0.5"),
    (-.3, .4, SAME, .9, .1, "disagrees"),
    (-.3, .4, SAME, .6, .1, "not resolved by ours"), (-2., 2., OPEN, .9, .1, "not resolved by ours"),
    (.5, 1.5, HELPS, .2, .2, "not resolved by the tutorial"),
    (-.5, 2.5, OPEN, .2, .2, "not resolved by either"),
    (float("nan"), float("nan"), OPEN, .2, .2, "not resolved: ours has no interval")])
def test_what_is_said_beside_the_tutorial(tool, low, high, word, theirs, sd, said):
    from types import SimpleNamespace as N

    from results_page import sentence
    row = N(diff=N(low=low, high=high), verdict=word)
    assert sentence(row, N(gain=theirs, interval=(theirs - 3 * sd, theirs + 3 * sd)), .5) == said


def test_order_and_name_of_rows(tool, out):
    "As the tutorial has them; a row of several tricks is found in any order of them"
    rng = np.random.default_rng(1)
    for seed, hits in enumerate(right(population(2000, rng), 5, rng)):
        fine(out, "cosine+label_smoothing+warmup+distill:teacher=resnet18", seed, hits)
    tool.gather(arguments(out, "gather", "table8"))
    tool.page()
    rows = [x.split("|") for x in (tool.KEPT.parent / "results.md").read_text().splitlines() if x.startswith("| [")]
    names = ["baseline", "warmup", "cosine", "mixup", "cosine+distill+label_smoothing+warmup"]
    assert [r[1].split("]")[0][2:] for r in rows] == names
    told = second_table((tool.KEPT.parent / "results.md").read_text())
    assert told["cosine+distill+label_smoothing+warmup"][1].startswith("+0.93 [")


def test_the_tutorials_intervals(tool):
    "Welch's t for three seeds a row, against scipy on numbers of that mean and deviation"
    from experiments import EXPERIMENTS
    from scipy.stats import ttest_ind
    x = lambda mean, sd: mean + sd * np.array([-1, 0, 1])
    t = EXPERIMENTS["table8"].tutorial["label_smoothing"]
    want = ttest_ind(x(91.05, .27), x(90.21, .18), equal_var=False).confidence_interval()
    assert np.allclose(t.interval, want) and t.gain == pytest.approx(.84) and t.times == pytest.approx(37 / 43)


def test_readmes_table(tool, out):
    tool.gather(arguments(out, "gather", "table8"))
    tool.page()
    text = (tool.KEPT.parents[1] / "README.md").read_text()
    assert text.startswith("# before") and text.endswith("\n\nafter\n") and "old" not in text
    rows = [x for x in text.splitlines() if x.startswith("|[")]
    assert rows[0].startswith("|[cosine](docs/results/recipes/") and "|helps|" in rows[0]
    assert rows[1].startswith("|[baseline]") and len(rows) == 2
    assert "Verdicts of 3 rows: helps 1, hurts 1" in text
    tool.page()
    assert (tool.KEPT.parents[1] / "README.md").read_text() == text


def test_seeds_tell_experiments_of_one_folder_apart(tool, out):
    "The advice's fresh seeds lie beside Table 8's, and in another file"
    rng = np.random.default_rng(1)
    for tricks, gain in (("none", 0), ("cosine", 1.)):
        for seed, hits in enumerate(right(population(2000, rng), 5, rng, gain), 5): fine(out, tricks, seed, hits)
    tool.gather(arguments(out, "gather", "table8", "advice"))
    seeds = {name: {r.seed for r in stored_runs(tool.KEPT / f"{name}.json")} for name in ("table8", "advice")}
    assert seeds == {"table8": {0, 1, 2, 3, 4}, "advice": {5, 6, 7, 8, 9}}


def test_table_1(tool, out):
    "Takes Table 8's baseline, three seeds of it, and sets batch sizes beside the tutorial's"
    rng = np.random.default_rng(1)
    for n in (16, 64):
        for tricks in ("none", "linear_scaling:base=32"):
            for seed, hits in enumerate(right(population(2000, rng), 3, rng)):
                fine(out, tricks, seed, hits, batch_size=n)
    tool.gather(arguments(out, "gather", "table8", "table1"))
    tool.page()
    page = (tool.KEPT.parent / "results.md").read_text()
    rows = [[x.strip() for x in line.split("|")] for line in page[page.index("Table 1"):].splitlines()
            if line.startswith("| [")]
    assert len(rows) == 5 and all(x[2] == "3" for x in rows), rows
    told = second_table(page[page.index("Table 1"):])
    want = {"baseline, batch_size 16": "+0.00", "baseline, batch_size 64": "-0.07"}
    assert {k: v[1][:5] for k, v in told.items()} == want, told


def test_what_is_left_is_said_with_its_cost(tool, out):
    tool.gather(arguments(out, "gather", "--remark", "the machine was busy"))
    tool.page()
    page = (tool.KEPT.parent / "results.md").read_text()
    assert "\n- the machine was busy\n" in page
    from experiments import EXPERIMENTS
    assert "## Not measured yet" in page
    assert f"- {EXPERIMENTS['scratch'].title}: 36 of its commands' 36 trainings, " in page
    assert f"- {EXPERIMENTS['table8'].title}: 25 of its commands' 45 trainings, " in page  # four rows of nine are there
    assert EXPERIMENTS["scratch"].n_runs == 36 and EXPERIMENTS["table1"].n_runs == 21


@pytest.mark.slow
def test_the_lines_are_ones_that_ablate_takes(tool, tmp_path, capsys):
    "--explain of each, on a tree of a few pictures"
    import timm
    from safetensors.torch import save_file

    from fastricks.cli.app import run
    data, w = make_photos(tmp_path / "sky"), tmp_path / "w.safetensors"
    next(data.glob("train/*/*")).unlink()  # classes of unequal sizes, as the row of class_weights needs
    for name in tool.EXPERIMENTS:
        arch = "tf_efficientnet_lite0" if name in ("public", "recipes", "imbalance") else "resnet18"
        save_file(timm.create_model(arch, num_classes=3).state_dict(), w)
        for line in tool.lines(arguments(tmp_path / "runs", "commands", name, "--data", str(data), "--weights", str(w)),
                               name):
            assert run([*line.split()[1:], "--explain"]) == 0, capsys.readouterr().err


def test_readme_has_the_table_of_the_kept_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results_page
    kept = {name: results_page.compare_kept(name)[0] for name in results_page.FIRST}
    made = "\n".join(line for name, c in kept.items() for line in results_page.short(name, c))
    text = (ROOT / "README.md").read_text()
    assert text.split(results_page.OPENS)[1].split(results_page.CLOSES)[0].strip() == made.strip()


def test_a_kept_recipe_is_of_no_device():
    files = [*(ROOT / "docs" / "results" / "recipes").glob("*.json")]
    assert files and all(json.loads(f.read_text())["recipe"]["device"] == "auto" for f in files)


def test_a_recipes_name_stands_only_for_the_tricks_that_it_names(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results_page

    from fastricks.recipe.recipe import resolve
    assert results_page.option_of(resolve({}, recipe="best")) == "`--recipe best`"
    assert results_page.option_of(resolve({}, ["head_first:C=1"], recipe="best")) == ""
    assert results_page.option_of(resolve({})) == ""
    assert results_page.option_of(resolve({}, ["amp:dtype=bf16"], recipe="fast")) == "`--recipe fast`"  # a device's
    assert results_page.option_of(resolve({}, ["-amp"], recipe="fast")) == ""

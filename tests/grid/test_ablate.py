"""Grids of trainings: rows, seeds, processes, what is found, what fails."""
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file
from support.forked import Forked
from support.marks import slow
from support.profiles import gamut_profile
from support.quick import forking_cells
from support.small import TINY, same, trained, weights

from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.files import read_json
from fastricks.grid import cells as cells_room
from fastricks.grid.ablate import ablate, train_seeds
from fastricks.grid.cells import jobs_that_fit, rows_in_order
from fastricks.grid.plan import GridRow, make_rows, parse_budget, parse_seeds
from fastricks.grid.scripts import sweep_file, whole_selection
from fastricks.grid.verdicts import Judging, comparison_of, next_free
from fastricks.recipe.recipe import resolve
from fastricks.report.compare.times import time_ratio

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
GIVEN = {**TINY, "epochs": 1}
SEEDS = {"5": [0, 1, 2, 3, 4], "0,2,7": [0, 2, 7], "3-5": [3, 4, 5], "1,4-6": [1, 4, 5, 6], "1": [0]}


@pytest.mark.parametrize("text, want", SEEDS.items())
def test_seeds(text, want): assert parse_seeds(text) == want


@pytest.mark.parametrize("text", ["0", "x", "", "2,2", "5-3", "1-2-3", "1.5"])
def test_seeds_that_are_none(text):
    with pytest.raises(UserError, match="--seeds"): parse_seeds(text)


def test_budget():
    texts = "2h", "90m", "1h30m", "45s", "0.5h"
    assert [parse_budget(t) for t in texts] == [7200, 5400, 5400, 45, 1800]
    for t in ("", "2", "h", "2d"):
        with pytest.raises(UserError, match="--budget"): parse_budget(t)


def test_the_order_of_rows_is_shuffled_by_the_seed_alone():
    """F10: a machine that slows down by 5% within each seed; in one order the interval of the ratio of times leaves out
    1 too often
    """
    rows = [GridRow(f"row {k}", None) for k in range(9)]
    orders = [[row.name for row in rows_in_order(rows, seed)] for seed in range(200)]
    assert rows_in_order(rows[::-1], 7) == rows_in_order(rows, 7) and len({tuple(o) for o in orders}) == 200
    rng, inside, n = np.random.default_rng(0), 0, 0
    for start in range(0, 200, 5):
        seconds = {row.name: [1 + .05 * o.index(row.name) / 8 for o in orders[start:start + 5]] for row in rows}
        noise = lambda: np.exp(rng.normal(0, .005, 5))
        for row in rows[1:]:
            t = time_ratio(seconds[row.name] * noise(), seconds[rows[0].name] * noise())
            inside, n = inside + (t.low <= 1 <= t.high), n + 1
    assert inside / n >= .93


def active(row): return set(row.recipe.active) - {"step"}


def test_modes():
    A, B, C = "warmup", "mixup", "cosine+label_smoothing"
    add, drop, stack = (make_rows(m, {}, None, [A, B, C]) for m in ("add", "drop", "stack"))
    c = {"cosine", "label_smoothing"}
    assert [active(r) for r in add] == [set(), {A}, {B}, c]
    assert [active(r) for r in drop] == [{A, B} | c, {B} | c, {A} | c, {A, B}]
    assert [active(r) for r in stack] == [set(), {A}, {A, B}, {A, B} | c]
    assert [r.name for r in drop][:2] == ["all", "all but warmup"] and stack[-1].name == f"+ {C}"


@pytest.mark.parametrize("mode, texts, words", [
    ("ad", ["mixup"], "--mode"), ("add", [], "at least one -t"), ("add", ["mixup", "mixup"], "the same"),
    ("add", ["mixup", "warmup+one_cycle"], "row 'warmup\\+one_cycle': one_cycle and warmup"),
    ("add", ["mixpu"], "did you mean 'mixup'"),
    ("stack", ["cosine", "one_cycle"], "both schedules"), ("add", ["no_bias_decay"], "needs --wd")])
def test_rows_that_cannot_be_are_named_at_once(mode, texts, words):
    with pytest.raises(UserError, match=words): make_rows(mode, {}, None, texts)


def test_one_row_twice_under_two_names_is_refused(tmp_path):
    with pytest.raises(UserError, match="are the same recipe"):
        ablate("add", {**TINY, "out": str(tmp_path)}, None, ["step"], dry=True, say=lambda _: None)


@pytest.mark.parametrize("row, given, words", [
    ("resnet_d", {}, "row 'resnet_d': resnet_d is a change of ResNets, and convnext_atto"),
    ("zero_gamma", {}, "row 'zero_gamma': zero_gamma: convnext_atto.* has no residual branch"),
    ("drop_path", {"arch": "dla46_c"}, "row 'drop_path': .*dla46_c"),
    ("warmup:epochs=1", {"epochs": 1}, "row 'warmup:epochs=1': "),
    ("mixup", {"arch": "inception_v3", "size": 64}, "--arch inception_v3.* --size 64: ")])
def test_rows_that_the_network_cannot_have_are_refused_before_any_run(row, given, words, tmp_path):
    said, out = [], tmp_path / "runs"
    given = {**TINY, "arch": "convnext_atto", "pretrained": False, "size": 32, "resize": 128, "out": str(out), **given}
    with pytest.raises(UserError, match=words): ablate("add", given, None, [row], dry=True, say=said.append)
    assert not said and not out.exists()


def test_rows_whose_runs_are_all_there_are_not_made_again(monkeypatch):
    asked = []
    monkeypatch.setattr(cells_room, "require_fit", asked.append)
    cells_room.require_rows({"mixup"}, {"baseline": 1, "mixup": 2})
    assert asked == [2]


def test_room_never_shares_a_core(monkeypatch):
    monkeypatch.setattr(cells_room, "cores", lambda: 8)
    assert [jobs_that_fit(j, t) for j, t in ((4, 1), (4, 2), (4, 4), (2, 8), (9, 3), (1, 99))] == [4, 4, 2, 1, 2, 1]


@pytest.fixture
def quick():
    with forking_cells(): yield


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    "A Grid of trainings"
    out, said = tmp_path_factory.mktemp("grid"), []
    rows = ["mixup", "cosine", "distill:teacher=test_resnet"]
    with forking_cells():
        g = ablate("add", {**GIVEN, "out": str(out)}, None, rows, seeds=(0, 1), jobs=2, say=said.append)
    return g, said, out


def test_the_plan_is_printed_first(grid):
    _, said, _ = grid
    text = "\n".join(said)
    assert "4 rows × 2 seeds = 8 runs" in text and "first a teacher test_resnet, once" in text and "GB of disk" in text
    assert text.index("8 runs") < text.index("[1/9] teacher") < text.index("[2/9]")


def test_every_cell_is_a_run_of_its_recipe(grid):
    g, _, out = grid
    assert all(c.state == "done" for c in g.cells) and len(list(out.glob("*/recipe.json"))) == 9
    seed_by_seed = [(row.name, seed) for seed in (0, 1) for row in rows_in_order(g.rows, seed)]
    assert [(c.row.name, c.seed) for c in g.cells] == seed_by_seed
    for c in g.cells:
        r = read_json(c.folder / "recipe.json")
        assert r["identity"] == c.identity and r["recipe"]["seed"] == c.seed and r["recipe"]["threads"] == 1


def test_a_cell_equals_the_same_run_alone_bit_for_bit(grid):
    g, _, _ = grid
    for c in g.cells:
        if c.row.name in ("baseline", "mixup", "cosine"):
            alone = trained(*([] if c.row.name == "baseline" else [c.row.name]), seed=c.seed, epochs=1)
            assert same(load_file(c.folder / "model.safetensors"), weights(alone))


def test_finished_runs_are_found_by_recipe_not_by_name(grid):
    "Again with one row and one seed more: what is there is not trained twice, in whatever folder it lies"
    g, _, out = grid
    next(c for c in g.cells if c.row.name == "cosine").folder.rename(out / "renamed")
    said = []
    rows = ["cosine", "mixup", "warmup:epochs=.5"]
    again = ablate("add", {**GIVEN, "out": str(out)}, None, rows, seeds=(0, 1), dry=True, say=said.append)
    assert sum(c.state == "found" for c in again.cells) == 6 and sum(c.state == "todo" for c in again.cells) == 2
    assert any("6 of them found finished" in s for s in said)


def test_its_family_is_recorded_and_found(grid, quick):
    "By compare too, from the run folders; fewer rows of it are no smaller family"
    _, said, out = grid
    given, rows = {**GIVEN, "out": str(out)}, ["mixup", "cosine", "distill:teacher=test_resnet"]
    c = comparison_of(ablate("add", given, None, rows, seeds=(0, 1), say=said.append), Judging())
    assert c.looked.family == c.looked.shown == 3 and c.looked.name and len(list((out / "families").iterdir())) == 1
    again = ablate("add", given, None, ["cosine"], seeds=(0, 1), say=said.append)
    assert "these rows are 1 of a family of 3: verdicts count all of it" in said
    assert comparison_of(again, Judging()).looked.family == 3
    grown = ablate("add", given, None, [*rows, "cosine+mixup"], seeds=(0,), say=said.append)
    assert any("has grown to 4" in s for s in said) and comparison_of(grown, Judging()).looked.family == 4


@pytest.mark.parametrize("seeds, judging, says", [
    (range(5), Judging(), "or more in 8 of 10 such tables (5 seeds, 3 rows, 359 test images); smaller effects will "
                          "mostly stay open"),
    (range(9), Judging(), "(8 seeds, 3 rows"),
    (range(4), Judging(once=True), "(4 seeds, 3 rows"),
    (range(4), Judging(), "verdicts come with 5 seeds")])
def test_the_plan_says_what_it_can_see(tmp_path, seeds, judging, says):
    said = []
    ablate("add", {**TINY, "out": str(tmp_path)}, None, ["mixup", "cosine", "warmup:epochs=.5"], seeds, dry=True,
           say=said.append,
           judging=judging)
    assert says in next(s for s in said if s.startswith("sees ")) and not (tmp_path / "families").exists()


def test_fresh_seeds_are_the_first_that_nobody_has():
    assert next_free([0, 1, 2], 3, {4, 9}) == [3, 5, 6] and next_free(range(5), 2, set()) == [5, 6]


def test_a_killed_training_is_shown_and_the_rest_go_on(tmp_path, monkeypatch, quick):
    real = cells_room.start_cell

    def start(ctx, cell, *args):
        started = real(ctx, cell, *args)
        if cell.row.name == "mixup": started[0].kill()
        return started
    monkeypatch.setattr(cells_room, "start_cell", start)
    said = []
    g = ablate("add", {**GIVEN, "out": str(tmp_path)}, None, ["mixup", "cosine"], seeds=(0,), say=said.append)
    assert {c.row.name: c.state for c in g.cells} == {"baseline": "done", "mixup": "failed", "cosine": "done"}
    assert any(s.startswith("failed: mixup seed 0") for s in said)
    monkeypatch.setattr(cells_room, "start_cell", real)
    again = ablate("add", {**GIVEN, "out": str(tmp_path)}, None, ["mixup", "cosine"], seeds=(0,), say=said.append)
    assert {c.row.name: c.state for c in again.cells} == {"baseline": "found", "mixup": "done", "cosine": "found"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_killed_ablation_leaves_no_training_behind(tmp_path):
    code = ("import sys\nfrom fastricks.grid.ablate import ablate\n"
            "ablate('add', {**eval(sys.argv[1]), 'epochs': 100000}, None, ['mixup'], seeds=(0,))")
    p = Forked(code, repr({**TINY, "out": str(tmp_path / "runs")}))
    deadline = time.time() + 120
    while not list(tmp_path.glob("runs/*/history.csv")) and time.time() < deadline: time.sleep(.1)
    child = read_json(next(tmp_path.glob("runs/*/status.json")))["pid"]
    p.kill()
    p.wait()
    while alive(child) and time.time() < deadline: time.sleep(.1)
    assert not alive(child)


def alive(pid):
    "Does it run? One that has ended and that nobody has asked after (a zombie) does not"
    try: return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError: return False


def test_a_budget_begins_no_seed_that_would_not_end(tmp_path, monkeypatch, quick):
    "Each seed is whole or not begun; the same command goes on"
    from fastricks.grid import grid as room_of
    monkeypatch.setattr(room_of, "estimate", lambda *a: 1e6)
    said = []
    g = ablate("add", {**GIVEN, "out": str(tmp_path)}, None, ["mixup"], seeds=(0, 1), budget="1m", say=said.append)
    assert [c.state for c in g.cells] == ["todo"] * 4 and any("4 runs left" in s for s in said)
    monkeypatch.setattr(room_of, "estimate", lambda *a: 1.)
    said.clear()
    monkeypatch.setattr(room_of.time, "monotonic", lambda: 1e6 if any("seed 0:" in s for s in said) else 0.)
    g = ablate("add", {**GIVEN, "out": str(tmp_path)}, None, ["mixup"], seeds=(0, 1), budget="1m", say=said.append)
    assert [c.state for c in g.cells] == ["done", "done", "todo", "todo"]


@pytest.mark.parametrize("pixels, field, value", [
    (dict(icc_profile=gamut_profile()), "icc", True), slow(dict(bits=12), "white", 4095)])
def test_what_the_data_decides_is_decided_for_all_cells(tmp_path, pixels, field, value):
    """The plan looks for the runs by the identity that they get; these trainings are as users' are, in processes of a
    fork server, with pictures
    """
    for k in "ab":
        for i in range(8): write_png(tmp_path / "data" / k / f"{i}.png", i, **pixels)
    given = {**TINY, "data": str(tmp_path / "data"), "epochs": 1, "per_class": None, "pretrained": False,
             "out": str(tmp_path / "runs")}
    g = ablate("add", given, None, ["mixup"], seeds=[0], say=lambda _: None)
    assert [c.state for c in g.cells] == ["done", "done"]
    assert {read_json(c.folder / "recipe.json")["recipe"][field] for c in g.cells} == {value}


def write_png(path, seed, bits=8, **info):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    x = (rng.integers(0, 256, (20, 20, 3), dtype=np.uint8) if bits == 8
         else rng.integers(0, 2**bits, (20, 20)).astype(np.uint16))
    Image.fromarray(x).save(path, **info)


def test_train_seeds(tmp_path, quick):
    said = []
    g = train_seeds(resolve({**GIVEN, "out": str(tmp_path)}, ["mixup"]), (1, 3), said.append)
    assert [c.seed for c in g.cells] == [1, 3] and all(c.ok for c in g.cells)
    assert same(load_file(g.cells[1].folder / "model.safetensors"), weights(trained("mixup", seed=3, epochs=1)))


def test_the_sweep_files_command_is_a_training(tmp_path, capsys):
    "Each run's command, its values put in as W&B's agent does, is a command line that stands"
    given = {**TINY, "out": str(tmp_path), "flip": False}
    rows = make_rows("add", given, "blog", ["mixup:alpha=.4", "warmup+cosine"])
    sweep = yaml.safe_load(sweep_file(rows, [0, 1], given, tmp_path / "sweep.yaml").read_text())
    assert sweep["method"] == "grid" and sweep["parameters"]["seed"]["values"] == [0, 1]
    for row, value in zip(rows, sweep["parameters"]["tricks"]["values"], strict=True):
        args = [f"--tricks={value}", "--seed=1"]
        words = [w for part in sweep["command"] for w in (args if part == "${args}" else [part]) if w != "${env}"]
        assert words[:2] == ["fastricks", "train"] and run([*words[1:], "--no-pretrained", "--explain"]) == 0
        assert resolve(given, [whole_selection(row.recipe)], "blog").active == row.recipe.active
    capsys.readouterr()

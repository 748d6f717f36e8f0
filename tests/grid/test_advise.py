"""`ablate` from the command line to its verdicts, its advice and its W&B report."""
import json
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from support.commands import fails
from support.simulated import moments_of, null_table
from support.small import TINY

from fastricks.cli.app import run
from fastricks.grid.advise import Advice, advice_lines, best_bet, choose
from fastricks.recipe.command import command_line
from fastricks.report.compare.ladder import SeenRow, Terms, look_once
from fastricks.report.compare.stats import AS_GOOD, HELPS, HURTS, OPEN, SAME
from fastricks.report.compare.times import time_ratio

pytestmark = [pytest.mark.usefixtures("forked_cells"), pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]
ARGS = [w for k, v in {**TINY, "per_class": 30, "valid": .3, "lr": 3e-4, "epochs": 2}.items()
        for w in (f"--{k.replace('_', '-')}", str(v))]
GREAT = "linear_scaling:base=1"  # 16 times a rate that is far too small: this must help


def row(verdict, delta=0.):
    return SimpleNamespace(verdict=verdict, words=f"words of {verdict}", diff=SimpleNamespace(delta=delta))


def test_add_takes_what_helps_and_says_why_the_rest_is_left():
    rows = {"a": row(HELPS, 1.), "b": row(HELPS, 2.), "c": row(OPEN), "d": row(HURTS), "e": row(SAME)}
    kept, left = choose("add", ["a", "b", "c", "d", "e", "f"], rows)
    assert kept == ["b", "a"]
    assert left == {"c": "words of open", "d": "words of hurts", "e": f"words of {SAME}", "f": "its runs failed"}


def test_drop_leaves_out_what_the_stack_is_better_or_no_worse_without():
    verdicts = {"a": HELPS, "b": SAME, "c": HURTS, "d": OPEN}
    kept, left = choose("drop", [*verdicts], {f"all but {k}": row(v) for k, v in verdicts.items()})
    assert kept == ["c", "d"] and set(left) == {"a", "b"}


def test_stack_takes_the_best_prefix_that_helps():
    rows = {"+ a": row(HELPS, 1.), "+ b": row(HELPS, 2.), "+ c": row(OPEN, 3.)}
    assert choose("stack", list("abc"), rows)[0] == ["a", "b"] and choose("stack", ["c"], rows)[0] == []


@pytest.mark.parametrize("mode, rows, want", [
    ("add", {"a": row(OPEN, .5), "b": row(OPEN, 1.), "c": row(HURTS, -2.)}, ["b"]),
    ("add", {"a": row(OPEN, -.1), "b": row(SAME, 0.)}, []),
    ("stack", {"+ a": row(OPEN, .1), "+ b": row(OPEN, 1.), "+ c": row(OPEN, .5)}, ["a", "b"]),
    ("drop", {"all but a": row(OPEN, 1.)}, []),
    ("add", {}, []), ("add", {"a": row(OPEN, float("nan"))}, [])])
def test_where_nothing_is_resolved_the_best_mean_is_tried(mode, rows, want):
    assert best_bet(mode, list("abc"), rows) == want


def fresh(delta, verdict, ratio=1.):
    said = SimpleNamespace(diff=SimpleNamespace(delta=delta, low=delta - 1, high=delta + 1),
                           words=f"words of {verdict}", runs=[1, 2],
                           verdict=verdict, ratio=SimpleNamespace(ratio=ratio))
    return SimpleNamespace(rows=[None, said], metric=SimpleNamespace(points="points", digits=2), split="test")


BASELINE = "fastricks train --data x"


@pytest.mark.parametrize("confirmed, take_bets, says, train", [
    (fresh(1., HELPS), False, "advice    cosine: it helps", "-t cosine"),
    (fresh(-.1, AS_GOOD, .6), False, f"advice    cosine: words of {AS_GOOD}", "-t cosine"),
    (fresh(1., OPEN, 1.3), False, "advice    the baseline: cosine was the best on the validation split, and is a bet",
     BASELINE),
    (fresh(1., OPEN), False, "advice    the baseline: cosine was the best on the validation split, and is a bet; it "
                             "costs no time", BASELINE),
    (fresh(1., OPEN), True, "advice    cosine: a bet that costs no time", "-t cosine"),
    (fresh(1., OPEN, 1.3), True, "advice    the baseline", BASELINE),
    (fresh(-.2, OPEN), True, "advice    the baseline", BASELINE),
    (fresh(-1., HURTS), True, "advice    the baseline", BASELINE)])
def test_fresh_seeds_end_it_in_three_ways(confirmed, take_bets, says, train):
    a = Advice(("cosine",), {"mixup": "it hurts"}, None, confirmed, False, take_bets)
    lines = advice_lines(a, {"data": "x"}, None,
                         SimpleNamespace(split="valid", n_images=210, metric=SimpleNamespace(title="cross-entropy")))
    assert lines[1].startswith(says) and lines[-1].endswith(train)
    assert "points on the test set, 2 fresh seeds" in lines[2]
    assert lines[2].endswith("(decided with these same seeds)") and "left out  mixup: it hurts" in lines


def test_a_null_row_is_rarely_adopted():
    "F2: the best of seven null rows on the validation split, with five fresh seeds, not faster in truth"
    rng, n, adopted = np.random.default_rng(0), 4000, 0
    for _ in range(n):
        d = null_table(rng, 1, 5, 1.5)
        time = time_ratio(np.exp(rng.normal(0, .03, 5)), np.exp(rng.normal(0, .03, 5)))
        look = lambda name, n: SeenRow(moments_of(d[0], .16), time)  # noqa: B023
        adopted += look_once(["0"], look, Terms())["0"].verdict in (HELPS, AS_GOOD)
    assert adopted / n <= .035


def test_the_line_to_train_it():
    line = command_line({"data": "x", "flip": False, "lr": .1}, "blog", ("mixup",))
    assert line == "fastricks train --recipe blog --data x --no-flip --lr 0.1 -t mixup"


@pytest.fixture(scope="module")
def ablated(tmp_path_factory, forked_cells):
    out = tmp_path_factory.mktemp("ablation")
    words = ["ablate", *ARGS, "--out", out / "runs", "-t", GREAT, "-t", "warmup:epochs=.5",
             "--seeds", "3", "--once", "--advise", "--to", out / "a.html", "--to", out / "a.md"]
    with redirect_stdout(StringIO()) as said: assert run(list(map(str, words))) == 0
    return said.getvalue(), out


def test_from_plan_to_verdict_to_advice(ablated):
    out, folder = ablated
    assert "3 rows × 3 seeds = 9 runs" in out and "helps" in out and "[9/9]" in out
    assert f"advice    {GREAT}" in out and "left out  warmup:epochs=.5" in out and "3 fresh seeds" in out
    assert "confirming with seeds 3, 4, 5" in out and "chosen    on the validation split" in out
    assert "on the test set" in out
    assert "<svg" in (folder / "a.html").read_text() and "| " in (folder / "a.md").read_text()


def test_its_last_line_trains_the_advice(ablated, capsys):
    out, _ = ablated
    line = next(x for x in out.splitlines() if x.startswith("train it")).split("fastricks train ")[1]
    assert run(["train", *line.split(), "--explain"]) == 0 and "linear_scaling" in capsys.readouterr().out


def test_again_trains_nothing(ablated, capsys):
    _, folder = ablated
    n = len(list((folder / "runs").iterdir()))
    assert run(["ablate", *ARGS, "--out", str(folder / "runs"), "-t", GREAT, "-t", "warmup:epochs=.5", "--seeds",
                "3"]) == 0
    assert "9 of them found finished" in capsys.readouterr().out and len(list((folder / "runs").iterdir())) == n


def test_a_report_in_wandb(ablated, capsys):
    "The table and the pictures, read back with wandb's own reader"
    _, folder = ablated
    assert run(["compare", str(folder / "runs"), "--baseline", "baseline", "--wandb", "offline", "--wandb-dir",
                str(folder / "report")]) == 0
    capsys.readouterr()
    offline = next((folder / "report" / "wandb").glob("offline-run-*"))
    read = subprocess.run([sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(offline)],
                          capture_output=True, text=True, timeout=120)
    records = [json.loads(line) for line in read.stdout.splitlines()]
    start = next(r["run"] for r in records if r.get("type") == "run")
    items = {k: v for r in records if r.get("type") == "history" for k, v in r["history"]["item"].items()}
    assert start["job_type"] == "report" and items["comparison._type"] == "table-file"
    assert items["comparison.nrows"] == 3
    assert {"delta._type", "time._type"} <= items.keys() and list(offline.glob("files/media/table/*.json"))


def test_ablate_errors(capsys, tmp_path):
    for words, says in ((["-t", "mixup", "--seeds", "x"], "--seeds x"), (["-t", "mixup", "--mode", "ad"], "--mode ad"),
                        ([], "at least one -t"),
                        (["-t", "mixup", "--budget", "soon"], "--budget soon"),
                        (["-t", "mixup", "--name", "n"], "--name is for one run"),
                        (["-t", "mixup", "--seed", "1"], "leave --seed out"),
                        (["-t", "mixup", "--to", "x.doc"], "x.doc"),
                        (["-t", "mixup", "--valid", "0", "--advise", *ARGS[:4]], "give --valid above 0")):
        assert says in fails(capsys, "ablate", *words, "--out", tmp_path), words
    assert not list(tmp_path.iterdir())


def test_seeds_from_the_command_line(tmp_path, capsys):
    assert run(["train", *ARGS, "--out", str(tmp_path), "--seeds", "0-1", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "95% interval" in out and "2 seeds of n = 359 images" in out and "images/s" in out


def test_a_sweep_file(tmp_path, capsys):
    assert run(["ablate", *ARGS, "-t", "mixup", "--sweep", str(tmp_path / "s.yaml"), "--out",
                str(tmp_path / "runs")]) == 0
    assert "wandb sweep" in capsys.readouterr().out
    assert "method: grid" in (tmp_path / "s.yaml").read_text() and not (tmp_path / "runs").exists()

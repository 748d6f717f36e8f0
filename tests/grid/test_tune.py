"""Equal tuning: each row its own best of the same few values."""
import pytest
from support.small import TINY

from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.files import read_json
from fastricks.grid.ablate import ablate
from fastricks.grid.plan import Tuning, parse_tuning
from fastricks.grid.verdicts import comparison_of
from fastricks.report.compare.families import families_beside
from fastricks.report.compare.table import explanation

pytestmark = [pytest.mark.usefixtures("forked_cells"), pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]


def test_what_can_be_tuned():
    assert parse_tuning("lr=1e-4/3e-4") == Tuning("lr", (1e-4, 3e-4)) and parse_tuning("batch-size=16/32") == Tuning(
        "batch_size", (16, 32)
    )
    for text, words in {
        "lr": "give numbers",
        "lr=1": "two or more",
        "lr=1/1": "each once",
        "lrr=1/2": "did you mean 'lr'",
        "seed=1/2": "not one of",
        "lr=a/b": "give numbers",
        "batch_size=1.5/2": "give numbers",
    }.items():
        with pytest.raises(UserError, match=words): parse_tuning(text)


def test_each_row_gets_its_own_best_and_the_table_says_so(tmp_path):
    said, given = [], {**TINY, "out": str(tmp_path), "epochs": 1}
    tune = Tuning("lr", (1e-6, .02))
    g = ablate("add", given, None, ["mixup"], seeds=(0, 1, 2), say=said.append, tune=tune)
    tried = [read_json(f) for f in (tmp_path / "tuning").glob("*/recipe.json")]
    assert len(tried) == 4 and {r["recipe"]["seed"] for r in tried} == {1000}
    for row in g.rows:
        scores = {}
        for f in (tmp_path / "tuning").glob("*/recipe.json"):
            r = read_json(f)["recipe"]
            if r["tricks"].keys() == row.recipe.tricks.keys():
                scores[r["lr"]] = read_json(f.parent / "metrics.json")["valid"]["loss_t"]
        assert row.recipe.lr == min(scores, key=scores.get)
    assert len(list(tmp_path.glob("*/recipe.json"))) == 6, "runs of the tuning are rows of no table"
    c = comparison_of(g, g.judging)
    assert any("its own best of lr=1e-06/0.02" in line for line in explanation(c))
    assert [f.tuned for f in families_beside([tmp_path / "x"])] == ["lr=1e-06/0.02"]
    before = len(said)
    again = ablate("add", given, None, ["mixup"], seeds=(0, 1, 2), say=said.append, tune=tune)
    assert all(c.state == "found" for c in again.cells) and not any("[1/" in line for line in said[before:])


def args(tmp_path, **more):
    return ["ablate", *(f"--{k.replace('_', '-')}={v}" for k, v in {**TINY, "out": tmp_path, **more}.items()
                        if k != "pretrained"), "-t", "mixup"]


@pytest.mark.parametrize("more, words", [
    (["--tune", "lr=1/0.1", "--lr", "find"], "choose the same"), (["--tune", "lr=-1/0.1"], "lr"),
    (["--tune", "lr=.1/.2", "--advise"], "--advise"),
    (["--tune", "lr=.1/.2", "--slurm"], "a script can't"),
    (["--tune", "lr=.1/.2", "--valid", "0"], "validation split")])
def test_what_cannot_be_tuned_is_refused_before_a_run(tmp_path, more, words, capsys):
    assert run([*args(tmp_path), *more]) == 2
    assert words in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_plan_trains_nothing(tmp_path, capsys):
    assert run([*args(tmp_path), "--tune", "lr=.1/.2", "--explain"]) == 0
    assert "tune lr=0.1/0.2: 2 rows × 2 values, once each with seed 1000" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())

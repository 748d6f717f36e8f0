"""`ablate --until settled`: which rows are trained at which rung, what is said before it, when it ends. Trainings are
made up.
"""
import numpy as np
import pytest
from support.commands import fails
from support.fake_runs import fake_run, population, right
from support.small import TINY

from fastricks.grid import grid as ablate_room
from fastricks.grid.climb import until_settled
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.stats import HELPS, OPEN

GAINS = {"baseline": 0., "cosine": 2.5, "mixup": .25, "warmup:epochs=0.5": 0.}


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    "Trainings whose predictions are drawn: a row's gain for all of its seeds"
    rng = np.random.default_rng(0)
    hard, done = population(1500, rng), []

    def carry_out(cells, jobs=1, group=None, on_done=print, go_on=lambda cell: True, bar=False, meanwhile=None):
        for c in cells:
            if c.state != "todo" or not go_on(c): continue
            name = c.row.name
            hits = right(hard, 1, np.random.default_rng([c.seed, len(name)]), GAINS[name], luck=.05)[0]
            c.folder = fake_run(tmp_path / "runs", "none" if name == "baseline" else name, c.seed, hits,
                                seconds=5. + .01 * c.seed)
            c.state = "done"
            done.append((name, c.seed))
    monkeypatch.setattr(ablate_room, "train_cells", carry_out)
    return done


def climb(tmp_path, said, **how):
    return until_settled("add", {**TINY, "out": str(tmp_path / "runs")}, None, [*GAINS][1:], range(5), say=said.append,
                         **how)


def test_open_rows_alone_are_trained_on(made_up, tmp_path):
    said, looks = [], []
    _, c = climb(tmp_path, said, on_look=looks.append)
    seeds = {name: sorted(s for n, s in made_up if n == name) for name in GAINS}
    assert seeds["cosine"] == [*range(5)] and c.row("cosine").verdict == HELPS
    assert c.row("cosine").words.startswith("helps")
    assert len(seeds["baseline"]) == max(len(seeds[n]) for n in GAINS) > 5 and len(looks) > 1
    announced = [s for s in said if s.startswith("rung ")]
    assert announced[0].startswith("rung 2 of 5, 8 seeds: 2 open rows, about ")
    assert "in 100 that it settles one of them or more" in announced[0]
    assert any("4 rows × 5 seeds = 20 runs" in s for s in said)
    again = compare([tmp_path / "runs"])
    verdicts = lambda comparison: {r.label: (r.verdict, r.call.rung) for r in comparison.rows[1:]}
    assert verdicts(again) == verdicts(c)


def test_a_budget_ends_it(made_up, tmp_path, monkeypatch):
    "Five seeds fit, a sixth does not"
    monkeypatch.setattr(ablate_room.Grid, "go_on", lambda self, cell: cell.seed < 5)
    _, c = climb(tmp_path, [], budget="1m")
    assert {s for _, s in made_up} == {*range(5)} and OPEN in {r.verdict for r in c.rows}


def test_options_that_make_no_sense(capsys, tmp_path):
    err = fails(capsys, "ablate", "-t", "mixup", "--until", "sunrise", "--out", tmp_path)
    assert "--until sunrise is not 'settled'" in err
    assert "leave one out" in fails(capsys, "ablate", "-t", "mixup", "--until", "settled", "--once", "--out", tmp_path)

"benchmarks/busy.py: what it counts and against what; not how much anything is."
from types import SimpleNamespace

import pytest
from support.paths import ROOT


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import busy
    return busy


def test_a_ratio_is_of_one_round(tool, capsys):
    step = lambda user, kernel: {"user": user, "kernel": kernel, "faults": 5, "memory": 2048, "wall": 1}
    tool.show_steps({"ours": [step(1, .02), step(3, .03)], "hand-written": [step(2, .04), step(2, .02)]})
    said = capsys.readouterr().out
    assert "1.5%" in said and "1.000 (0.500 – 1.500)" in said  # .02/1 and .03/3; 1.02/2.04 and 3.03/2.02


def test_two_at_once_are_set_against_one_alone_of_their_kind(tool, capsys):
    tool.show_together({"one alone": [10.], "one alone, process as it was": [20.], "two at once": [9.],
                        "two at once, process as it was": [5.]})
    said = capsys.readouterr().out
    assert "0.90 – 0.90" in said and "0.25 – 0.25" in said


def test_the_rate_of_a_training_is_that_of_its_later_epochs(tool, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "history.csv").write_text("epoch,images_per_s\n1,5\n2,10\n3,30\n")
    assert tool.rate_of(tmp_path) == 20


def test_steps_are_counted_in_this_process(tool, monkeypatch):
    import step

    class Contender:
        def slice(self):
            return .5
    used = [SimpleNamespace(ru_utime=u, ru_stime=u / 10, ru_minflt=100 * u, ru_maxrss=7) for u in (1, 4)]
    monkeypatch.setattr(step.resource, "getrusage", lambda _: used.pop(0))
    found = step.spent(Contender(), 2)
    assert found == {"wall": .5, "user": 1.5, "kernel": pytest.approx(.15), "faults": 150, "memory": 7}


def test_a_spinning_process_ends_with_its_block(tool):
    with tool.spinning() as process:
        assert process.poll() is None
    assert process.poll() is not None
    assert tool.CLEAN.keys().isdisjoint(tool.WAITS)

"""benchmarks/tricks.py on the digits: that it times the epoch that it says, each contender in turn; not what anything
costs.
"""
import pytest
from support.paths import ROOT


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import tricks
    return tricks


@pytest.mark.slow
def test_a_line_a_trick(tool, monkeypatch, capsys):
    "The second epochs of trainings whose clock says how many trainings there were"
    runs = []
    train = tool.train

    def counted(recipe, *args, **how):
        runs.append((recipe.tricks, recipe.epochs))
        return train(recipe, *args, **how)
    monkeypatch.setattr(tool, "train", counted)
    monkeypatch.setattr("sys.argv", ["tricks.py", "--size", "16", "--arch", "test_resnet", "--per-class", "10",
                                     "--rounds", "2", "mixup", "cutmix"])
    tool.main()
    said = capsys.readouterr().out
    assert [[*t] for t, _ in runs] == [[], ["mixup"], ["cutmix"], ["mixup"], ["cutmix"],
                                       []] and {e for _, e in runs} == {2}
    assert "n = 2 rounds" in said and all(name in said for name in ("mixup", "cutmix", "× CPU"))


def test_the_ratio_is_of_each_round(tool, capsys):
    cpu = {tool.PLAIN: tool.Times([1., 2.]), "mixup": tool.Times([1.5, 2.])}
    tool.show(cpu, cpu, 2)
    assert "1.250" in capsys.readouterr().out  # the median of 1.5 and 1

"""The last lines of a training on a narrow terminal: paths and commands stay whole."""
import os

from fastricks.cli import screens


def shown(monkeypatch, capsys, line, columns):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(screens, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    monkeypatch.setenv("COLUMNS", str(columns))
    screens.show_screen([line])
    return capsys.readouterr().out


def test_a_remark_goes_below_its_command(monkeypatch, capsys):
    line = screens.labelled("next", "fastricks compare runs  # with the runs of other recipes there")
    assert shown(monkeypatch, capsys, line, 100) == line + "\n"
    assert shown(monkeypatch, capsys, line, 60) == (
        "next      fastricks compare runs\n          # with the runs of other recipes there\n")


def test_each_run_has_its_line(monkeypatch, capsys, tmp_path):
    from support.fake_runs import fake_run
    folders = [fake_run(tmp_path, seed=seed, hits=[i % 3 > 0 for i in range(60)]) for seed in range(2)]
    lines = screens.seeds_screen(folders)
    assert [line[10:] for line in lines if "digits-none-s" in line] == [str(f) for f in folders]
    assert "the same with every seed, so no interval" in lines[1] and "nan" not in " ".join(lines)
    for line in lines[3:5]:
        assert shown(monkeypatch, capsys, line, 40) == line + "\n"

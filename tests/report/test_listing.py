"""`fastricks runs`."""
from support.commands import fails
from support.fake_runs import fake_run

from fastricks.cli.app import run
from fastricks.report.listing import listing


def test_what_lies_in_a_folder(tmp_path, capsys):
    fake_run(tmp_path, "mixup:alpha=0.4", 3, seconds=75.)
    fake_run(tmp_path, "none", status={"status": "failed", "reason": "OSError: disk", "time": "2026-11-21 10:00:00"},
             name="b")
    (fake_run(tmp_path, "cosine", name="c") / "metrics.json").write_text("{")
    (fake_run(tmp_path, "cosine", name="d") / "recipe.json").write_text("[]")
    assert run(["runs", str(tmp_path)]) == 0
    head, first, *rest = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["when", "run"] and first.startswith("2026-11-21 10:00:00  b")
    assert first.endswith("failed: OSError: disk")
    text = "\n".join(rest)
    assert "digits, test_resnet, mixup:alpha=0.4, seed 3" in text and "100.00% test" in text and "75 s" in text
    assert "its recipe can't be read" in text and len(rest) == 3


def test_a_narrow_terminal_has_each_run_in_lines_of_their_own(tmp_path):
    name = "digits-resnet18-" + "mixup_alpha0.4-" * 5 + "s3"
    fake_run(tmp_path, "mixup:alpha=0.4", 3, seconds=75., name=name)
    first, *rest = listing(tmp_path, 60)
    assert first == name and all(line.startswith("  ") and len(line) <= 60 for line in rest)
    assert "digits, test_resnet, mixup:alpha=0.4, seed 3" in " ".join(" ".join(rest).split())
    assert len(listing(tmp_path, 250)) == 2


def test_no_folder_of_runs(tmp_path, capsys):
    assert "has none in it" in fails(capsys, "runs", tmp_path)
    assert "is no folder" in fails(capsys, "runs", tmp_path / "x")

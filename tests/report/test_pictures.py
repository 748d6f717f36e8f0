"""A picture of a comparison is one function with its caption: reports and W&B find it by themselves."""
import pytest
from support.fake_runs import fake_run
from support.parsed_page import ParsedPage

from fastricks.report.compare import pictures as comparison_pictures
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.files import html
from fastricks.report.compare.pictures import comparison_picture, picture_caption, pictures
from fastricks.report.compare.wandb import written_pictures
from fastricks.report.plots import Picture


@pytest.fixture
def compared(tmp_path):
    for tricks in ("none", "mixup"):
        for seed in range(2): fake_run(tmp_path / "runs", tricks, seed, hits=[i % (3 + seed) > 0 for i in range(60)])
    return compare([tmp_path / "runs"])


@pytest.fixture
def thrown_away(monkeypatch):
    "Pictures that this test alone has"
    monkeypatch.setattr(comparison_pictures, "COMPARISON_PICTURES", dict(comparison_pictures.COMPARISON_PICTURES))

    @comparison_picture("{metric} of {base} on {n} {split} images of {data}, <thrown away>")
    def draw_rows(c):
        fig = Picture()
        fig.subplots().barh(range(len(c.rows)), [r.summary.mean for r in c.rows])
        return fig

    @comparison_picture(lambda c: f"{len(c.rows)} rows")
    def draw_nothing(c): return None


def test_a_new_picture_is_one_function(compared, thrown_away, tmp_path):
    page = ParsedPage(html(compared))
    assert list(pictures(compared)) == ["delta", "time", "curves", "rows"] and page.tags.count("svg") == 4
    assert "Top-1 accuracy of baseline on 60 test images of digits, <thrown away>" in page.text
    assert "2 rows" not in page.text
    assert picture_caption("nothing", compared) == "2 rows"
    files = written_pictures(compared, tmp_path)
    assert list(files) == ["delta", "time", "curves", "rows"] and files["rows"].read_bytes().startswith(b"\x89PNG")


def test_the_captions_say_what_was_compared(compared):
    page = ParsedPage(html(compared))
    for words in ("gains or loses against baseline, on 60 test images of digits; n:",
                  "Top-1 accuracy against training time",
                  "whose levels do not compare where tricks change the loss"): assert words in page.text
    assert "rows" not in comparison_pictures.COMPARISON_PICTURES

"""`index.html` of a folder of runs."""
import threading

from support.fake_runs import fake_run

from fastricks.report.links import other_seeds, relink, run_links
from fastricks.report.pages.index import save_index


def runs_in(out):
    "Three finished runs and one that failed; two of them have pages"
    first = fake_run(out, "mixup", 0, top1=.91)
    second = fake_run(out, "mixup", 1, top1=.5, seconds=100.)
    fake_run(out, "none", 0, name="<b>", status={"status": "failed", "reason": "OSError: disk",
                                                 "time": "2026-11-21 10:00:00"})
    for folder in (first, second): (folder / "index.html").write_text("a page")
    return first, second


def test_all_runs_are_listed_with_links_to_their_pages(tmp_path):
    runs_in(tmp_path)
    (tmp_path / "report.html").write_text("a comparison")
    text = save_index(tmp_path).read_text()
    for words in ('<a href="digits-mixup-s0/index.html">', '<a href="digits-mixup-s1/index.html">',
                  '<a href="report.html">', "91.00% test",
                  'data-sort="0.91"', 'data-sort="100.0"', "failed: OSError: disk", "&lt;b&gt;", "3 runs, 2 finished"):
                      assert words in text, words
    assert "<b>" not in text and text.count("<tr") == 4


def test_it_is_brought_up_to_date_and_nobody_elses_file_is_touched(tmp_path):
    runs_in(tmp_path)
    save_index(tmp_path)
    fake_run(tmp_path, "cosine", 0)
    assert "4 runs" in save_index(tmp_path).read_text()
    (tmp_path / "index.html").write_text("my own site")
    assert save_index(tmp_path) is None and (tmp_path / "index.html").read_text() == "my own site"


def test_writers_at_once_leave_one_whole_list_of_all(tmp_path):
    runs_in(tmp_path)
    def end(seed):
        fake_run(tmp_path, "cosine", seed)
        save_index(tmp_path)
    threads = [threading.Thread(target=end, args=(seed,)) for seed in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
    text = (tmp_path / "index.html").read_text()
    assert "11 runs" in text and text.rstrip().endswith("</html>")
    assert not [f for f in tmp_path.iterdir() if f.suffix == ".tmp"]


def test_a_run_links_to_the_list_its_other_seeds_and_comparisons(tmp_path):
    first, second = runs_in(tmp_path)
    fake_run(tmp_path, "cosine", 1)
    (tmp_path / "a b.html").write_text('a comparison with <a href="digits-mixup-s0/index.html">')
    (tmp_path / "c.html").write_text("a comparison of others")
    assert other_seeds(first) == [second]
    assert [a for a in ("../index.html", "../digits-mixup-s1/index.html", "../a%20b.html")
            if f'href="{a}"' not in run_links(first)] == []
    assert "c.html" not in run_links(first) and "a%20b" not in run_links(second)
    (tmp_path / "index.html").write_text("my own site")
    assert 'href="../index.html"' not in run_links(first)


def test_what_comes_later_is_linked_to(tmp_path):
    first, second = runs_in(tmp_path / "runs")
    file = first / "index.html"
    file.write_text(f"before {run_links(first)} after")
    report = tmp_path / "deep" / "c.html"
    report.parent.mkdir()
    report.write_text("a comparison")
    relink(first, report)
    (first / "evaluate.html").write_text("an evaluation")
    relink(first)
    for address in ("../../deep/c.html", "evaluate.html", "../digits-mixup-s1/index.html"):
        assert file.read_text().count(f'href="{address}"') == 1, address
    assert file.read_text().startswith("before ") and file.read_text().endswith(" after")
    report.unlink()
    relink(first)
    assert "c.html" not in file.read_text()
    relink(second)
    assert (second / "index.html").read_text() == "a page"

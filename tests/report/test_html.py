"""Pages are HTML in which every text stays text: no part of a page can forget to escape a name."""
import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.fake_runs import fake_images, fake_run
from support.parsed_page import ParsedPage

import fastricks
from fastricks.data.source import Source
from fastricks.report import html as parts
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.files import html
from fastricks.report.html import EMPTY, Html, document
from fastricks.report.pages.parts import quality_sections
from fastricks.report.pages.quality import measure
from fastricks.report.pages.run import run_page
from fastricks.report.runs import read_finished

HERE = Path(fastricks.__file__).parent
PAGES = [HERE / "report/html.py", HERE / "report/compare/page.py", *sorted((HERE / "report/pages").glob("*.py")),
         HERE / "use/evaluation_page.py"]
MARKUP = re.compile(r"</|<[a-zA-Z][^>]*>|<[a-z]+ ")


def evil(k): return f"<planted id=t{k}>\"' onload=t{k} &lt; \u202e{k}"


class StrictPage(ParsedPage):
    "A page that also knows its attributes"
    def __init__(self, text):
        self.attributes = set()
        super().__init__(text)

    def handle_starttag(self, tag, attrs):
        self.attributes |= {k for k, _ in attrs}
        super().handle_starttag(tag, attrs)


def only_text(page):
    "The parsed page, in which nothing that was planted is more than text"
    got = StrictPage(str(page))
    assert not got.open and "planted" not in got.tags and "onload" not in got.attributes and "\u202e" not in page
    return got


def read(k):
    "The same as a reader sees it, and as a stranger's run is read"
    return evil(k).replace("\u202e", "\\u202e")


def test_what_is_put_into_html_is_escaped_once():
    line = Html("<b>{}</b>")
    assert line.format("<i>") == "<b>&lt;i&gt;</b>" and line.format(line.format("&")) == "<b><b>&amp;</b></b>"
    assert EMPTY.join(["<", Html("<br>")]) == "&lt;<br>" and Html("<br>") + "<" == "<br>&lt;"
    assert "<" + Html("<br>") == "&lt;<br>"
    assert Html('<a title="{x}">{:.1f}').format(2.25, x='"\u202e') == '<a title="&#34;\\u202e">2.2'
    assert all(isinstance(o, Html) for o in (line.format(1), EMPTY.join([]), line + "a"))
    assert "<hr>" not in document("title", "<hr>") and "<hr>" in document("title", Html("<hr>"))


@pytest.mark.parametrize("made", [
    lambda x: parts.heading(x), lambda x: parts.paragraph(x, x), lambda x: parts.warnings([x, x]),
    lambda x: parts.code_block([x]),
    lambda x: parts.wide(x), lambda x: parts.definitions({x: x}), lambda x: parts.folded(x, x),
    lambda x: parts.figure(x, x),
    lambda x: parts.html_table([x, x], [[x, x]], kinds=[x]), lambda x: parts.photo(None, x, [x]),
    lambda x: parts.photo(x, x, [x]),
    lambda x: parts.photo(x, x, [x], x), lambda x: parts.band(x), lambda x: parts.columns(x),
    lambda x: parts.groups([x]),
    lambda x: parts.page(x, x, {x: x}, x, x), lambda x: parts.photos([x]), lambda x: document(x, x)])
def test_every_part_of_a_page_escapes(made): assert read(0) in only_text(made(evil(0))).text


def test_a_comparison_of_hostile_runs_is_text(tmp_path):
    names = "fastricks", "python", "torch", "torchvision", "fastai", "timm", "numpy", "cpu"
    environment = {name: evil(name) for name in names} | {"git": {"revision": evil("g"), "changed": True}}
    for seed in range(2):
        for tricks in ("none", "mixup"):
            folder = fake_run(tmp_path, tricks, seed, hits=[i % (3 + seed) > 0 for i in range(60)],
                              name=f"{evil('f')}{tricks}{seed}",
                              data=evil("d"), fingerprint=evil("p"), environment=environment)
            (folder / "index.html").write_text("")
    c = compare([tmp_path], notes=[evil("n"), f"warning: {evil('w')}"])
    rows = [replace(r, label=read(f"l{i}"), words=read("v"), varies={"tricks": read("t")})
            for i, r in enumerate(c.rows)]
    page = only_text(html(replace(c, rows=tuple(rows)), tmp_path))
    for k in (*names, *"fdpnwvt", "l0", "l1"): assert read(k) in page.text, k
    only_text(replace(c, rows=tuple(rows))._repr_html_())


def test_the_page_of_a_hostile_run_is_text(tmp_path):
    classes = [evil(k) for k in "abcdef"]
    environment = {evil("key"): evil("value"), "device": evil("device"), "git": {"revision": evil("git")}}
    folder = fake_run(tmp_path, "mixup", hits=[i % 3 > 0 for i in range(60)], name=evil("folder"), data=evil("data"),
                      classes=classes, environment=environment)
    page = only_text(run_page(read_finished(folder, evil("date")), Source("x", (), tuple(classes))))
    for k in ("key", "value", "device", "git", "folder", "data", "date"): assert read(k) in page.text, k
    assert all(name[:20] in page.text for name in classes)


def test_the_images_of_mistakes_have_hostile_names():
    names = [evil(k) for k in "ab"]
    found = fake_images([names[0], names[1]], [names[1], names[1]])
    see = lambda name: "data:image/webp;base64,AA=="
    page = only_text(EMPTY.join(quality_sections(measure(found, names), found, {}, see, see).values()))
    assert page.tags.count("img") and read("a")[:20] in page.text


@pytest.mark.parametrize("file", PAGES, ids=lambda f: f.name)
def test_html_is_written_as_html_only(file):
    "Every text with a tag in it is the literal of an Html; ruff's S704 sees to it that an Html is made of nothing else"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    made = {id(o) for call in ast.walk(tree) if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Html"
            for arg in call.args for o in ast.walk(arg)}
    prose = {id(o.value) for o in ast.walk(tree) if isinstance(o, ast.Expr)}
    texts = [o for o in ast.walk(tree) if isinstance(o, ast.Constant) and isinstance(o.value, str)
             and id(o) not in made | prose]
    assert not [o.value for o in texts if MARKUP.search(o.value)]

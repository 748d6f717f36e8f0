"""Every kind of page, of runs that were trained: as files, and in a real browser at three widths, by day and at night.
"""
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from support.devtools import BROWSER, Page
from support.fake_runs import fake_run
from support.marks import slow
from support.paths import ROOT
from support.small import recipe_of

from fastricks.cli.app import run
from fastricks.core.words import silent
from fastricks.use.train import train

browser = pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")
PAGES = "run", "evaluation", "comparison", "verdicts", "index", "survey"
WIDTHS = 390, 800, 1400
# what sticks out of the window though no box of its own scrolls it
OUTSIDE = """[...document.body.querySelectorAll("*")].filter(e => !e.closest(".wide, pre, svg, script, style") &&
  e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 90))"""
DARK = """(c => c[0] + c[1] + c[2] < 200)(getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number))"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "kind -> the file of a page of that kind"
    at = tmp_path_factory.mktemp("pages")
    runs = [train(recipe_of(tricks, epochs=2, size=32, resize=32, seed=seed, out=str(at / "runs")),
                  silent).folder for tricks, seed in (("cosine+mixup", 0), ("cosine+mixup", 1), ("none", 0))]
    for tricks, wrong in (("none", 3), ("ema", 9), ("cutmix", 2)):
        for seed in range(5):
            fake_run(at / "fake", tricks, seed, hits=[(i + seed) % wrong > 0 or i % 7 == seed for i in range(200)])
    for words in (["evaluate", runs[0]], ["compare", at / "runs", "--to", at / "runs" / "a comparison.html"],
                  ["compare", at / "fake", "--to", at / "verdicts.html"],
                  ["show", "data", "digits", "--to", at / "survey.html"]):
        assert run([*map(str, words)]) == 0
    files = (runs[0] / "index.html", runs[0] / "evaluate.html", at / "runs" / "a comparison.html", at / "verdicts.html",
             at / "runs" / "index.html", at / "survey.html")
    return dict(zip(PAGES, files, strict=True))


class Elements(HTMLParser):
    "All elements of a page as (tag, attributes), and its text"
    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs): self.found.append((tag, dict(attrs)))
    def handle_data(self, data): self.text += data
    def of(self, *tags): return [attrs for tag, attrs in self.found if tag in tags]


def links_of(file, page): return [a["href"] for a in page.of("a")]


@pytest.mark.parametrize("kind", PAGES)
def test_all_links_lead_somewhere_and_all_pictures_have_words(made, kind):
    file = made[kind]
    page = Elements(file.read_text())
    ids = {attrs.get("id") for _, attrs in page.found}
    for address in links_of(file, page):
        there = address[1:] in ids if address.startswith("#") else (file.parent / unquote(address)).exists()
        assert there, address
    assert all(len(o.get("alt", "")) > 2 for o in page.of("img"))
    assert all(len(o.get("aria-label", "")) > 20 for o in page.of("svg"))
    assert page.of("nav")[-1]["class"] == "contents" and "band" in [o.get("class") for o in page.of("div")]
    assert page.text.index("Contents") > 0 and {"en"} == {o["lang"] for o in page.of("html")}


def test_pages_link_to_each_other(made):
    run_page, comparison = made["run"], made["comparison"]
    near = {file.resolve() for o in links_of(run_page, Elements(run_page.read_text()))
            if not o.startswith("#") and (file := run_page.parent / unquote(o))}
    other = next(f for f in run_page.parent.parent.iterdir() if f.name == run_page.parent.name.replace("-s0", "-s1"))
    assert {made["index"].resolve(), comparison.resolve(), made["evaluation"].resolve(),
            (other / "index.html").resolve(),
            run_page.parent / "metrics.json", run_page.parent / "model.safetensors"} <= near
    for kind in ("evaluation", "comparison", "index"):
        back = [made[kind].parent / unquote(o) for o in links_of(made[kind], Elements(made[kind].read_text()))
                if not o.startswith("#")]
        assert run_page.resolve() in [o.resolve() for o in back], kind


def test_the_verdict_or_the_accuracy_comes_first(made):
    text = {kind: " ".join(Elements(made[kind].read_text()).text.partition("Contents")[0].split()) for kind in PAGES}
    assert "95% CI" in text["run"] and "95% CI" in text["evaluation"] and "3 runs, 3 finished" in text["index"]
    assert "helps ema" in text["verdicts"] and "hurts cutmix" in text["verdicts"] and "200 images" not in text["survey"]


def test_no_picture_of_targets_where_a_trick_changes_none(made):
    plain = next(o for o in made["run"].parent.parent.iterdir() if o.name.startswith("digits")
                 and "mixup" not in o.name)
    assert "Training targets" in made["run"].read_text()
    assert "Training targets" not in (plain / "index.html").read_text()


def test_a_page_is_made_again_to_the_byte_without_torch(made):
    file, heavy = made["run"], {"torch", "fastai", "timm", "sklearn", "statsmodels", "pandas", "wandb"}
    before = file.read_bytes()
    code = ("import sys; from fastricks.cli.app import run\n"
            f"assert run(['page', {str(file.parent)!r}]) == 0; print({heavy!r} & {{*sys.modules}})")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                       env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert r.stdout.endswith("set()\n")
    assert without_dates(file.read_text()) == without_dates(before.decode())


def without_dates(text): return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "", text)


@browser
@pytest.mark.parametrize("kind", [kind if kind in ("run", "verdicts") else slow(kind) for kind in PAGES])
def test_in_a_browser(made, kind, tmp_path):
    page = Page(tmp_path / "profile")
    try:
        for mode in ("light", "dark"):
            page("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": mode}])
            for width in WIDTHS:
                page("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                     mobile=width < 500)
                page("Page.navigate", url=made[kind].as_uri())
                page.until("document.readyState == 'complete'")
                assert page.js("document.documentElement.scrollWidth") <= width and not page.js(OUTSIDE), (mode, width)
                assert not page.js("[...document.images].filter(i => !i.alt || !i.naturalWidth).length")
                assert page.js(DARK) == (mode == "dark")
                assert page.js("document.querySelector('.band').getBoundingClientRect().top") < 300
        if kind == "index":
            sort = "document.querySelectorAll('table.runs th button')[1].click()"
            page.js(sort)
            said = page.js("[...document.querySelectorAll('table.runs tbody tr')].map(o => "
                           "parseFloat(o.cells[1].innerText))")
            assert said == sorted(said) and len(said) == 3
    finally:
        page.close()

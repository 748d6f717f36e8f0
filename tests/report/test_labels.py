"""The page of suspicious labels, from suspects that are made up: no package that finds them is needed."""
from types import SimpleNamespace

from support.parsed_page import ParsedPage
from support.photos import make_photos

from fastricks.data.sources.open import open_source
from fastricks.recipe.recipe import resolve
from fastricks.report.pages.labels import labels_page


def test_the_page_shows_each_suspect_with_both_labels(tmp_path):
    source = open_source(make_photos(tmp_path / "sky", train=3, test=1))
    looked_at = source.of("train")
    suspects = [SimpleNamespace(name=o.name, label=o.label, suggested="a cloud", confidence=.9, score=.02)
                for o in (looked_at[0], looked_at[-1])]
    recipe = resolve({"data": str(tmp_path / "sky"), "size": 16, "arch": "test_resnet"})
    shown = ParsedPage(labels_page(recipe, source, suspects, looked_at, "labels.csv"))
    assert not shown.open and shown.tags.count("img") == 2
    assert f"2 labels of {len(looked_at)} suspicious" in shown.text and "a cloud 90%" in shown.text
    for heading in ("Suspicious labels", "Given and suggested labels", "By class", "Decide"):
        assert heading in shown.text

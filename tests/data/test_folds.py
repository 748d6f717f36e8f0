"""Folds: every image in one, classes alike, copies and groups together, and a function of names and seed."""
from collections import Counter
from pathlib import Path

import pytest

from fastricks import UserError
from fastricks.data.folds import folds_of
from fastricks.data.source import Item

ITEMS = [Item(f"{k}/{i:02}.jpg", k, "train", Path(f"{k}{i}")) for k, n in {"cat": 23, "dog": 10, "hen": 4}.items()
         for i in range(n)]


def test_every_image_is_in_one_fold_and_classes_alike():
    folds = folds_of(ITEMS, 5, 0)
    assert folds.keys() == {o.name for o in ITEMS} and {*folds.values()} == {*range(5)}
    for k in ("cat", "dog", "hen"):
        n = Counter(folds[o.name] for o in ITEMS if o.label == k)
        assert max(n.values()) - min(n[i] for i in range(5)) <= 1
    assert max(Counter(folds.values()).values()) - min(Counter(folds.values()).values()) <= 1


def test_they_are_a_function_of_names_and_seed():
    assert folds_of(ITEMS, 5, 0) == folds_of(ITEMS[::-1], 5, 0) != folds_of(ITEMS, 5, 1)


def test_copies_and_groups_stay_together():
    "Also groups that only a copy joins"
    by_name = {o.name: o for o in ITEMS}
    copies = [[by_name["cat/00.jpg"], by_name["dog/01.jpg"]], [by_name["cat/05.jpg"], by_name["cat/22.jpg"]]]
    folds = folds_of(ITEMS, 4, 0, group_of=lambda o: o.label + o.name[5], copies=copies)
    assert folds["cat/00.jpg"] == folds["cat/20.jpg"] == folds["dog/01.jpg"]
    assert folds["cat/05.jpg"] == folds["cat/15.jpg"] == folds["cat/22.jpg"] == folds["cat/02.jpg"]


def test_a_class_that_would_be_in_one_fold_only():
    with pytest.raises(UserError, match="class 'dog' has 10 images that can't be parted into folds"):
        folds_of(ITEMS, 3, 0, group_of=lambda o: o.label if o.label == "dog" else o.name)

"""The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn: no files, no network."""
import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..source import Found, Item
from ..split import hold_out
from .registry import DataSource

TEST = .2


class Digits(DataSource):
    priority = 10
    names = ("digits",)

    def open(self, text, wanted=None): return digit_items(wanted)


def digit_items(wanted=None):
    "`Found` of scikit-learn's digits, a fixed fifth of each class for the test"
    chosen = [o for o in all_items() if wanted is None or o.label in wanted]
    return Found("digits", chosen, [str(o) for o in range(10)])


@cache
def all_items():
    "Items of them all, with their split: read and shared out once a process"
    import numpy as np
    with gzip.open(digits_file(), "rt") as f:
        table = np.loadtxt(f, delimiter=",")  # a row a digit: its 64 pixels from 0 to 16, and its class
    images = (table[:, :-1].reshape(-1, 8, 8)*255/16).round().astype("uint8")
    rows = enumerate(zip(images, table[:, -1].astype(int), strict=True))
    items = [Item(f"digits/{i:04}", str(y), "train", x) for i, (x, y) in rows]
    return tuple(hold_out(items, TEST, "test"))


def digits_file():
    "The file of scikit-learn's `load_digits`, without the import, which takes as long as those of pandas and scipy"
    [folder] = find_spec("sklearn").submodule_search_locations
    return Path(folder)/"datasets/data/digits.csv.gz"

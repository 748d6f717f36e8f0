"""The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn: no files, no network."""
from functools import cache

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
    from sklearn.datasets import load_digits
    data = load_digits()
    images = (data.images*255/16).round().astype("uint8")
    rows = enumerate(zip(images, data.target, strict=True))
    items = [Item(f"digits/{i:04}", str(y), "train", x) for i, (x, y) in rows]
    return tuple(hold_out(items, TEST, "test"))

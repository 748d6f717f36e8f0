"""The built-in digits are scikit-learn's, read without it."""
import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits
from support.paths import ROOT

from fastricks.data.sources.digits import all_items


def test_they_are_those_of_load_digits():
    theirs, items = load_digits(), sorted(all_items(), key=lambda o: o.name)
    assert [o.label for o in items] == [str(y) for y in theirs.target]
    assert all(np.array_equal(o.image, (x * 255 / 16).round()) and o.image.dtype == np.uint8
               for o, x in zip(items, theirs.images, strict=True))


def test_to_read_them_takes_numpy_alone():
    code = ("import sys; from fastricks.data.sources.digits import digit_items; digit_items()\n"
            "print({'sklearn', 'scipy', 'pandas', 'torch'} & {*sys.modules})")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert r.stdout == "set()\n"

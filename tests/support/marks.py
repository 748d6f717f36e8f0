"""Cases of pytest.mark.parametrize that `pytest -m slow` runs, and the plain suite does not."""
from itertools import product

import pytest


def slow(*values): return pytest.param(*values, marks=pytest.mark.slow)


def crossed(*values, plain):
    "All combinations of the parameters' values: the plain suite runs those in `plain`, each of them a tuple"
    cases = list(product(*values))
    assert all(o in cases for o in plain), [o for o in plain if o not in cases]
    return [o if o in plain else slow(*o) for o in cases]

import gc

import pytest


@pytest.fixture(autouse=True)
def quick_holm(monkeypatch):
    "statsmodels collects garbage, all of the process's, at every adjustment: not thousands of times"
    monkeypatch.setattr(gc, "collect", lambda *a: 0)

"""Imports without searches for garbage, and without what they need not bring along."""
import gc
import sys

import pytest

from fastricks.core.imports import uncollected, without


@pytest.mark.parametrize("on", [True, False])
def test_garbage_is_not_searched_for_meanwhile_and_then_as_before(on):
    gc.enable() if on else gc.disable()
    try:
        with pytest.raises(ImportError), uncollected():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == on
    finally:
        gc.enable()


def test_a_library_is_hidden_meanwhile(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with without("colorsys"), pytest.raises(ImportError):
        import colorsys
    assert "colorsys" not in sys.modules
    import colorsys
    with without("colorsys"):
        assert sys.modules["colorsys"] is colorsys

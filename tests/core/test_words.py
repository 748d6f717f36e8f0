import math

import pytest

from fastricks.core.words import duration


@pytest.mark.parametrize("seconds, text", [
    (4.2, "4.2 s"), (43., "43 s"), (720., "12 min"), (5400., "1.5 h"), (math.nan, "–"), (math.inf, "–")])
def test_durations(seconds, text): assert duration(seconds) == text

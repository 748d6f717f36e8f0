"""one_cycle against fastai's own, to the last bit."""
import random

import pytest
from fastai.callback.schedule import combined_cos

from fastricks.tricks.one_cycle import MOMS, cosines


@pytest.mark.parametrize("share", [.25, .1, 1 / 3, .5, .9, 1e-6, .999999])
@pytest.mark.parametrize("lr", [1e-3, .37])
def test_every_step_has_fastais_bits(share, lr):
    for ends in ((lr / 25, lr, lr / 1e5), MOMS):
        fastais, ours, r = combined_cos(share, *ends), cosines(share, *ends), random.Random(0)
        for total in (1, 2, 7, 41, 2232):
            steps = {0, total - 1, round(share * total), *(r.randrange(total) for _ in range(40))}
            for s in steps: assert ours(s / total) == float(fastais(s / total)), (s, total)

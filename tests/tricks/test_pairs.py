"""Every pair of tricks trains with an effect, or is refused at once with the reason."""
from itertools import combinations

import pytest
from support.small import learner, same, trained, weights

from fastricks.core.errors import UserError
from fastricks.recipe.registry import registry
from fastricks.training.learner import fit

GIVEN = dict(arch="resnet18", size=32, resize=32, epochs=2, wd=1e-2, batch_size=35, lr=1e-3)  # 70 images: two batches an epoch
REFUSED = {("one_cycle", "warmup"): "a rise of its own",
           **dict.fromkeys(combinations(sorted(["cosine", "one_cycle", "step"]), 2), "both main schedules")}
NAMES = sorted(registry())


@pytest.fixture(scope="module")
def trained_weights(teacher):
    "Weights after two epochs with some tricks, each set trained once"
    spell = {"distill": "distill:teacher={}", "amp": "amp:dtype=bf16",
             "warmup": "warmup:by=keras,epochs=.5", "step": "step:at=.5,gamma=.5"}
    big = None

    def of(*names):
        nonlocal big
        if "distill" in names and big is None:
            from safetensors.torch import save_file
            big = teacher.parent / "resnet18.safetensors"
            save_file(weights(trained(**{**GIVEN, "seed": 5})), big)
        key = tuple(sorted(names))
        got = cache.get(key) or weights(fit(*learner(*[spell.get(n, n).format(big) for n in key], **GIVEN)))
        if len(key) == 1: cache[key] = got  # each pair is asked for once; to keep them all would take gigabytes
        return got
    cache = {}
    return of


@pytest.mark.parametrize("a, b", list(combinations(NAMES, 2)))
def test_pair(a, b, trained_weights):
    if (a, b) in REFUSED:
        with pytest.raises(UserError, match=REFUSED[a, b]): learner(a, b, **GIVEN)
        return
    both = trained_weights(a, b)
    for other in (a, b):
        left = trained_weights(*({a, b} - {other}))
        assert not same(both, left), f"{other} has no effect beside {({a, b} - {other}).pop()}"

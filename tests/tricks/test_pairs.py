"""Every pair of tricks trains with an effect, or is refused at once with the reason."""
from functools import cache
from itertools import combinations

import pytest
from support.small import learner, same, trained, weights

from fastricks.core.errors import UserError
from fastricks.recipe.registry import registry
from fastricks.training.learner import fit

GIVEN = dict(size=32, resize=32, epochs=2, wd=1e-2, batch_size=35, lr=1e-3)  # 70 images: two batches an epoch
REFUSED = {("one_cycle", "warmup"): "a rise of its own",
           **dict.fromkeys(combinations(sorted(["cosine", "one_cycle", "step"]), 2), "both main schedules")}
NAMES = sorted(registry())


@pytest.fixture(scope="module")
def trained_weights(teacher):
    "Weights after two epochs of a network with some tricks, each set trained once"
    spell = {"distill": "distill:teacher={}", "amp": "amp:dtype=bf16",
             "warmup": "warmup:by=keras,epochs=.5", "step": "step:at=.5,gamma=.5"}
    @cache
    def teacher_of(arch):
        from safetensors.torch import save_file
        file = teacher.parent / f"{arch}.safetensors"
        save_file(weights(trained(**GIVEN, arch=arch, seed=5)), file)
        return file

    @cache  # each pair is asked for once; to keep them all would take gigabytes
    def alone(arch, name): return train_with(arch, name)

    def train_with(arch, *names):
        texts = [spell.get(n, n).format(teacher_of(arch) if n == "distill" else "") for n in sorted(names)]
        return weights(fit(*learner(*texts, **GIVEN, arch=arch)))

    def of(arch, *names): return alone(arch, *names) if len(names) == 1 else train_with(arch, *names)
    return of


def network_for(*names):
    "The smallest that these tricks change something of"
    return "resnet18" if "resnet_d" in names else "test_resnet"


@pytest.mark.parametrize("a, b", list(combinations(NAMES, 2)))
def test_pair(a, b, trained_weights):
    arch = network_for(a, b)
    if (a, b) in REFUSED:
        with pytest.raises(UserError, match=REFUSED[a, b]): learner(a, b, **GIVEN, arch=arch)
        return
    both = trained_weights(arch, a, b)
    for other in (a, b):
        left = trained_weights(arch, *({a, b} - {other}))
        assert not same(both, left), f"{other} has no effect beside {({a, b} - {other}).pop()}"

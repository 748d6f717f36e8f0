"""Every trick, and every pair of them, trains with an effect; or the pair is refused at once with the reason."""
from functools import cache
from itertools import combinations

import pytest
import torch
from support.marks import slow
from support.small import learner, same, trained, weights
from support.uneven import uneven_digits

from fastricks.core.errors import UserError
from fastricks.recipe.registry import registry, schedules
from fastricks.training.learner import fit

# three batches of eight, or two steps of two batches; a cooldown needs more, see `batch_size_of`
FEW = dict(size=32, resize=32, epochs=1, wd=1e-2, batch_size=8, lr=1e-3, valid=.01, per_class=None, pretrained=False)
MORE = {**FEW, "epochs": 2}
KEYS = {"distill": "teacher={}", "amp": "dtype=bf16", "warmup": "by=keras,epochs=.5", "step": "at=.5,gamma=.5",
        "ema": "half_life=.5", "wsd": "cooldown=.6", "random_erasing": "p=.9", "sam": "every=2"}
REFUSED = {("one_cycle", "warmup"): "its own warm-up phase",
           ("accumulate", "sam"): "does not keep the batches",
           ("bce", "logit_adjustment"): "asks each class by itself",
           ("amp", "progressive_resize"): "needs images of 32 pixels or more, and these begin with 16",
           **dict.fromkeys(combinations(sorted(schedules()), 2), "both schedules")}
PAIRS = list(combinations(sorted(registry()), 2))


@pytest.fixture(scope="module")
def weights_with(tmp_path_factory):
    "Weights after a training with some tricks, those of single ones trained once"
    folder = tmp_path_factory.mktemp("pairs")
    data = dict(data=str(uneven_digits(folder / "digits", most=9, step=2)))

    @cache
    def teacher_of(arch):
        from safetensors.torch import save_file
        file = folder / f"{arch}.safetensors"
        save_file(weights(trained(**FEW, **data, arch=arch, seed=5)), file)
        return file

    def spelled(name, arch):
        return f"{name}:{KEYS[name]}".format(teacher_of(arch) if name == "distill" else "") if name in KEYS else name
    def train_with(arch, given, *names):
        return weights(fit(*learner(*(spelled(n, arch) for n in names), **given, **data, arch=arch)))

    @cache  # each pair is asked for once; to keep them all would take gigabytes
    def alone(arch, epochs, batch_size, *names):
        return train_with(arch, {**FEW, "epochs": epochs, "batch_size": batch_size}, *names)

    def of(arch, given, *names):
        if len(names) < 2: return alone(arch, given["epochs"], given["batch_size"], *names)
        return train_with(arch, given, *names)
    return of


def network_for(*names):
    "The smallest that these tricks change something of"
    return "resnet18" if "resnet_d" in names else "test_resnet"


def batch_size_of(*names): return 4 if "wsd" in names else FEW["batch_size"]


# a network of 11 million parameters: in the plain suite beside those alone that change network, loss, precision or
# groups as well
BESIDE_RESNET_D = {"amp", "distill", "drop_path", "layer_decay", "zero_gamma"}


def marked(pair):
    other = {*pair} - {"resnet_d"}
    return slow(*pair) if "resnet_d" in pair and not other & BESIDE_RESNET_D else pair


@pytest.mark.parametrize("name", sorted(registry()))
def test_one_alone(name, weights_with):
    "The weights differ from those without it, whose seed and images are the same"
    arch, given = network_for(name), {**FEW, "batch_size": batch_size_of(name)}
    with_it = weights_with(arch, given, name)
    assert not same(with_it, weights_with(arch, given))
    assert all(torch.isfinite(v).all() for v in with_it.values())


@pytest.mark.parametrize("given", [FEW, slow(MORE)], ids=["few", "more"])
@pytest.mark.parametrize("a, b", [*map(marked, PAIRS)])
def test_pair(a, b, given, weights_with):
    arch, given = network_for(a, b), {**given, "batch_size": batch_size_of(a, b)}
    if (a, b) in REFUSED:
        asked = [f"amp:{KEYS['amp']}" if name == "amp" else name for name in (a, b)]
        with pytest.raises(UserError, match=REFUSED[a, b]): learner(*asked, **given, arch=arch)
        return
    both = weights_with(arch, given, a, b)
    for other in (a, b):
        left = weights_with(arch, given, *({a, b} - {other}))
        assert not same(both, left), f"{other} has no effect beside {({a, b} - {other}).pop()}"

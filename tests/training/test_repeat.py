"""No hidden random state: a run is a function of its recipe."""
import random

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from support.batches import Batches
from support.marks import slow
from support.small import learner, recipe_of, same, trained, weights

from fastricks.core.words import silent
from fastricks.use.train import train

ALL = "mixup+label_smoothing+warmup+cosine"


def batches_of(*selection, **given):
    cb = Batches()
    trained(*selection, cbs=[cb], **given)
    return cb.seen


def equal(a, b):
    return len(a) == len(b) and all(torch.equal(x, u) and torch.equal(y, v)
                                    for (x, y), (u, v) in zip(a, b, strict=True))


def test_the_same_recipe_twice_gives_bit_identical_weights():
    a = trained(ALL)
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)  # whatever happened in the process before
    assert same(weights(a), weights(trained(ALL)))
    assert not same(weights(a), weights(trained(ALL, seed=1)))


@pytest.mark.parametrize("workers", [slow(1), 4])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_any_number_of_loader_workers_gives_the_same(workers):
    "113 images: the last batch of one joins the one before, in whichever worker that is"
    given = dict(per_class=12, batch_size=7)
    here, there = trained(ALL, **given), trained(ALL, workers=workers, **given)
    assert same(weights(here), weights(there))


def test_recipes_that_differ_in_the_loss_see_identical_batches():
    a, b = batches_of(), batches_of("label_smoothing+mixup+cosine")
    assert equal(a, b)
    assert not equal(a, batches_of(seed=1))
    assert not equal(a[:5], a[5:])  # two epochs are two orders


def test_dropout_and_mixup_are_functions_of_seed_epoch_and_step():
    "The network's own draws do not depend on how many were made before"
    class Extra(Callback):
        order = -200
        def before_batch(self):
            torch.rand(self.learn.iter + 3)
            random.random()
    given = dict(arch="mobilenetv3_small_050", size=32, resize=32)
    assert same(weights(trained("mixup", **given)), weights(trained("mixup", cbs=[Extra()], **given)))


def test_a_batch_of_one_joins_the_one_before():
    class Sizes(Callback):
        def __init__(self): self.n = []
        def before_batch(self): self.n += [len(self.y)] if self.training else []
    for per_class, bs, want in ((8, 69, [70]), (8, 23, [23, 23, 24]), (8, 32, [32, 32, 6]), (8, 70, [70]),
                                (8, 80, [70])):
        cb = Sizes()
        learn, _ = learner(per_class=per_class, batch_size=bs, epochs=1, cbs=[cb])
        learn.fit(1)
        assert cb.n == want and len(learn.dls.train) == len(want), bs


def test_an_image_keeps_its_augmentation_when_others_go():
    "Augmentation is the key's, not the position's"
    few, _ = learner(per_class=4)
    many, _ = learner(per_class=8)

    def items(learn):
        dl = learn.dls.train
        dl.epoch = 3
        return {o.name: dl.do_item(i)[0] for i, o in enumerate(dl.dataset.items)}
    a, b = items(few), items(many)
    both = a.keys() & b.keys()
    assert len(both) > 20 and all(torch.equal(a[n], b[n]) for n in both)


def test_convolutions_have_the_algorithms_that_rules_choose(tmp_path):
    "fastai lets cuDNN time them, which is another choice on another day"
    torch.backends.cudnn.benchmark = True
    train(recipe_of(epochs=1, per_class=2, out=str(tmp_path)), silent)
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


@pytest.mark.gpu
@pytest.mark.parametrize("given", [{}, {"arch": "resnet18"},
                                   {"arch": "tf_efficientnet_lite0", "size": 64, "resize": 64}])
def test_on_a_gpu_too(tmp_path, given):
    same_recipe = {"epochs": 2, "device": "cuda", "size": 32, "resize": 32, "per_class": 20, **given}
    models = [train(recipe_of(**same_recipe, out=str(tmp_path / name)), silent).folder / "model.safetensors"
              for name in "ab"]
    assert models[0].read_bytes() == models[1].read_bytes()

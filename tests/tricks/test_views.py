"""The tricks that change images: random_erasing, trivial_augment, alternating_flip, progressive_resize, in both
pipelines.
"""
import numpy as np
import pytest
import torch
from support.batches import Batches
from support.kills import compare, left
from support.marks import slow
from support.pictures import scene
from support.several import losses, several
from support.small import learner, recipe_of, trained
from support.stopped import EACH, resumed, stopped
from torchvision.transforms.autoaugment import TrivialAugmentWide

from fastricks.core.errors import UserError
from fastricks.core.rand import key_of
from fastricks.core.words import silent
from fastricks.data.pixels.erase import Erase, erased_boxes
from fastricks.data.pixels.trivial import TrivialAugment
from fastricks.data.pixels.views import step_draws
from fastricks.recipe.recipe import resolve
from fastricks.training.training import train

SQUARE = dict(min_scale=1., flip=True)  # digits are square: the crop is the whole image, in both pipelines


def images(selection="", epochs=2, **given):
    "[{name: image}] of each epoch, as the loader gives them"
    spy = Batches()
    learn = trained(*([selection] if selection else []), epochs=epochs, cbs=[spy], **{**SQUARE, **given})
    dl, out, seen = learn.dls.train, [], iter(spy.seen)
    for dl.epoch in range(epochs):
        out.append({dl.items[i].name: x for places in dl.batch_places()
                    for i, x in zip(places, next(seen)[0], strict=True)})
    return out


def keys(n): return np.array([key_of(f"image {i}") for i in range(n)], np.uint64)


# -- random_erasing

def test_boxes_have_the_areas_and_ratios_asked_for():
    "Algorithm 1: areas of .02 to .33, height .3 to 3.3 times the width, anywhere inside"
    boxes, there = erased_boxes(100, 100, step_draws(Erase(.25), 0, 0, keys(4000)), .25)
    x, y, w, h = boxes.T
    assert there.mean() == pytest.approx(.25, abs=.03) and (x >= 0).all() and (y >= 0).all()
    assert (x + w <= 100).all() and (y + h <= 100).all()
    area, ratio = w * h / 1e4, h / w
    assert area.min() > .015 and area.max() < .34 and area.mean() == pytest.approx(.175, abs=.01)
    assert ratio.min() > .25 and ratio.max() < 3.7 and np.log(ratio).mean() == pytest.approx(0, abs=.05)


@pytest.mark.parametrize("pipeline", ["fast", slow("reference")])
def test_the_box_is_exactly_0_once_normalised_and_all_else_as_it_was(pipeline):
    plain, erased = images(pipeline=pipeline), images("random_erasing:p=.5", pipeline=pipeline)
    changed = 0
    for a, b in zip(plain, erased, strict=True):
        for name, x in a.items():
            moved = (b[name] != x).any(0)
            assert (b[name][:, moved] == 0).all()
            changed += bool(moved.any())
    assert .3 < changed / (2 * len(plain[0])) < .7


def test_both_pipelines_erase_the_same_boxes():
    a, b = (images("random_erasing:p=1", pipeline=p) for p in ("fast", "reference"))
    for x, y in zip(a, b, strict=True):
        for name in x: assert torch.equal((x[name] == 0).all(0), (y[name] == 0).all(0)), name


# -- trivial_augment

def test_it_is_torchvisions(monkeypatch):
    "The same operations for the same draws, which torchvision takes from torch.randint"
    step, x = TrivialAugment(), torch.from_numpy(scene(40, 40)).permute(2, 0, 1).contiguous()
    names = set()
    for u in step_draws(step, 1, 2, keys(120)):
        name, (strengths, _) = step.space[int(u[0] * 14)]
        drawn = iter([int(u[0] * 14), *([int(u[1] * 31)] if strengths.ndim else []), int(u[2] < .5)])
        with monkeypatch.context() as m:
            m.setattr(torch, "randint", lambda high, size, drawn=drawn, **_: torch.tensor(next(drawn)))
            want = TrivialAugmentWide()(x)
        assert torch.equal(step(x, u), want), name
        names.add(name)
    assert len(names) == 14 == len(step.space)


def test_both_pipelines_have_the_same_pixels():
    given = dict(size=8, resize=8, flip=False)  # the digits' own size: nothing is resampled
    a, b = (images("trivial_augment", pipeline=p, **given) for p in ("fast", "reference"))
    plain = images(pipeline="fast", **given)
    for x, y in zip(a, b, strict=True):
        for name in x: assert torch.equal(x[name], y[name]), name
    assert sum(not torch.equal(a[0][n], plain[0][n]) for n in a[0]) > len(a[0]) / 2


# -- alternating_flip

@pytest.mark.parametrize("pipeline", ["fast", slow("reference")])
def test_an_image_is_mirrored_in_every_other_epoch(pipeline):
    seen = images("alternating_flip", epochs=4, pipeline=pipeline)
    plain = images(epochs=1, flip=False, pipeline=pipeline)[0]
    for epoch, shown in enumerate(seen):
        for name, x in shown.items():
            want = plain[name].flip(2) if (key_of(name) + epoch) % 2 else plain[name]
            assert torch.allclose(x, want, atol=1e-5), (epoch, name)


def test_alternating_flip_needs_flip():
    with pytest.raises(UserError, match="which --no-flip forbids"): resolve({"flip": False}, ["alternating_flip"])


# -- progressive_resize

@pytest.mark.parametrize("pipeline", ["fast", slow("reference")])
def test_images_grow_and_evaluation_is_at_full_size(pipeline):
    "10 epochs at 64 pixels: half at first, full from epoch 8 of 10 on, in steps of 16"
    spy = Batches()
    learn = trained("progressive_resize", size=64, resize=64, epochs=10, per_class=3, pipeline=pipeline, cbs=[spy])
    n = len(learn.dls.train)
    sides = [x.shape[-1] for x, _ in spy.seen[::n]]
    want = [min(64, round(64 * (.5 + .5 * min(e / 8, 1)) / 16) * 16) for e in range(10)]
    assert sides == want and sides[0] == 32 and sides[-2:] == [64, 64]
    assert next(iter(learn.dls.valid))[0].shape[-1] == 64


def test_progressive_resize_that_can_do_nothing_is_refused():
    with pytest.raises(UserError, match="changes nothing"):
        resolve({"size": 16, "resize": 16}, ["progressive_resize:start=.9"])
    with pytest.raises(UserError, match="does not take images of 112"):
        learner("progressive_resize", arch="vit_tiny_patch16_224",
                               size=224, resize=224)
    with pytest.raises(UserError, match="compiles for one"):
        resolve({"compile": True, "size": 64, "resize": 64}, ["progressive_resize"])


# -- all of them

ALL = "random_erasing+trivial_augment+alternating_flip+progressive_resize:step=4"


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    folder = stopped(tmp_path / "a", monkeypatch, ALL, epochs=3, flip=True)
    whole = train(recipe_of(ALL, **EACH, epochs=3, flip=True, out=str(tmp_path / "whole")), silent).folder
    assert not compare({"a": left(resumed(folder).folder)}, {"a": left(whole)})


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_loader_processes_make_the_same_images():
    a, b = (images(ALL, pipeline="reference", workers=n) for n in (0, 2))
    for x, y in zip(a, b, strict=True):
        for name in x: assert torch.equal(x[name], y[name])


def test_processes_share_the_same_images():
    given = dict(arch="test_convnext", size=64, resize=64, lr=1e-3, per_class=10, epochs=1, flip=True)
    one = losses(ALL, {**given, "batch_size": 24})
    a, b = several(2, losses, ALL, {**given, "batch_size": 12})
    assert a == b and a["losses"] == pytest.approx(one["losses"], abs=1e-4)

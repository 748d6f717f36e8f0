"""`--fit` and rectangles: whole photos, the same in both pipelines, in training as in evaluation."""
import numpy as np
import pytest
import torch
from PIL import Image

from fastricks.data.loader.transforms import EvalFit, TrainFit
from fastricks.data.pixels.canonical import from_torch
from fastricks.data.pixels.fits import BORDER_GREY, FitTrainView, FitView, eval_view, train_view
from fastricks.data.pixels.photo import Photo
from fastricks.data.pixels.resident import Resident
from fastricks.data.pixels.views import CenterView, TrainView, empty
from fastricks.recipe.recipe import resolve

SIDES = [(48, 32), (32, 48), (40, 40)]
SHAPES = [(60, 90), (90, 60), (64, 64), (40, 200), (33, 47)]


def smooth(h, w):
    "A photo without fine detail, of which no filter makes another: red grows to the right, green downwards"
    y, x = np.mgrid[:h, :w]
    return np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), np.full((h, w), 60.)],
                    2).round().astype(np.uint8)


def cut(view, x, box=None, mirrored=False):
    out = empty(1, *view.sides[::-1])
    view.cut(x, box, mirrored, out)
    return from_torch(out)


@pytest.mark.parametrize("fit", ["crop", "pad", "squish"])
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("h, w", SHAPES)
def test_both_pipelines_see_the_same(fit, sides, h, w):
    x, view = smooth(h, w), FitView(sides, fit)
    seen, by_pil = cut(view, x), np.asarray(EvalFit(view, 0).encodes(Photo(Image.fromarray(x))))
    assert seen.shape == by_pil.shape == (sides[1], sides[0], 3)
    assert np.abs(seen.astype(int) - by_pil).max() <= 2


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("h, w", SHAPES)
def test_pad_and_squish_show_the_whole_photo(sides, h, w):
    x = smooth(h, w)
    squished, padded = cut(FitView(sides, "squish"), x).astype(int), cut(FitView(sides, "pad"), x).astype(int)
    assert squished[0, 0, :2].max() < 16 and squished[-1, -1, :2].min() > 239
    photo = (padded != BORDER_GREY).any(2)
    rows, cols = np.flatnonzero(photo.any(1)), np.flatnonzero(photo.any(0))
    high, wide = np.ptp(rows) + 1, np.ptp(cols) + 1
    assert wide == sides[0] or high == sides[1]
    assert abs(wide / w - high / h) * max(h, w) < 1.5 * max(h / w, w / h)  # its own shape
    # in the middle
    assert abs((rows[0] + rows[-1]) - (sides[1] - 1)) <= 1 and abs((cols[0] + cols[-1]) - (sides[0] - 1)) <= 1
    assert padded[rows[0], cols[0], :2].max() < 24 and padded[rows[-1], cols[-1], :2].min() > 231


@pytest.mark.parametrize("h, w", SHAPES)
def test_a_crop_of_a_rectangle_is_its_middle(h, w):
    seen = cut(FitView((48, 32)), smooth(h, w)).astype(int)
    assert np.abs(seen[..., 0] + seen[:, ::-1, 0] - 255).max() <= 12
    assert np.abs(seen[..., 1] + seen[::-1, :, 1] - 255).max() <= 12


@pytest.mark.parametrize("fit", ["crop", "pad", "squish"])
def test_training_draws_parts_of_the_right_shape(fit):
    n, view, long = 400, FitTrainView((48, 32), fit, min_scale=.5), 160 if fit == "crop" else 400
    h, w = np.full(n, 100), np.full(n, long)
    boxes, mirrored = view.draw(h, w, 0, 0, np.arange(n))
    x, y, wide, high = boxes.T
    assert (x >= 0).all() and (y >= 0).all() and (x + wide <= w).all() and (y + high <= h).all()
    assert 0 < mirrored.mean() < 1
    shape = wide / high / (48 / 32 if fit == "crop" else 4)
    assert shape.min() > .7 and shape.max() < 1.4 and np.ptp(shape) > .3
    again, _ = view.draw(h, w, 0, 0, np.arange(n))
    assert (again == boxes).all()
    for box, m in zip(boxes[:5], mirrored[:5], strict=True):
        assert cut(view, smooth(100, long), box, m).shape == (32, 48, 3)


@pytest.mark.parametrize("fit", ["crop", "squish", "pad"])
def test_the_reference_pipeline_draws_such_parts_too(fit):
    photo, view = Photo(Image.fromarray(smooth(100, 400))), FitTrainView((48, 32), fit)
    assert TrainFit(view).encodes(photo).size == (48, 32)


def test_squares_that_are_cropped_are_what_they_were():
    r = resolve({"size": 64, "data": "food-101-21"})
    assert eval_view(r) == CenterView(64, 73) and train_view(r) == TrainView(64, .8, flip=.5)


@pytest.mark.parametrize("fit", ["crop", "squish"])
def test_views_cut_in_a_devices_memory_are_the_hosts(fit):
    xs, view = [smooth(h, w) for h, w in SHAPES], FitTrainView((48, 32), fit, .3)
    h, w = (np.array([x.shape[k] for x in xs]) for k in (0, 1))
    boxes, mirrored = view.draw(h, w, 0, 0, np.arange(len(xs)))
    got = Resident(xs, torch.device("cpu")).cut(torch.arange(len(xs)), torch.as_tensor(boxes),
                                                torch.as_tensor(mirrored), view.sides)
    for i, x in enumerate(xs):
        assert np.abs(got[i].permute(1, 2, 0).numpy().astype(int) - cut(view, x, boxes[i], mirrored[i])).max() <= 1

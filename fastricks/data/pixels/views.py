"""Views of canonical pixels: where each crop lies, as pure functions of draws, and how it is cut."""
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...core.rand import ITEM, draws
from .canonical import as_torch, into, resize_shape

CROP_TRIES = 10                # of fastai's RandomResizedCrop
FLIP = 2 * CROP_TRIES + 2      # which of a view's draws is the flip's


ERASED, AUGMENTED = 64, 128  # the first of a view's draws that these steps take


@dataclass(frozen=True)
class Views:
    "What is done to a training image beside the recipe's crop and flip"
    alternate: bool = False               # mirrored in every other epoch, not by a coin
    # epoch (0 is the first) -> pixels of the square, where it is not the recipe's
    side: Callable[[int], int] | None = None
    pixels: tuple = ()                    # steps (uint8 [3, h, w], u [draws]) -> the same, after crop and flip
    normalised: tuple = ()                # steps (float [n, 3, h, w], u [n, draws]) -> the same, after normalisation
    # a step says in `first_draw` and `draws` which of the view's draws it takes


def step_draws(step, seed, epoch, keys):
    "[len(keys), step.draws] in [0, 1): of each key the draws of a step, whatever other steps there are"
    return uniforms_of_keys(seed, epoch, keys, step.first_draw, step.draws)


def is_mirrored(keys, epoch):
    "Of each key whether (key + epoch) is odd; a key is the hash of a name"
    return (np.asarray(keys, np.uint64) + np.uint64(epoch)) % np.uint64(2) == 1


@dataclass(frozen=True)
class TrainView:
    """A random crop of `min_scale` to 1 of the area and `ratio` sides, brought to size × size, mirrored with `flip`'s
    probability, or with `alternate` in every other epoch; then come `steps`, see `Views.pixels`"""
    size: int
    min_scale: float = .8
    ratio: tuple = (3/4, 4/3)
    flip: float = .5
    alternate: bool = False
    steps: tuple = ()

    @property
    def sides(self): return self.size, self.size

    def draw(self, h, w, seed, epoch, keys):
        "(boxes [n, 4] of x, y, width, height; mirrored [n]) for images of heights and widths [n]"
        u = uniforms(seed, epoch, keys)
        mirrored = is_mirrored(keys, epoch) if self.alternate else u[:, FLIP] < self.flip
        return crop_boxes(h, w, u, self.min_scale, self.ratio), mirrored

    def change(self, x, seed, epoch, keys):
        "The steps on cut images, uint8 [n, 3, size, size], in place"
        for step in self.steps:
            for o, u in zip(x, step_draws(step, seed, epoch, keys), strict=True):
                o.copy_(step(o, u))

    def cut(self, x, box, mirrored, out):
        i, j, w, h = box
        x = as_torch(x)[:, :, j:j + h, i:i + w]
        out.copy_(x) if (h, w) == (self.size, self.size) else into(x, (self.size, self.size), out)
        if mirrored:
            out.copy_(out.flip(3))  # last: torch flips what lies in one piece thirty times as fast as a crop


@dataclass(frozen=True)
class CenterView:
    "Shorter side to `resize`, centre crop of `size`: what evaluation sees"
    size: int
    resize: int

    @property
    def sides(self): return self.size, self.size

    def draw(self, h, w, seed, epoch, keys): return np.zeros((len(keys), 4), int), np.zeros(len(keys), bool)
    def change(self, x, seed, epoch, keys): "Evaluation sees images as they are"

    def place(self, h, w):
        "Of a photo of height h and width w: ((height, width) to bring it to, (top, left) of the square in that)"
        shape = resize_shape(h, w, self.resize)
        return shape, tuple(round((o - self.size) / 2) for o in shape)  # as torchvision's center_crop

    def cut(self, x, box, mirrored, out):
        (h, w), (j, i) = self.place(*x.shape[:2])
        x, size = as_torch(x), self.size
        if (h, w) != x.shape[2:]:
            x = into(x, (h, w), empty(1, h, w))
        out.copy_(x[:, :, j:j + size, i:i + size])


def empty(n, h, w):
    import torch
    return torch.empty((n, 3, h, w), dtype=torch.uint8, memory_format=torch.channels_last)


def uniforms(seed, epoch, keys):
    "Of each key the draws of its view in this epoch, [n, FLIP + 1] in [0, 1): a function of (seed, epoch, key)"
    return uniforms_of_keys(seed, epoch, keys, 0, FLIP + 1)


def uniforms_of_keys(seed, epoch, keys, first, n):
    "[len(keys), n] in [0, 1): of each key its draws number `first` to `first` + n − 1 in this epoch"
    places = np.arange(first, first + n, dtype=np.uint64)
    bits = draws(ITEM, seed, epoch, np.asarray(keys, np.uint64)[:, None], places[None])
    return (bits >> np.uint64(11)) * 2.**-53


def crop_boxes(h, w, u, min_scale, ratio=(3/4, 4/3), shape=None):
    """Boxes [n, 4] (x, y, width, height) as fastai's RandomResizedCrop draws them, of images of heights `h` and widths
    `w` [n].

    Area uniform in [min_scale, 1] of the image's, log of the ratio of sides uniform: the first of ten tries that fits,
    else the largest centred crop of an allowed ratio. `u` [n, ≥ 22]: the tries' areas and ratios in turn, then x and y.
    `shape` [n]: what the ratios are of, width / height, where it is not 1.
    """
    h, w = (np.asarray(o)[:, None] for o in (h, w))
    u_area, u_ratio = u[:, 0:2 * CROP_TRIES:2], u[:, 1:2 * CROP_TRIES:2]
    area = (min_scale + (1 - min_scale) * u_area) * h * w
    low, high = ratio
    r = np.exp(math.log(low) + (math.log(high) - math.log(low)) * u_ratio)
    if shape is not None:
        r = r * shape[:, None]
        low, high = low * shape, high * shape
    cw = np.rint(np.sqrt(area * r)).astype(int)
    ch = np.rint(np.sqrt(area / r)).astype(int)
    fits = (cw <= w) & (ch <= h) & (cw > 0) & (ch > 0)
    first, rows = fits.argmax(1), np.arange(len(u))
    h, w = h[:, 0], w[:, 0]
    widest = np.minimum(w, (h * high).astype(int)).clip(1)
    highest = np.minimum(h, (w / low).astype(int)).clip(1)
    none = ~fits.any(1)
    cw = np.where(none, widest, cw[rows, first])
    ch = np.where(none, highest, ch[rows, first])
    u_x, u_y = u[:, 2 * CROP_TRIES], u[:, 2 * CROP_TRIES + 1]
    x = np.where(none, (w - cw) // 2, (u_x * (w - cw + 1)).astype(int))
    y = np.where(none, (h - ch) // 2, (u_y * (h - ch + 1)).astype(int))
    return np.stack([x, y, cw, ch], 1)

"""Views of canonical pixels: where each crop lies, as pure functions of draws, and how it is cut."""
import math
from dataclasses import dataclass

import numpy as np

from ...core.rand import ITEM, draws
from .canonical import as_torch, into, resize_shape

TRIES = 10                # of fastai's RandomResizedCrop
FLIP = 2 * TRIES + 2      # which of a view's draws is the flip's


@dataclass(frozen=True)
class TrainView:
    "A random crop of `min_scale` to 1 of the area and `ratio` sides, brought to size × size, mirrored with `flip`'s probability"
    size: int
    min_scale: float = .8
    ratio: tuple = (3/4, 4/3)
    flip: float = .5

    @property
    def sides(self): return self.size, self.size

    def draw(self, h, w, seed, epoch, keys):
        "(boxes [n, 4] of x, y, width, height; mirrored [n]) for images of heights and widths [n]"
        u = uniforms(seed, epoch, keys)
        return crop_boxes(h, w, u, self.min_scale, self.ratio), u[:, FLIP] < self.flip

    def cut(self, x, box, mirrored, out):
        i, j, w, h = box
        x = as_torch(x)[:, :, j:j + h, i:i + w]
        out.copy_(x) if (h, w) == (self.size, self.size) else into(x, (self.size, self.size), out)
        if mirrored: out.copy_(out.flip(3))  # last: torch flips what lies in one piece thirty times as fast as a crop


@dataclass(frozen=True)
class CenterView:
    "Shorter side to `resize`, centre crop of `size`: what evaluation sees"
    size: int
    resize: int

    @property
    def sides(self): return self.size, self.size

    def draw(self, h, w, seed, epoch, keys): return np.zeros((len(keys), 4), int), np.zeros(len(keys), bool)

    def cut(self, x, box, mirrored, out):
        x, (h, w) = as_torch(x), resize_shape(*x.shape[:2], self.resize)
        if (h, w) != x.shape[2:]: x = into(x, (h, w), empty(1, h, w))
        j, i = round((h - self.size) / 2), round((w - self.size) / 2)  # as torchvision's center_crop
        out.copy_(x[:, :, j:j + self.size, i:i + self.size])


def empty(n, h, w):
    import torch
    return torch.empty((n, 3, h, w), dtype=torch.uint8, memory_format=torch.channels_last)


def uniforms(seed, epoch, keys):
    "Of each key the draws of its view in this epoch, [n, FLIP + 1] in [0, 1): a function of (seed, epoch, key)"
    bits = draws(ITEM, seed, epoch, np.asarray(keys, np.uint64)[:, None], np.arange(FLIP + 1, dtype=np.uint64)[None])
    return (bits >> np.uint64(11)) * 2.**-53


def crop_boxes(h, w, u, min_scale, ratio=(3/4, 4/3), shape=None):
    """Boxes [n, 4] (x, y, width, height) as fastai's RandomResizedCrop draws them, of images of heights `h` and widths `w` [n].

    Area uniform in [min_scale, 1] of the image's, log of the ratio of sides uniform: the first of ten tries that fits, else
    the largest centred crop of an allowed ratio. `u` [n, ≥ 22]: the tries' areas and ratios in turn, then x and y. `shape` [n]: what
    the ratios are of, width / height, where it is not 1.
    """
    h, w = (np.asarray(o)[:, None] for o in (h, w))
    area = (min_scale + (1 - min_scale) * u[:, 0:2 * TRIES:2]) * h * w
    r = np.exp(math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * u[:, 1:2 * TRIES:2])
    low, high = (ratio[0], ratio[1]) if shape is None else (ratio[0] * shape, ratio[1] * shape)
    if shape is not None: r = r * shape[:, None]
    cw, ch = np.rint(np.sqrt(area * r)).astype(int), np.rint(np.sqrt(area / r)).astype(int)
    fits = (cw <= w) & (ch <= h) & (cw > 0) & (ch > 0)
    first, rows = fits.argmax(1), np.arange(len(u))
    h, w = h[:, 0], w[:, 0]
    fw, fh = np.minimum(w, (h * high).astype(int)).clip(1), np.minimum(h, (w / low).astype(int)).clip(1)
    none = ~fits.any(1)
    cw, ch = np.where(none, fw, cw[rows, first]), np.where(none, fh, ch[rows, first])
    x = np.where(none, (w - cw) // 2, (u[:, 2 * TRIES] * (w - cw + 1)).astype(int))
    y = np.where(none, (h - ch) // 2, (u[:, 2 * TRIES + 1] * (h - ch + 1)).astype(int))
    return np.stack([x, y, cw, ch], 1)

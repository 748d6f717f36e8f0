"""Random erasing of normalised images, as a function of each view's draws."""
import math

import numpy as np

from .views import ERASED

ERASE_TRIES = 10                 # of timm's and torchvision's
AREAS, RATIOS = (.02, .33), (.3, 3.3)


class Erase:
    """Sets a box of an image to 0, with probability `p`. `draws`: how many numbers in [0, 1) an image takes. arXiv
    1708.04896
    """
    first_draw, draws = ERASED, 2 * ERASE_TRIES + 3

    def __init__(self, p): self.p = p

    def __call__(self, x, u):
        "x [n, 3, h, w], in place; u [n, draws]"
        boxes, there = erased_boxes(*x.shape[2:], u, self.p)
        for i in np.flatnonzero(there):
            left, top, w, h = boxes[i]
            x[i, :, top:top + h, left:left + w] = 0
        return x


def erased_boxes(h, w, u, p):
    """(boxes [n, 4] of x, y, width, height; erased [n]) in images of h × w: the first of ten tries that fits, else
    none.

    Area uniform, log of the ratio of sides uniform, as timm, torchvision and fastai have it. `u` [n, draws].
    """
    u_area, u_ratio = u[:, 1:2 * ERASE_TRIES:2], u[:, 2:2 * ERASE_TRIES + 1:2]
    area = (AREAS[0] + (AREAS[1] - AREAS[0]) * u_area) * h * w
    low, high = map(math.log, RATIOS)
    ratio = np.exp(low + (high - low) * u_ratio)
    bh = np.rint(np.sqrt(area * ratio)).astype(int)
    bw = np.rint(np.sqrt(area / ratio)).astype(int)
    fits = (bh < h) & (bw < w) & (bh > 0) & (bw > 0)
    first, rows = fits.argmax(1), np.arange(len(u))
    bh = bh[rows, first].clip(0, h)
    bw = bw[rows, first].clip(0, w)
    left = (u[:, -2] * (w - bw + 1)).astype(int)
    top = (u[:, -1] * (h - bh + 1)).astype(int)
    erased = (u[:, 0] < p) & fits.any(1)
    return np.stack([left, top, bw, bh], 1), erased

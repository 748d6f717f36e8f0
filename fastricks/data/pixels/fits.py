"""Views of photos that need not be square, or are not cropped: `--size 320x240`, `--fit pad|squish`. Squares that are
cropped: `views`.
"""
from dataclasses import dataclass

import numpy as np

from .canonical import as_torch, into
from .views import FLIP, CenterView, TrainView, crop_boxes, empty, is_mirrored, uniforms

BORDER_GREY = 128  # what is beside a photo that does not fill its place


def train_view(recipe, flip=.5):
    """What training sees of a photo: a TrainView, or a FitTrainView where the recipe's frame is no square or the photo
    is not cropped
    """
    flip = flip if recipe.flip else 0.
    if is_plain(recipe):
        return TrainView(recipe.size, recipe.min_scale, flip=flip)
    return FitTrainView(tuple(recipe.sides), recipe.fit, recipe.min_scale, flip=flip)


def eval_view(recipe):
    "What evaluation sees of a photo: a CenterView or a FitView. `recipe` has sides, fit, size and resize"
    if is_plain(recipe):
        return CenterView(recipe.size, recipe.resize)
    return FitView(tuple(recipe.sides), recipe.fit, recipe.resize / recipe.size)


def is_plain(recipe): return recipe.fit == "crop" and recipe.sides[0] == recipe.sides[1]


@dataclass(frozen=True)
class FitTrainView:
    """A random part of `min_scale` to 1 of a photo's area, brought to `sides` (width, height), mirrored with `flip`'s
    probability.

    Its shape is drawn around that of the sides (crop) or around the photo's own (pad, squish). `alternate` and `steps`:
    as a TrainView has them.
    """
    sides: tuple
    fit: str = "crop"
    min_scale: float = .8
    ratio: tuple = (3/4, 4/3)
    flip: float = .5
    alternate: bool = False
    steps: tuple = ()

    change = TrainView.change

    def draw(self, h, w, seed, epoch, keys):
        "(boxes [n, 4] of x, y, width, height; mirrored [n]) for images of heights and widths [n]"
        u = uniforms(seed, epoch, keys)
        mirrored = is_mirrored(keys, epoch) if self.alternate else u[:, FLIP] < self.flip
        return self.boxes(h, w, u), mirrored

    def boxes(self, h, w, u):
        shape = self.sides[0] / self.sides[1] if self.fit == "crop" else np.asarray(w) / np.asarray(h)
        return crop_boxes(h, w, u, self.min_scale, self.ratio, np.broadcast_to(shape, len(u)))

    def place(self, h, w):
        """Where a part of height h and width w goes: ((height, width) to bring it to, (top, left) of the window of
        `sides` in that)
        """
        return fit_inside(h, w, self.sides) if self.fit == "pad" else (self.sides[::-1], (0, 0))

    def cut(self, x, box, mirrored, out):
        i, j, w, h = box
        put_window(as_torch(x)[:, :, j:j + h, i:i + w], *self.place(h, w), out)
        if mirrored:
            out.copy_(out.flip(3))


@dataclass(frozen=True)
class FitView:
    """What evaluation sees: the middle of a photo that covers `sides` (width, height) `margin` times (crop), or the
    whole photo, with grey beside it (pad) or brought to the sides' shape (squish)."""
    sides: tuple
    fit: str = "crop"
    margin: float = 8 / 7

    change = CenterView.change

    def draw(self, h, w, seed, epoch, keys): return np.zeros((len(keys), 4), int), np.zeros(len(keys), bool)

    def place(self, h, w):
        "As `FitTrainView.place`, of a whole photo"
        if self.fit == "crop":
            return middle(h, w, self.sides, self.margin)
        return fit_inside(h, w, self.sides) if self.fit == "pad" else (self.sides[::-1], (0, 0))

    def cut(self, x, box, mirrored, out): put_window(as_torch(x), *self.place(*x.shape[:2]), out)


def fit_inside(h, w, sides):
    """The largest (height, width) of a photo's shape within `sides`, and the (top, left) that put it into their middle,
    0 or less
    """
    scale = min(sides[0] / w, sides[1] / h)
    size = max(1, min(sides[1], round(h * scale))), max(1, min(sides[0], round(w * scale)))
    return size, ((size[0] - sides[1]) // 2, (size[1] - sides[0]) // 2)


def middle(h, w, sides, margin):
    """The smallest (height, width) of a photo's shape that covers `sides` times `margin`, and the (top, left) of their
    middle
    """
    wide, high = (max(o, round(margin * o)) for o in sides)
    scale = max(wide / w, high / h)
    size = max(high, round(h * scale)), max(wide, round(w * scale))
    return size, (round((size[0] - sides[1]) / 2), round((size[1] - sides[0]) / 2))


def put_window(x, size, at, out):
    """Write the window of `out`'s size at `at` of `x` [1, 3, h, w], brought to `size`, to `out`; what lies outside is
    grey
    """
    (height, width), (top, left), (h, w) = size, at, out.shape[2:]
    if (height, width) != tuple(x.shape[2:]):
        x = into(x, size, empty(1, height, width))
    if top < 0 or left < 0:
        out.fill_(BORDER_GREY)
    y, u = max(0, -top), max(0, -left)
    part = x[:, :, max(0, top):max(0, top) + h - y, max(0, left):max(0, left) + w - u]
    out[:, :, y:y + part.shape[2], u:u + part.shape[3]].copy_(part)


def put_pil(im, size, at, sides, box=None):
    "`put_window` of a PIL image, or of its `box` (left, top, right, bottom), by PIL"
    from PIL import Image
    (height, width), (top, left) = size, at
    im = im.resize((width, height), Image.Resampling.BILINEAR, box)
    if top >= 0 and left >= 0:
        return im.crop((left, top, left + sides[0], top + sides[1]))
    out = Image.new("RGB", sides, (BORDER_GREY,) * 3)
    out.paste(im, (-left, -top))
    return out

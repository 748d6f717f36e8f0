"""The reference pipeline's crops and scaling."""
import random

import numpy as np
import torch
from fastai.data.transforms import Normalize, ToTensor
from fastai.torch_core import TensorImage
from fastai.vision.augment import FlipItem, RandomResizedCrop
from fastai.vision.core import PILImage
from fasttransform import Transform
from torchvision.transforms import functional as F

from ...core.tensors import plain
from ..pixels.canonical import scaled
from ..pixels.fits import eval_view, is_plain, put_pil, train_view
from ..pixels.views import FLIP, is_mirrored, step_draws


class TrainCrop(RandomResizedCrop):
    "fastai's RandomResizedCrop, for training only: its validation mode squeezes the photo"
    split_idx, side_at = 0, None  # `side_at`: epoch -> pixels, where they are not always the same

    def side(self, epoch): return self.side_at(epoch) if self.side_at else self.size[0]

    def see(self, seed, epoch, key):
        if self.side_at:
            self.size = (self.side_at(epoch),) * 2


class AlternatingFlip(Transform):
    "Mirrors an image in every other epoch"
    split_idx, order = 0, FlipItem.order
    def see(self, seed, epoch, key): self.mirrored = bool(is_mirrored([key], epoch)[0])
    def encodes(self, x: PILImage): return x.flip_lr() if self.mirrored else x


class PixelSteps(Transform):
    "`Views.pixels` for an item, of whose view it is told"
    split_idx, order = 0, ToTensor.order + 1
    def __init__(self, steps): self.steps, self.of = steps, None
    def see(self, seed, epoch, key): self.of = seed, epoch, [key]

    def encodes(self, x: TensorImage):
        for step in self.steps:
            x = TensorImage(step(plain(x), step_draws(step, *self.of)[0]))
        return x


class NormalisedSteps(Transform):
    "`Views.normalised` for a batch, of whose views it is told"
    split_idx, order = 0, Normalize.order + 1
    def __init__(self, steps): self.steps, self.of = steps, None
    def see(self, seed, epoch, keys): self.of = seed, epoch, keys

    def encodes(self, x: TensorImage):
        if self.of is None or len(self.of[2]) != len(x):
            return x  # fastai's own look at one item
        for step in self.steps:
            x = TensorImage(step(plain(x), step_draws(step, *self.of)))
        return x


class CenterCrop(Transform):
    "Evaluation: shorter side to `resize` keeping the aspect ratio, centre crop of `size`"
    split_idx, order = 1, 1
    def __init__(self, size=224, resize=256): self.size, self.resize = size, resize
    def encodes(self, x: PILImage): return type(x)(F.center_crop(F.resize(x, self.resize), self.size))


class TrainFit(Transform):
    "`FitTrainView` by PIL, from the photo itself; drawn from Python's generator, as fastai's crop is"
    split_idx, order = 0, 1
    def __init__(self, view): self.view = view

    def encodes(self, x: PILImage):
        u = np.array([[random.random() for _ in range(FLIP)]])
        i, j, w, h = map(int, self.view.boxes([x.height], [x.width], u)[0])
        return type(x)(put_pil(x, *self.view.place(h, w), self.view.sides, (i, j, i + w, j + h)))


class EvalFit(Transform):
    "`FitView` by PIL, from the photo itself"
    split_idx, order = 1, 1
    def __init__(self, view, resize): self.view, self.resize = view, resize
    def encodes(self, x: PILImage): return type(x)(put_pil(x, *self.view.place(x.height, x.width), self.view.sides))


def crops(recipe):
    "[what crops in training, what does in evaluation]: the tutorial's, or those of a recipe's other shape and fit"
    if is_plain(recipe):
        return [TrainCrop(recipe.size, min_scale=recipe.min_scale), CenterCrop(recipe.size, recipe.resize)]
    return [TrainFit(train_view(recipe)), EvalFit(eval_view(recipe), recipe.resize)]


class Scale(Normalize):
    "fastai's Normalize that takes 8-bit images as they are, quickly, and lays them out channels-last"
    def encodes(self, x: TensorImage):
        x, mean, std = plain(x), plain(self.mean), plain(self.std)
        return TensorImage(scaled(x, mean, std) if x.dtype == torch.uint8 else (x - mean) / std)

"""The reference pipeline's crops and scaling."""
import random

import numpy as np
import torch
from fastai.data.transforms import Normalize
from fastai.torch_core import TensorImage
from fastai.vision.augment import RandomResizedCrop
from fastai.vision.core import PILImage
from fasttransform import Transform
from torchvision.transforms import functional as F

from ...core.tensors import plain
from ..pixels.canonical import scaled
from ..pixels.fits import eval_view, is_plain, put_pil, train_view
from ..pixels.views import FLIP


class TrainCrop(RandomResizedCrop):
    "fastai's RandomResizedCrop, for training only: its validation mode squeezes the photo"
    split_idx = 0


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
    if is_plain(recipe): return [TrainCrop(recipe.size, min_scale=recipe.min_scale), CenterCrop(recipe.size, recipe.resize)]
    return [TrainFit(train_view(recipe)), EvalFit(eval_view(recipe), recipe.resize)]


class Scale(Normalize):
    "fastai's Normalize that takes 8-bit images as they are, quickly, and lays them out channels-last"
    def encodes(self, x: TensorImage):
        x, mean, std = plain(x), plain(self.mean), plain(self.std)
        return TensorImage(scaled(x, mean, std) if x.dtype == torch.uint8 else (x - mean) / std)

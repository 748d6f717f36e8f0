"""The reference pipeline's crops and scaling."""
import torch
from fastai.data.transforms import Normalize
from fastai.torch_core import TensorImage
from fastai.vision.augment import RandomResizedCrop
from fastai.vision.core import PILImage
from fasttransform import Transform
from torchvision.transforms import functional as F

from ...core.tensors import plain
from ..pixels.canonical import scaled


class TrainCrop(RandomResizedCrop):
    "fastai's RandomResizedCrop, for training only: its validation mode squeezes the photo"
    split_idx = 0


class CenterCrop(Transform):
    "Evaluation: shorter side to `resize` keeping the aspect ratio, centre crop of `size`"
    split_idx, order = 1, 1
    def __init__(self, size=224, resize=256): self.size, self.resize = size, resize
    def encodes(self, x: PILImage): return type(x)(F.center_crop(F.resize(x, self.resize), self.size))


class Scale(Normalize):
    "fastai's Normalize that takes 8-bit images as they are, quickly, and lays them out channels-last"
    def encodes(self, x: TensorImage):
        x, mean, std = plain(x), plain(self.mean), plain(self.std)
        return TensorImage(scaled(x, mean, std) if x.dtype == torch.uint8 else (x - mean) / std)

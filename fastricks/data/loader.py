"""Source -> fastai DataBlock -> DataLoaders whose order and augmentation are functions of (seed, epoch, key)."""
import os
from functools import cached_property

import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.transforms import Normalize
from fastai.torch_core import TensorImage
from fastai.vision.augment import FlipItem, RandomResizedCrop
from fastai.vision.core import PILImage
from fasttransform import Transform
from torchvision.transforms import functional as F

from ..rand import ITEM, draws, key_of, order, seeded
from ..tensors import plain
from .photo import Photo
from .pixels import scaled
from .scan import cores
from .source import Item
from .sturdy import Losses, SturdyDL


class KeyedDL(SturdyDL):
    """A fastai DataLoader without hidden random state, for any item transforms.

    Set `seed` once and `epoch` before each epoch. Training (`shuffle`) takes the images by the hash of their keys with
    (seed, epoch); each item's transforms run with Python, NumPy and torch seeded from (seed, epoch, key), so the number
    of workers does not matter. A last training batch of one image joins the one before (BatchNorm needs two).
    """
    seed, epoch, pixels = 0, 0, None
    start = 0  # the batch that the next epoch begins at: those before are not loaded

    def new(self, dataset=None, cls=None, **kwargs):
        res = super().new(dataset, cls, **kwargs)
        res.seed, res.epoch = self.seed, self.epoch
        return res

    @cached_property
    def item_keys(self): return np.array([item_key(o, i) for i, o in enumerate(self.dataset.items)], dtype=np.uint64)

    @property
    def joins(self): return self.shuffle and self.n > self.bs and self.n % self.bs == 1

    def __len__(self): return super().__len__() - self.joins
    def shuffle_fn(self, idxs): return [idxs[i] for i in order(self.seed, self.epoch, self.item_keys)]

    def sample(self):
        "The items of one worker, in turns from batch `start` on"
        last, first = len(self) - 1, self.start * self.bs if self.start < len(self) else self.n
        return (b for i, b in enumerate(self._DataLoader__idxs[first:], first)
                if (min(i // self.bs, last) - self.start) % self.num_workers == self.offs)

    def chunkify(self, b):
        held = None
        for chunk in super().chunkify(b):
            if held is not None and self.joins and len(chunk) == 1: chunk, held = held + chunk, None
            if held is not None: yield held
            held = chunk
        if held is not None: yield held

    def batch_places(self):
        "Of each batch of this epoch the places of its images in `items`: arrays, a function of (seed, epoch)"
        idxs = order(self.seed, self.epoch, self.item_keys) if self.shuffle else np.arange(self.n)
        if self.drop_last: idxs = idxs[:len(self) * self.bs]
        return np.split(idxs, np.arange(1, len(self)) * self.bs)

    def do_item(self, s):
        with seeded(int(draws(ITEM, self.seed, self.epoch, self.item_keys[s or 0])[0])): return super().do_item(s)


def item_key(o, i):
    "The key of an item's name, or path; one that has neither goes by its place"
    return key_of(o.name if isinstance(o, Item) else o if isinstance(o, (str, os.PathLike)) else f"#{i}")


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


def image_of(o): return o.image if isinstance(o, Item) else o
def label_of(o): return o.label
def by_split(items): return [[i for i, o in enumerate(items) if o.split == s] for s in ("train", "valid")]


def data_block(recipe, classes, mean, std):
    """The DataBlock of a recipe: the tutorial's transforms (TrainCrop, flip, normalise; resize and centre crop).

    `--pipeline fast` differs in the loader alone, which makes whole batches of the same views from canonical pixels.
    """
    from .fast import FastDL
    tfms = [TrainCrop(recipe.size, min_scale=recipe.min_scale), CenterCrop(recipe.size, recipe.resize)]
    return DataBlock(blocks=(TransformBlock(type_tfms=Photo.create), CategoryBlock(vocab=list(classes))),
                     get_x=image_of, get_y=label_of, splitter=by_split, dl_type=FastDL if recipe.pipeline == "fast" else KeyedDL,
                     item_tfms=[*tfms, FlipItem(.5)] if recipe.flip else tfms,
                     batch_tfms=[Scale.from_stats(mean, std)])


def default_workers(recipe):
    "Loader processes pay for large photos of the reference pipeline only; the fast one has threads"
    return 0 if recipe.size < 128 or recipe.pipeline == "fast" else min(8, cores())


def make_dls(source, recipe, mean, std, device="cpu"):
    """fastai DataLoaders of `source`: `dls.train`, `dls.valid` (empty for --valid 0) and `dls.test` (None if there is none).

    Batches are (images [n, 3, size, size] float, labels [n]); evaluation takes twice the training batch.
    """
    items = [o for o in source.items if o.split != "test"]
    workers = default_workers(recipe) if recipe.workers is None else recipe.workers
    with Photo.stand_in():
        dls = data_block(recipe, source.classes, mean, std).dataloaders(
            items, bs=recipe.batch_size, val_bs=2 * recipe.batch_size, num_workers=workers, device=torch.device(device), drop_last=False)
    dls.losses = Losses()
    for dl in dls.loaders:
        dl.seed, dl.losses = recipe.seed, dls.losses
        dl.pixels = source.pixels
    if recipe.pipeline == "fast" and dls.device.type == "cuda": dls.train.take_up()
    dls.test = dls.test_dl(source.of("test"), with_labels=True) if source.has_test else None
    return dls

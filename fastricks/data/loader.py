"""Source -> fastai DataBlock -> DataLoaders whose order and augmentation are functions of (seed, epoch, key)."""
import os
from functools import cached_property

import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.transforms import Normalize
from fastai.torch_core import TensorImage, to_detach
from fastai.vision.augment import FlipItem, RandomResizedCrop
from fastai.vision.core import PILImage
from fasttransform import Transform
from torchvision.transforms import functional as F

from .. import ranks
from ..errors import UserError
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

    As process `rank` of `world` it gives this one's share of every training batch, `bs` being the images of all, and every
    `world`-th batch of an evaluation: whatever `world` is, an epoch has the same batches, and each image once.
    """
    seed, epoch, pixels = 0, 0, None
    rank, world = 0, 1
    start = 0  # the batch that the next epoch begins at: those before are not loaded

    def new(self, dataset=None, cls=None, **kwargs):
        res = super().new(dataset, cls, **kwargs)
        res.seed, res.epoch, res.rank, res.world = self.seed, self.epoch, self.rank, self.world
        return res

    def to_detach(self, b, cpu=True, gather=True):
        "fastai's would gather from all processes, of which each must then have as many images"
        return to_detach(b, cpu, gather=False)

    @cached_property
    def item_keys(self): return np.array([item_key(o, i) for i, o in enumerate(self.dataset.items)], dtype=np.uint64)

    @property
    def joins(self): return self.shuffle and self.n > self.bs and self.n % self.bs == 1

    @property
    def batches(self):
        "Batches of an epoch, of all processes together"
        return super().__len__() - self.joins

    def __len__(self): return self.batches if self.shuffle else len(range(self.rank, self.batches, self.world))
    def shuffle_fn(self, idxs): return [idxs[i] for i in order(self.seed, self.epoch, self.item_keys)]

    def sample(self):
        "The items of one worker, in turns from batch `start` on"
        last, first = self.batches - 1, self.start * self.bs if self.start < self.batches else self.n
        rank, world = (0, 1) if self.shuffle else (self.rank, self.world)

        def is_own(batch): return batch % world == rank and (batch - self.start) // world % self.num_workers == self.offs
        return (b for i, b in enumerate(self._DataLoader__idxs[first:], first) if is_own(min(i // self.bs, last)))

    def chunkify(self, b):
        held = None
        for chunk in super().chunkify(b):
            if held is not None and self.joins and len(chunk) == 1: chunk, held = held + chunk, None
            if held is not None: yield self.share(held)
            held = chunk
        if held is not None: yield self.share(held)

    def share(self, chunk):
        """This process's images of a training batch. A lone one comes twice, as BatchNorm needs two; where there is none the batch's
        first stands in: all processes take each step. Neither counts (`callbacks.data_parallel`)."""
        if not self.shuffle or self.world == 1: return chunk
        own = chunk[self.rank::self.world] or chunk[:1]
        return own * 2 if len(own) == 1 else own

    def none_left(self):
        if self.shuffle and self.world > 1: raise UserError(
            f"none of process {self.rank}'s images of a batch can be read any more, and each process must have some: bring them back")

    def batch_places(self):
        "Of each batch of this epoch the places of its images in `items`: arrays, a function of (seed, epoch)"
        idxs = order(self.seed, self.epoch, self.item_keys) if self.shuffle else np.arange(self.n)
        if self.drop_last: idxs = idxs[:self.batches * self.bs]
        return np.split(idxs, np.arange(1, self.batches) * self.bs)

    def own_places(self):
        "`batch_places` of this process alone, each image once"
        return [b[self.rank::self.world] for b in self.batch_places()] if self.shuffle else self.batch_places()[self.rank::self.world]

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
    return 0 if recipe.size < 128 or recipe.pipeline == "fast" else min(8, max(cores() // ranks.local_world(), 1))


def make_dls(source, recipe, mean, std, device="cpu"):
    """fastai DataLoaders of `source`: `dls.train`, `dls.valid` (empty for --valid 0) and `dls.test` (None if there is none).

    Batches are (images [n, 3, size, size] float, labels [n]); evaluation takes twice the training batch. Among several processes
    (`fastricks.ranks`) the training batches are shared out, and evaluation's taken in turns.
    """
    items = [o for o in source.items if o.split != "test"]
    workers = default_workers(recipe) if recipe.workers is None else recipe.workers
    with Photo.stand_in():
        dls = data_block(recipe, source.classes, mean, std).dataloaders(
            items, bs=recipe.whole_batch, val_bs=2 * recipe.batch_size, num_workers=workers, device=torch.device(device), drop_last=False)
    dls.losses = Losses()
    for dl in dls.loaders:
        dl.seed, dl.losses = recipe.seed, dls.losses
        dl.rank, dl.world = ranks.here.rank, ranks.here.world
        dl.pixels = source.pixels
    if recipe.pipeline == "fast" and dls.device.type == "cuda": dls.train.take_up()
    dls.test = dls.test_dl(source.of("test"), with_labels=True) if source.has_test else None
    return dls

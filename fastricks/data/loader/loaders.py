"""Source -> fastai DataBlock -> DataLoaders whose order and augmentation are functions of (seed, epoch, key)."""
import torch
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.vision.augment import FlipItem

from ...core import ranks
from ...core.machine import cores
from ..pixels.decoding import PLAIN, decoding
from ..pixels.photo import Photo, opener
from ..pixels.store import Pixels
from ..pixels.views import Views
from ..source import Item
from .keyed import KeyedDL
from .sturdy import Losses
from .transforms import AlternatingFlip, NormalisedSteps, PixelSteps, Scale, crops

NO_CHANGES = Views()


def image_of(o): return o.image if isinstance(o, Item) else o
def label_of(o): return o.label
def by_split(items): return [[i for i, o in enumerate(items) if o.split == s] for s in ("train", "valid")]


def data_block(recipe, classes, mean, std, views=NO_CHANGES):
    """The DataBlock of a recipe: the tutorial's transforms (TrainCrop, flip, normalise; resize and centre crop).

    `--pipeline fast` differs in the loader alone, which makes whole batches of the same views from canonical pixels.
    """
    from .fast import FastDL
    crop, center = crops(recipe)
    if views.side:
        crop.side_at = views.side
    flip = [AlternatingFlip() if views.alternate else FlipItem(.5)] if recipe.flip else []
    tfms = [crop, center, *flip, *([PixelSteps(views.pixels)] if views.pixels else [])]
    last = [NormalisedSteps(views.normalised)] if views.normalised else []
    return DataBlock(blocks=(TransformBlock(type_tfms=opener(decoding(recipe))), CategoryBlock(vocab=list(classes))),
                     get_x=image_of, get_y=label_of, splitter=by_split,
                     dl_type=FastDL if recipe.pipeline == "fast" else KeyedDL,
                     item_tfms=tfms, batch_tfms=[Scale.from_stats(mean, std), *last])


def default_workers(recipe):
    "Loader processes pay for large photos of the reference pipeline only; the fast one has threads"
    return 0 if recipe.size < 128 or recipe.pipeline == "fast" else min(8, max(cores() // ranks.local_world(), 1))


class Untold(list):
    "A list of few words: fastai's DataBlock makes text of its source that nobody reads, a millisecond for each array"
    def __repr__(self): return f"{len(self)} items"


def make_dls(source, recipe, mean, std, device="cpu", views=NO_CHANGES):
    """fastai DataLoaders of `source`: `dls.train`, `dls.valid` (empty for --valid 0) and `dls.test` (None if there is
    none), `dls.rest` (of --rest valid; None without).

    Batches are (images [n, 3, size, size] float, labels [n]); evaluation takes twice the training batch. Among several
    processes (`fastricks.ranks`) the training batches are shared out, and evaluation's taken in turns. `views`: what
    else is done to training images.
    """
    items = Untold(o for o in source.items if o.split in ("train", "valid"))
    workers = default_workers(recipe) if recipe.workers is None else recipe.workers
    with Photo.stand_in():
        dls = data_block(recipe, source.classes, mean, std, views).dataloaders(
            items, bs=recipe.whole_batch, val_bs=2 * recipe.batch_size, num_workers=workers,
            device=torch.device(device), drop_last=False)
    dls.losses, how = Losses(), decoding(recipe)
    for dl in dls.loaders:
        dl.seed, dl.losses = recipe.seed, dls.losses
        dl.rank, dl.world = ranks.here.rank, ranks.here.world
        dl.pixels = source.pixels or (None if how == PLAIN else Pixels(recipe.resize, how=how))
    if recipe.pipeline == "fast" and dls.device.type == "cuda":
        dls.train.take_up()
    dls.test = dls.test_dl(source.of("test"), with_labels=True) if source.has_test else None
    dls.rest = dls.test_dl(rest, with_labels=True) if (rest := source.of("rest")) else None
    return dls

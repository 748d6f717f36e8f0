"""The fast pipeline: whole batches cut from canonical pixels in threads, in place of an image at a time."""
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from fastai.data.transforms import ToTensor
from fastai.torch_core import TensorCategory, TensorImage
from fastai.vision.augment import FlipItem
from torch.utils.data import get_worker_info

from ...core.machine import cores
from ..pixels.ahead import ahead
from ..pixels.image import Unreadable
from ..pixels.resident import Resident, fits
from ..pixels.store import Pixels
from ..pixels.views import CenterView, TrainView, empty
from ..source import Item
from .keyed import KeyedDL
from .transforms import AlternatingFlip, CenterCrop, EvalFit, PixelSteps, TrainCrop, TrainFit

# what views are made of
KNOWN = {TrainCrop, CenterCrop, TrainFit, EvalFit, FlipItem, AlternatingFlip, PixelSteps, ToTensor}
IMAGES = Item, Path, str, bytes, np.ndarray


class FastDL(KeyedDL):
    """`KeyedDL` that makes batches from `pixels`, for the transforms of `data_block`: TrainCrop, CenterCrop, FlipItem.

    Any other item transform, or an image of another kind, takes the plain path, and it says so. Batches are the same
    bits for any number of workers and threads, with or without the cache.
    """
    pixels = said = resident = None

    def new(self, dataset=None, cls=None, **kwargs):
        res = super().new(dataset, cls, **kwargs)
        res.pixels = self.pixels
        return res

    @cached_property
    def images(self): return list(self.dataset.items)

    @cached_property
    def labels(self):
        "Class numbers of all images; None for images without labels"
        tls = getattr(self.dataset, "tls", ())
        if len(tls) < 2:
            return None
        o2i = self.dataset.vocab.o2i
        return torch.tensor([o2i[o.label] for o in self.images])

    @property
    def view(self):
        "How to cut a batch's images, or None where the plain path must"
        tfms = {type(o): o for o in self.after_item.fs}
        crop, center, fit, whole = (tfms.get(o) for o in (TrainCrop, CenterCrop, TrainFit, EvalFit))
        if {*tfms} - KNOWN or not ((crop and center) or (fit and whole)):
            return None
        if getattr(self.dataset, "split_idx", 1):
            return whole.view if whole else CenterView(center.size, center.resize)
        flip, steps = tfms.get(FlipItem), tfms.get(PixelSteps)
        more = dict(
            flip=flip.p if flip else 0.,
            alternate=AlternatingFlip in tfms,
            steps=steps.steps if steps else ())
        if fit:
            return replace(fit.view, **more)
        return TrainView(crop.side(self.epoch), crop.min_scale, crop.ratio, **more)

    def why_plain(self, view):
        if view is None:
            return "item transforms other than the recipe's"
        if not all(isinstance(o, IMAGES) for o in self.images):
            return "images that are neither files nor arrays"
        if len(getattr(self.dataset, "tls", ())) > 2:
            return "more than an image and a label an item"

    def make(self, chunks):
        view = self.view
        if why := self.why_plain(view):
            if not FastDL.said:
                FastDL.said = print(f"pipeline: slower item-by-item loading, as there are {why}") or True
            return super().make(chunks)
        return ahead(lambda b: self.parcel_of(b, view), chunks, self.threads)

    @property
    def threads(self):
        "One makes batches beside a CPU's training; more pay where a GPU trains or photos are decoded each time"
        if get_worker_info() is not None:
            return 0
        on_cpu = self.device is None or self.device.type == "cpu"
        return 1 if on_cpu and self.pixels is not None and self.pixels.kept else min(8, cores())

    def parcel_of(self, chunk, view):
        "(batch, lost, places) of the images at the places `chunk`"
        if self.resident is not None:
            return self.batch_of(chunk, view), [], list(chunk)
        there, lost = [], []
        for i in self.present(chunk):
            try:
                there.append((i, self.canonical(self.images[i])))
            except Unreadable as e:
                lost.append((i, str(e)))
        if not there:
            return None, lost, []
        idxs, xs = zip(*self.enough(there, chunk), strict=True)
        return self.batch_of(list(idxs), view, xs), lost, list(idxs)

    def batch_of(self, idxs, view, xs=None):
        """(uint8 images [n, 3, h, w], labels [n]) of the images at `idxs`; `xs`: their pixels where they are read
        already
        """
        if self.resident is not None:
            x = self.on_device(idxs, view)
        else:
            x = self.on_host(idxs, view, xs or [self.canonical(self.images[i]) for i in idxs])
        view.change(x, self.seed, self.epoch, self.item_keys[idxs])
        return (TensorImage(x),) if self.labels is None else (TensorImage(x), TensorCategory(self.labels[idxs]))

    def on_host(self, idxs, view, xs):
        h, w = (np.array([x.shape[k] for x in xs]) for k in (0, 1))
        boxes, mirrored = view.draw(h, w, self.seed, self.epoch, self.item_keys[idxs])
        out = empty(len(xs), *view.sides[::-1])
        for i, x in enumerate(xs):
            view.cut(x, boxes[i], mirrored[i], out[i:i + 1])
        return out

    def on_device(self, idxs, view):
        boxes, mirrored = view.draw(self.resident.h[idxs], self.resident.w[idxs], self.seed, self.epoch,
                                    self.item_keys[idxs])
        return self.resident.cut(idxs, boxes, mirrored, view.sides)

    def take_up(self):
        "Put the pixels into the device's memory, once, if they fit beside the training"
        xs = [self.canonical(o) for o in self.images] if self.pixels is not None and self.pixels.kept else []
        if getattr(self.view, "fit", "") != "pad" and xs and fits(xs, self.device):
            self.resident = Resident(xs, self.device)

    def canonical(self, o):
        if self.pixels is None:
            self.pixels = Pixels(next(o.resize for o in self.after_item.fs if isinstance(o, CenterCrop | EvalFit)))
        return self.pixels[o]

    def _one_pass(self):
        view = self.view
        if self.why_plain(view):
            return super()._one_pass()
        self._n_inp = 1
        self._types = {tuple: [TensorImage] if self.labels is None else [TensorImage, TensorCategory]}

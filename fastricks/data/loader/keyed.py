"""The reference pipeline's loader: random draws keyed by seed, epoch and image."""
import os
from functools import cached_property

import numpy as np
from fastai.torch_core import to_detach

from ...core.errors import UserError
from ...core.rand import ITEM, draws, key_of, order, seeded
from ..source import Item
from .sturdy import SturdyDL


class KeyedDL(SturdyDL):
    """A fastai DataLoader without hidden random state, for any item transforms.

    Set `seed` once and `epoch` before each epoch. Training (`shuffle`) takes the images by the hash of their keys with
    (seed, epoch); each item's transforms run with Python, NumPy and torch seeded from (seed, epoch, key), so the number
    of workers does not matter. A last training batch of one image joins the one before (BatchNorm needs two).

    As process `rank` of `world` it gives this one's share of every training batch, `bs` being the images of all, and
    every `world`-th batch of an evaluation: whatever `world` is, an epoch has the same batches, and each image once.
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

        def is_own(batch):
            return batch % world == rank and (batch - self.start) // world % self.num_workers == self.offs
        return (b for i, b in enumerate(self._DataLoader__idxs[first:], first) if is_own(min(i // self.bs, last)))

    def chunkify(self, b):
        held = None
        for chunk in super().chunkify(b):
            if held is not None and self.joins and len(chunk) == 1:
                chunk, held = held + chunk, None
            if held is not None:
                yield self.share(held)
            held = chunk
        if held is not None:
            yield self.share(held)

    def share(self, chunk):
        """This process's images of a training batch. A lone one comes twice, as BatchNorm needs two; where there is
        none the batch's first stands in: all processes take each step. Neither counts (`callbacks.data_parallel`)."""
        if not self.shuffle or self.world == 1:
            return chunk
        own = chunk[self.rank::self.world] or chunk[:1]
        return own * 2 if len(own) == 1 else own

    def none_left(self):
        if self.shuffle and self.world > 1:
            raise UserError(
                f"none of process {self.rank}'s images of a batch can be read any more, and each process must have "
                "some: bring them back")

    def batch_places(self):
        "Of each batch of this epoch the places of its images in `items`: arrays, a function of (seed, epoch)"
        idxs = order(self.seed, self.epoch, self.item_keys) if self.shuffle else np.arange(self.n)
        if self.drop_last:
            idxs = idxs[:self.batches * self.bs]
        return np.split(idxs, np.arange(1, self.batches) * self.bs)

    def own_places(self):
        "`batch_places` of this process alone, each image once"
        return ([b[self.rank::self.world] for b in self.batch_places()] if self.shuffle
                else self.batch_places()[self.rank::self.world])

    def tell(self, tfms, places):
        """Tell the transforms that ask for it (`see`) the seed, the epoch and the keys (one place: the key) of the
        images that come
        """
        for f in getattr(tfms, "fs", ()):
            if hasattr(f, "see"):
                f.see(self.seed, self.epoch, self.item_keys[places])

    def do_item(self, s):
        self.tell(self.after_item, s or 0)
        with seeded(int(draws(ITEM, self.seed, self.epoch, self.item_keys[s or 0])[0])):
            return super().do_item(s)


def item_key(o, i):
    "The key of an item's name, or path; one that has neither goes by its place"
    return key_of(o.name if isinstance(o, Item) else o if isinstance(o, (str, os.PathLike)) else f"#{i}")

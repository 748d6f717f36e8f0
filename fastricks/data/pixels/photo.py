"""The image type of our DataBlocks: `DataBlock(blocks=(ImageBlock(cls=Photo), CategoryBlock), …)`."""
import io
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fastai.vision.core import PILImage
from fasttransform import Transform
from PIL import Image
from torch import Tensor

from .decoding import PLAIN
from .image import load_rgb, quiet, upright_rgb


class Photo(PILImage):
    "A `PILImage` of whatever `load_rgb` reads, a PIL image, a tensor or an encoded file's bytes"
    stands_in = False

    @classmethod  # by these types fastai knows what `learn.predict` may be given
    def create(cls, x: Path | str | Tensor | np.ndarray | bytes | Image.Image, **kwargs):
        return cls(Image.new("RGB", (1, 1)) if cls.stands_in else rgb_of(x))

    @classmethod
    @contextmanager
    def stand_in(cls):
        """A pixel for every photo meanwhile: fastai opens one to learn its type when loaders are made, and needs no
        more of it
        """
        cls.stands_in = True
        try:
            yield
        finally:
            cls.stands_in = False


class Open(Transform):
    "`Photo.create` with a Decoding"
    def __init__(self, how): self.how = how

    def encodes(self, x: Path | str | Tensor | np.ndarray | bytes | Image.Image):
        return Photo.create(x) if Photo.stands_in else Photo(rgb_of(x, self.how))


def opener(how):
    "What makes a Photo of an image"
    return Photo.create if how == PLAIN else Open(how)


def rgb_of(x, how=PLAIN):
    if isinstance(x, Image.Image):
        return of_pil(x, how)
    if isinstance(x, Tensor):
        return load_rgb(of_tensor(x))
    return load_rgb(io.BytesIO(x) if isinstance(x, bytes) else x, how)


def of_pil(im, how=PLAIN):
    with quiet():
        return upright_rgb(im, how)


def of_tensor(x):
    "uint8 [h, w, c] of a tensor [c, h, w] or [h, w, c], whose floats go from 0 to 1"
    x = np.asarray(x.detach().cpu().as_subclass(Tensor))
    if x.ndim == 3 and x.shape[0] in (1, 3) and x.shape[2] not in (1, 3):
        x = x.transpose(1, 2, 0)
    return x if x.dtype.kind != "f" else (x*255).round().clip(0, 255).astype(np.uint8)

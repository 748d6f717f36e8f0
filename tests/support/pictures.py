"""Pictures that are made, and their files."""
import io

import numpy as np
from PIL import Image


def scene(h, w, seed=0):
    "A smooth picture with edges, as photos are: uint8 [h, w, 3]"
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w] / max(h, w)
    waves = [np.sin(rng.uniform(3, 20) * x + rng.uniform(3, 20) * y + rng.uniform(0, 6)) for _ in range(3)]
    return ((np.stack(waves, -1) + (x > y)[..., None]) * 60 + 110).clip(0, 255).astype(np.uint8)


def encoded(x, kind="jpeg", **options):
    "The bytes of a file of the format `kind`; `x`: an array or a PIL image"
    f = io.BytesIO()
    (x if isinstance(x, Image.Image) else Image.fromarray(x)).save(f, kind, **options)
    return f.getvalue()

"""A small folder of image files of all kinds, and trainings on it."""
import numpy as np
import pytest
import torch
from PIL import Image

from fastricks.recipe.recipe import resolve

CLASSES = {"blue": (40, 60, 200), "grün": (50, 170, 60), "red sky": (220, 60, 40)}


def photo(colour, n):
    "uint8 [h, w, 3]: a smooth pattern in a colour, of another shape and size each"
    h, w = 40 + 7 * n % 50, 40 + 11 * n % 70
    y, x = np.mgrid[:h, :w] / 9.
    waves = np.sin(x * (1 + n % 3) + n)[..., None] * 40 + np.cos(y + n)[..., None] * 30
    return (np.array(colour) + waves + [[[0, 9, n % 20]]]).clip(0, 255).astype(np.uint8)


def save(x, file, n):
    im = Image.fromarray(x)
    exif = Image.Exif()
    exif[0x0112] = 6
    if n % 5 == 1: im.save(file.with_suffix(".png"))
    elif n % 5 == 2: im.convert("L").save(file.with_suffix(".jpg"), quality=92)
    elif n % 5 == 3: im.save(file.with_suffix(".JPG"), quality=92, exif=exif)
    elif n % 5 == 4: im.convert("RGBA").save(file.with_suffix(".webp"), lossless=True)
    else: im.save(file.with_suffix(".jpg"), quality=92)


def make_photos(root, train=14, test=10):
    for split, count in (("train", train), ("test", test)):
        for i, (label, colour) in enumerate(CLASSES.items()):
            (root / split / label).mkdir(parents=True)
            for n in range(count):
                save(photo(colour, n + 20 * i + 100 * (split == "test")), root / split / label / f"{n:02}", n)
    return root


def train_on_photos(tmp_path_factory, pipeline, *tricks, **given):
    "(run folder, data) of a training on the folder, without pictures unless `train` draws them"
    from fastricks.core.words import silent
    from fastricks.training import training
    train = given.pop("train", training.train)
    data = tmp_path_factory.mktemp("photos") / "sky"
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as m:
        m.setenv("FASTRICKS_CACHE", str(data.parent / "cache"))
        r = resolve({**dict(data=str(make_photos(data)), arch="test_resnet", pretrained=False, size=32, resize=38,
                            epochs=12, batch_size=8, lr=3e-3,
                            threads=1, device="cpu", wandb="disabled", valid=.2, pipeline=pipeline,
                            out=str(data.parent / "runs")), **given}, tricks)
        return train(r, silent).folder, data

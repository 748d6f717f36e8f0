import numpy as np
import pytest
import torch
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import FuncSplitter, parent_label
from fastai.vision.augment import Resize
from fastai.vision.core import PILImage, TensorImage
from fastai.vision.data import ImageBlock
from PIL import Image
from support.data_trees import class_tree, jpeg, photo

from fastricks.data.pixels.image import Unreadable
from fastricks.data.pixels.photo import Photo

X = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("x", [X, Image.fromarray(X), PILImage.create(X), Photo.create(X), torch.from_numpy(X.copy()),
                               torch.from_numpy(X.copy()).permute(2, 0, 1), TensorImage(X.copy()).permute(2, 0, 1),
                               torch.from_numpy(X/255).float().permute(2, 0, 1)],
                         ids=["array", "pil", "pilimage", "photo", "hwc", "chw", "tensorimage", "float"])
def test_create(x):
    im = Photo.create(x)
    assert type(im) is Photo and isinstance(im, PILImage) and im.mode == "RGB" and (np.asarray(im) == X).all()


def test_create_does_not_change_what_it_is_given():
    im = Image.fromarray(X)
    im.info["exif"] = b"x"
    Photo.create(im)
    assert type(im) is Image.Image and im.info == {"exif": b"x"}


def test_create_of_files(tmp_path):
    path = photo(tmp_path/"x.png")
    for x in (path, str(path), path.read_bytes()): assert Photo.create(x).size == (16, 12)
    assert Photo.create(jpeg()).size == (16, 12)


def test_gray_and_transparent_pil_images():
    assert Photo.create(Image.new("L", (2, 2), 7)).getpixel((0, 0)) == (7, 7, 7)
    assert Photo.create(Image.new("RGBA", (2, 2))).getpixel((0, 0)) == (255, 255, 255)
    assert Photo.create(torch.full((1, 4, 4), 9, dtype=torch.uint8)).getpixel((0, 0)) == (9, 9, 9)
    exif = Image.Exif()
    exif[0x0112] = 6
    im = Image.new("RGB", (4, 2))
    im.info["exif"] = exif.tobytes()
    assert Photo.create(im).size == (2, 4)


def test_unreadable(tmp_path):
    with pytest.raises(Unreadable, match="not there"): Photo.create(tmp_path/"x.jpg")


@pytest.fixture
def dls(tmp_path):
    for i in range(4): photo(tmp_path/f"{'ab'[i % 2]}/{i}.png", i)
    split = FuncSplitter(lambda o: o.stem in "23")
    block = DataBlock(blocks=(ImageBlock(cls=Photo), CategoryBlock), get_y=parent_label, item_tfms=Resize(8),
                      get_items=lambda p: sorted(p.rglob("*.png")), splitter=split)
    return block.dataloaders(tmp_path, bs=2, num_workers=0)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # fastai's tensors
def test_in_a_data_block(dls):
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    xb, yb = dls.one_batch()
    assert xb.shape == (2, 3, 8, 8) and 0 <= xb.min() <= xb.max() <= 1 and len(yb) == 2
    dls.show_batch()
    dls.valid.show_batch()
    plt.close("all")


def test_predict(dls, tmp_path):
    import fastai.callback.progress  # noqa: F401 learn.no_bar
    from fastai.learner import Learner
    from torch import nn
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    learn = Learner(dls, net, loss_func=nn.CrossEntropyLoss())
    path = next(tmp_path.rglob("*.png"))
    x = np.asarray(Photo.create(path))
    files = path, str(path), path.read_bytes()
    inputs = *files, x, Image.fromarray(x), PILImage.create(path), torch.from_numpy(x.copy())
    with learn.no_bar(): got = [learn.predict(o)[2] for o in inputs]
    assert all(torch.equal(o, got[0]) for o in got)


def test_arrays_of_a_source(tmp_path):
    from fastricks.data.sources.open import open_source
    assert Photo.create(open_source("digits").items[0].image).size == (8, 8)
    with pytest.raises(Unreadable): Photo.create(open_source(class_tree(tmp_path, a=2, b=2)).items[0].image)

"""DataLoaders as a user of fastai makes them, without anything of ours."""
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import ItemGetter, RandomSplitter
from fastai.vision.augment import Resize
from fastai.vision.data import ImageBlock
from sklearn.datasets import load_digits


def small_dls(n=72, bs=16, size=16):
    "DataLoaders of `n` of the digits 0 to 3, a fifth of them for validation"
    digits = load_digits()
    pixels = (digits.images * 255 / 16).round().astype("uint8")[..., None].repeat(3, -1)
    items = [(x, int(y)) for x, y in zip(pixels, digits.target, strict=True) if y < 4][:n]
    block = DataBlock(blocks=(ImageBlock, CategoryBlock), get_x=ItemGetter(0), get_y=ItemGetter(1), splitter=RandomSplitter(.2, seed=0),
                      item_tfms=Resize(size))
    return block.dataloaders(items, bs=bs, device="cpu", num_workers=0)

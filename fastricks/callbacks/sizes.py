"""How many images a batch has, on this process and on all of them."""
from fastai.torch_core import find_bs


def batch_sizes(learn):
    "Images in each batch of the epoch (of all processes), from the loader; equal ones where it can't tell"
    n, bs, total = len(learn.dl), getattr(learn.dl, "bs", None), getattr(learn.dl, "n", None)
    if not bs or not total or learn.dl.drop_last:
        return [bs or 1] * n
    return [bs] * (n - 1) + [total - bs * (n - 1)]


def own_images(learn):
    "Images of this process's batch that count: a stand-in does not"
    cb = vars(learn).get("data_parallel")
    return find_bs(learn.yb) if cb is None else cb.own


def all_images(learn):
    "Images of the batch of all processes, a number or a tensor of one"
    cb = vars(learn).get("data_parallel")
    return len(learn.y) if cb is None else cb.total

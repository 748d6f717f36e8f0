"""Several batches a step, the last group of an epoch included."""
from fastai.callback.core import Callback, CancelBatchException
from fastai.callback.fp16 import MixedPrecision


def batch_sizes(learn):
    "Images in each batch of the epoch (of all processes), from the loader; equal ones where it can't tell"
    n, bs, total = len(learn.dl), getattr(learn.dl, "bs", None), getattr(learn.dl, "n", None)
    if not bs or not total or learn.dl.drop_last: return [bs or 1] * n
    return [bs] * (n - 1) + [total - bs * (n - 1)]


class Accumulate(Callback):
    """Step once every `n` training batches, with the mean gradient over their images.

    Unlike fastai's GradientAccumulation the last, shorter group of an epoch is a step of its own, weighed by its images.
    The loss that is recorded stays the batch's own.
    """
    order, run_valid = MixedPrecision.order - 4, False  # before mixed precision scales the loss; after distillation adds to it

    def __init__(self, n=2): self.n = n

    def before_batch(self):
        if self.learn.iter % self.n == 0: self.images = sum(batch_sizes(self.learn)[self.learn.iter:self.learn.iter + self.n])

    def after_loss(self):
        from .data_parallel import own_images
        self.learn.loss_grad = self.learn.loss_grad * (own_images(self.learn) / self.images)

    def before_step(self):
        last = self.learn.iter + 1 == self.learn.n_iter
        if not last and (self.learn.iter + 1) % self.n: raise CancelBatchException  # keeps the gradients

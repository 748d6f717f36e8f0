"""Several batches a step, the last group of an epoch included."""
from fastai.callback.core import Callback, CancelBatchException
from fastai.callback.fp16 import MixedPrecision

from ..core.calls import require_count
from .sizes import batch_sizes


class Accumulate(Callback):
    """Step once every `n` training batches, with the mean gradient over their images.

    Unlike fastai's GradientAccumulation the last, shorter group of an epoch is a step of its own, weighed by its
    images. The loss that is recorded stays the batch's own.
    """
    # before mixed precision scales the loss; after distillation adds to it
    order, run_valid = MixedPrecision.order - 4, False

    def __init__(self, n=2):
        require_count("Accumulate: n=", n)
        self.n = n

    @property
    def batches_a_step(self): return self.n

    def before_batch(self):
        if self.learn.iter % self.n == 0:
            self.images = sum(batch_sizes(self.learn)[self.learn.iter:self.learn.iter + self.n])

    def after_loss(self):
        from .sizes import own_images
        self.learn.loss_grad = self.learn.loss_grad * (own_images(self.learn) / self.images)

    def before_step(self):
        last = self.learn.iter + 1 == self.learn.n_iter
        if not last and (self.learn.iter + 1) % self.n:
            raise CancelBatchException  # keeps the gradients

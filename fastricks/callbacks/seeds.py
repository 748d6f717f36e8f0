"""What is random about a batch, dropout and mixup among it, as a function of (seed, epoch, step)."""
from fastai.callback.core import Callback

from ..core.rand import STEP, draw, seed_all


class Seeds(Callback):
    "Tell the loader its epoch, and seed the generators of host and device before each training batch"
    order = -100  # before anything that draws

    def __init__(self, seed=0): self.seed = seed
    def before_train(self): self.tell_epoch()
    def before_validate(self): self.tell_epoch()  # learn.tta() counts its views there

    def tell_epoch(self):
        if hasattr(self.dl, "epoch"):
            self.dl.epoch = self.learn.epoch

    def before_batch(self):
        if not self.training:
            return
        seed_all(draw(STEP, self.seed, self.learn.epoch, self.learn.iter), self.x.device)

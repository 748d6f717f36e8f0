"""What stands between a batch and the step in fastai's loop, taken out of the way."""
import torch
from fastai.callback.core import Callback
from fastai.learner import AvgSmoothLoss

from ..core.tensors import plain


class SmoothLoss(AvgSmoothLoss):
    "fastai's, kept on the loss's device: its own waits for the device after every batch"
    def accumulate(self, learn):
        self.count += 1
        loss = plain(learn.loss).detach().mean()
        old = self.val.to(loss)
        self.val = torch.where(loss.isfinite(), torch.lerp(loss, old, self.beta), old)  # a Guard leaves the others out


class Quick(Callback):
    "Gives the network plain tensors in place of fastai's own kinds, whose every operation goes through Python"
    order = -110  # before all others

    def after_create(self): self.learn.recorder.smooth_loss = SmoothLoss()

    def before_batch(self):
        self.learn.xb, self.learn.yb = (tuple(map(plain, o)) for o in (self.learn.xb, self.learn.yb))

    def after_loss(self):  # fastai's losses make fastai's tensors again; images without labels have no loss
        if not self.learn.yb:
            return
        self.learn.loss_grad, self.learn.loss = plain(self.learn.loss_grad), plain(self.learn.loss)

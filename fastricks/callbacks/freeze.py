"""BatchNorm of frozen parts of a network in a training."""
from fastai.callback.core import Callback, TrainEvalCallback
from torch.nn.modules.batchnorm import _BatchNorm

from .only_training import is_training


class KeepAverages(Callback):
    """Each BatchNorm whose own parameters are frozen, or every one (`all`), normalises by its averages, and keeps
    them, in training too.
    """
    order, run_valid = TrainEvalCallback.order + 1, False

    def __init__(self, all=False): self.all = all

    def before_fit(self): self.run = is_training(self.learn)
    def before_train(self): self.set_modes()

    def set_modes(self):
        "What `model.train()` undoes"
        for m in self.learn.model.modules():
            if isinstance(m, _BatchNorm) and (self.all or is_frozen(m)):
                m.eval()


def is_frozen(m): return m.weight is not None and not m.weight.requires_grad

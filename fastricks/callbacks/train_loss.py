"""A training loss beside the Learner's own, which stays the validation loss."""
from fastai.callback.core import Callback

from ..core.errors import UserError


class TrainLoss(Callback):
    "Train with `loss`; validate, and report, with the Learner's loss function (plain cross-entropy)"
    order = -2  # before mixup (0), which wraps the loss that it finds in before_train

    def __init__(self, loss):
        if isinstance(loss, type):
            raise UserError(f"TrainLoss: {loss.__name__} is a class: give one of it, {loss.__name__}()")
        if not callable(loss):
            raise UserError(f"TrainLoss: the loss is a function of (predictions, targets), not {loss!r}")
        self.loss_func, self.plain = loss, None

    def before_fit(self): self.plain = self.learn.loss_func
    def before_train(self): self.learn.loss_func = self.loss_func

    def before_validate(self):  # not after_train: mixup's own comes later there and would bring the training loss back
        if self.plain is not None:
            self.learn.loss_func = self.plain

    def after_fit(self): self.before_validate()
    def after_cancel_fit(self): self.before_validate()

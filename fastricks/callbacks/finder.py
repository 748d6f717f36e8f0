"""fastai's learning rate finder for a Learner that is thrown away."""
from fastai.callback.core import CancelFitException
from fastai.callback.schedule import LRFinder, ParamScheduler


class Finder(LRFinder):
    "fastai's LRFinder that saves no weights, as nobody puts them back, and ends at a loss that is not finite"
    name = "lr_finder"  # by which other callbacks know that this is no training

    def __init__(self, start, end, steps, rates=()):
        "`rates`: a factor for each parameter group; what is tried out is theirs times it"
        super().__init__(start, end, steps)
        lr = self.scheds["lr"]
        if {*rates} - {1.}:
            self.scheds["lr"] = lambda pct: [r * lr(pct) for r in rates]

    def before_fit(self):
        ParamScheduler.before_fit(self)
        self.best_loss = float("inf")

    def after_batch(self):
        if not self.learn.loss.isfinite():
            raise CancelFitException
        super().after_batch()

    def after_fit(self): "Nothing to put back"

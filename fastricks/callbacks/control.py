"""The A/A row: a training that differs from its baseline in its draws alone."""
from fastai.callback.core import Callback


class OtherDraws(Callback):
    "The training loader draws order and views from another seed"
    order = -101  # before the loader is told its epoch

    def __init__(self, seed): self.seed = seed
    def before_fit(self): self.dls.train.seed = self.seed

"""What the loader hands to a training."""
from fastai.callback.core import Callback


class Batches(Callback):
    "Copies of the training batches as they come from the loader, before any trick"
    order = -50

    def __init__(self): self.seen = []

    def before_batch(self):
        if self.training: self.seen.append((self.x.clone(), self.y.clone()))

"""Keep the weights that did best on the validation split."""
import torch
from fastai.callback.tracker import TrackerCallback


class KeepBest(TrackerCallback):
    """Remember the weights of the best epoch by `monitor`, a loss or metric (the first of equals), and put them back
    when training ends
    """
    order, keeps = 58, ("best", "state")

    def __init__(self, monitor="accuracy"): super().__init__(monitor=monitor)

    def after_epoch(self):
        super().after_epoch()
        if self.new_best:
            self.state = {k: v.detach().to("cpu", copy=True) for k, v in self.learn.model.state_dict().items()}

    @torch.no_grad()
    def after_fit(self):
        if hasattr(self, "state"):
            self.learn.model.load_state_dict(self.state)

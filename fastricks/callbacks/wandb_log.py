"""Every step and every epoch of a training to Weights & Biases."""
from ..runfolder.tracking import define_best
from .track_log import TrackLog


class WandbLog(TrackLog):
    "Logs the lr and the loss of every step, and every row of `learn.history`, to a W&B `run`"
    label = "W&B"

    def log_epochs(self, rows):
        if not self.sent:
            define_best(self.tracker, rows[0])
        super().log_epochs(rows)

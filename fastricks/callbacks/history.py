"""A row an epoch: learning rate, losses, accuracy, time."""
import time

from fastai.callback.core import Callback

from .only_training import is_training
from .sizes import all_images

BY_CLASS = "macro_f1", "balanced_accuracy"


class History(Callback):
    """Collects `rows`, a dict an epoch, and hands each to `write(rows)`.

    `train_loss` is the mean over the epoch's images of what was minimised (without losses that are not finite), and
    where that has several terms (`learn.loss_parts`) each has its mean too; `valid_loss` and `accuracy` are the
    Learner's plain loss and metric (None without validation), as are `macro_f1` and `balanced_accuracy` where they are
    among its metrics; `skipped_steps` were left out by a Guard; `seconds` and `images_per_s` are of training alone.
    `lr` is the mean of the rates that the epoch's batches had: where it falls or rises within an epoch, neither the
    first nor the last says what that was trained with.
    """
    order, name = 55, "history"  # after Recorder (50) has made the epoch's record

    def __init__(self, write=None): self.rows, self.write = [], write

    def before_fit(self): self.run = is_training(self.learn)

    def kept(self):
        counts = {k: vars(self)[k] for k in ("rows", "total", "n", "fine", "left", "rate", "lr_steps")}
        return {**counts, "parts": self.terms, "spent": time.perf_counter() - self.start}

    def put_back(self, state):
        counts = {k: v for k, v in state.items() if k not in ("parts", "spent")}
        vars(self).update({"rate": 0., "lr_steps": 0, **counts},  # which checkpoints from before lack
                          terms=state["parts"], start=time.perf_counter() - state["spent"])

    def before_train(self):
        self.trained = True
        self.total, self.terms, self.n, self.fine, self.start = 0., {}, 0, 0, time.perf_counter()
        self.rate, self.lr_steps = 0., 0
        self.left = self.left_out()

    def left_out(self): return vars(self.learn)["guard"].skipped if "guard" in vars(self.learn) else 0

    def after_batch(self):
        if not self.training:
            return
        n, loss = all_images(self.learn), self.loss.detach()
        self.lr_steps += 1
        # the mean; of equal rates that rate, to the last bit
        self.rate += (self.opt.hypers[-1]["lr"] - self.rate) / self.lr_steps
        self.n, self.fine, self.total = self.n + n, self.fine + loss.isfinite() * n, self.total + finite_loss(loss) * n
        for k, v in getattr(self.learn, "loss_parts", {}).items():
            self.terms[k] = self.terms.get(k, 0.) + finite_loss(v) * n

    def after_train(self):
        self.n, self.fine = int(self.n), max(int(self.fine), 1)  # the one wait for the device an epoch
        self.mean_loss = float(self.total / self.fine)
        self.spent = time.perf_counter() - self.start

    def after_epoch(self):
        if not getattr(self, "trained", False):
            return  # learn.validate() ends an epoch too
        self.trained = False
        valid = dict(zip(self.recorder.metric_names[2:-1], self.learn.final_record[1:], strict=False))
        self.rows.append({
            "epoch": self.learn.epoch + 1,
            "lr": self.rate if self.lr_steps else None,  # an epoch without a step, as of a linear probe, has neither
            "train_loss": self.mean_loss if self.lr_steps else None,
            **{f"train_{k}": float(v / self.fine) for k, v in self.terms.items()},
            "valid_loss": valid.get("valid_loss"),
            "accuracy": valid.get("accuracy"),
            **{k: valid.get(k) for k in BY_CLASS if k in self.recorder.metric_names},
            "seconds": round(self.spent, 3),
            "images_per_s": round(self.n / self.spent, 1),
            "skipped_steps": self.left_out() - self.left,
        })
        if self.write:
            self.write(self.rows)


def finite_loss(loss):
    "A non-finite loss weighs nothing: its step is left out"
    return loss.nan_to_num(0., 0., 0.)

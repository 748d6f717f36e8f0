"""A training's whole state into checkpoints, and back: it goes on where it was, as if nothing had been."""
import time
from functools import partial

import torch
from fastai.callback.core import Callback, CancelEpochException
from fastai.callback.schedule import ParamScheduler
from fastai.callback.tracker import TrackerCallback
from fastai.learner import Recorder

from ..core import ranks, stop
from .only_training import is_training

# when checkpoints are due beside epochs' ends, and the share of the time that writing them may take
MINUTES, SHARE_OF_TIME = 5, .01
BYTES_A_SECOND = 150e6      # what writing is taken to cost before the first was written


class Checkpoint(Callback):
    """Calls `save(state)` at an epoch's end and every 5 minutes, where a step ends, taking at most 1% of the time.

    `every`: seconds between checkpoints instead, 0 for one after each step. `state`: what to go on from, as `save` got
    it; `resume(learn, state)` comes before the fit. `early`: (n, f), for f(state) to be called after n epochs besides.
    Another callback of the Learner that carries something from step to step says its attributes' names in `keeps`, or
    has `kept()` -> dict and `put_back(dict)`. A signal (`fastricks.stop`) is answered here.
    """
    order = 200  # after all that counts, logs or steps

    def __init__(self, save, every=None, state=None, early=None):
        self.early = early
        self.save, self.every, self.state, self.cost, self.final, self.heard = save, every, state, None, None, None

    def before_fit(self):
        self.run = is_training(self.learn)
        if not self.run:
            return
        self.last, self.trained = time.monotonic(), False
        if self.state:
            put_back(self.learn, self.state)

    def before_train(self):
        self.trained = True
        if self.state and self.state["batch"]:
            put_back_epoch(self.learn, self.state)
        self.state = None

    def before_batch(self): self.stepped = False
    def after_step(self): self.stepped = True  # accumulation and loss scaling come here at the end of a step only

    def after_batch(self):
        if self.training and self.stepped and self.due():
            self.write(self.learn.epoch, self.learn.iter + 1)
        elif not self.training and self.trained and self.signalled():
            self.write(self.learn.epoch, len(self.dls.train))

    def after_epoch(self):
        if not self.trained:
            return  # learn.validate() ends an epoch too
        self.trained = False
        self.save_early()
        if self.due(MINUTES * 60):
            self.write(self.learn.epoch + 1, 0)

    def save_early(self):
        "Before the checkpoint of the same epoch: a training that is killed between them saves it again"
        n, save = self.early or (0, None)
        if self.learn.epoch + 1 == n and is_finite_model(self.learn.model):
            save(learner_state(self.learn, n, 0))

    def after_fit(self): self.state, self.final = None, learner_state(self.learn, self.learn.n_epoch, 0)

    def signalled(self):
        "Was a signal sent, in an evaluation? Several processes ask each other as long as all of them have batches"
        if ranks.alone():
            return stop.asked.signum
        if self.learn.iter < self.dl.batches // ranks.here.world:
            self.hear()
        return self.heard

    def hear(self, due=False):
        """Whether a checkpoint is due and which signal was sent, by any process's word: all of them stop after the same
        step
        """
        due, signum = ranks.most(due and ranks.is_first(), stop.asked.signum or 0)
        if signum:
            stop.asked.signum = self.heard = stop.asked.signum or signum
        return due

    def due(self, waited=0):
        "Is it time, or was a signal sent? `waited`: seconds that count as waited already"
        return self.hear(self.is_time(waited)) or self.heard

    def is_time(self, waited):
        spent = time.monotonic() - self.last
        if self.every is not None:
            return spent >= self.every
        if spent + waited < MINUTES * 60:
            return False
        if self.cost is None:
            self.cost = 3 * sum(t.nbytes for t in self.learn.model.state_dict().values()) / BYTES_A_SECOND
        return spent >= self.cost / SHARE_OF_TIME

    def write(self, epoch, batch):
        "Save, but never over the last good weights"
        if is_finite_model(self.learn.model):
            self.timed_save(learner_state(self.learn, epoch, batch))
        if ranks.alone() or self.heard:
            stop.check()  # not for a signal that the other processes do not know of yet

    def timed_save(self, state):
        start = time.monotonic()
        self.save(state)
        self.last = time.monotonic()
        self.cost = self.last - start

    def save_final(self):
        "Save a training that is over, so that what follows it (the final evaluation) can be begun again"
        if self.final:
            self.timed_save(self.final)


def is_finite_model(model): return all(t.isfinite().all() for t in model.state_dict().values() if t.is_floating_point())
def callbacks_in_order(learn): return learn.cbs.sorted("order")


def carried_state(cb):
    "What a callback carries from step to step; fastai's own are known here"
    if hasattr(type(cb), "kept"):
        return cb.kept()
    if isinstance(cb, ParamScheduler):
        return {"hps": {k: torch.tensor(v, dtype=torch.float64) for k, v in cb.hps.items()}}
    if isinstance(cb, Recorder):
        return {"smooth": {k: v for k, v in vars(cb.smooth_loss).items() if isinstance(v, (int, float, torch.Tensor))}}
    names = (*getattr(type(cb), "keeps", ()), *(("best", "wait") if isinstance(cb, TrackerCallback) else ()))
    return {k: vars(cb)[k] for k in names if k in vars(cb)}


def put_back_cb(cb, state):
    if hasattr(type(cb), "put_back"):
        cb.put_back(state)
    elif isinstance(cb, ParamScheduler):
        cb.hps = {k: v.tolist() for k, v in state["hps"].items()}
    elif isinstance(cb, Recorder):
        vars(cb.smooth_loss).update(state["smooth"])
    else:
        for k, v in state.items():
            setattr(cb, k, v)


def learner_state(learn, epoch, batch):
    "The state of a Learner from which `batch` of `epoch` is next: references, not copies"
    scaler = vars(learn).get("scaler")
    return {
        "epoch": epoch,
        "batch": batch,
        "train_iter": learn.train_iter,
        "pct_train": learn.pct_train,
        "model": learn.model.state_dict(),
        "opt": learn.opt.state_dict(),
        "scaler": scaler.state_dict() if scaler else {},
        "cbs": {cb.name: carried_state(cb) for cb in callbacks_in_order(learn)},
    }


def put_back(learn, state):
    learn.model.load_state_dict(state["model"])
    learn.opt.load_state_dict({"state": {int(k): v for k, v in state["opt"]["state"].items()},
                               "param_groups": [group_settings(g) for g in state["opt"]["param_groups"]]})
    if state["scaler"] and vars(learn).get("scaler"):
        learn.scaler.load_state_dict(state["scaler"])
    learn.train_iter = state["train_iter"]
    put_back_cbs(learn, state)


def group_settings(group):
    "A parameter group's settings; lists as tuples"
    return {k: tuple(v) if isinstance(v, list) and k != "params" else v for k, v in group.items()}


def put_back_epoch(learn, state):
    "What the callbacks' `before_train` has set back"
    learn.pct_train = state["pct_train"]
    put_back_cbs(learn, state)


def put_back_cbs(learn, state):
    for cb in callbacks_in_order(learn):
        if cb.name in state["cbs"]:
            put_back_cb(cb, state["cbs"][cb.name])


def resume(learn, state):
    "Let the next `fit` begin at the state's batch of its epoch, where a Checkpoint callback puts the rest back"
    learn._do_fit = partial(rest_of_fit, learn, state["epoch"], state["batch"])


def rest_of_fit(learn, first, batch):
    "Learner._do_fit from an epoch on: fastai's own start_epoch would end, and log, every epoch that it skips"
    del learn._do_fit
    for epoch in range(first, learn.n_epoch):
        learn.epoch = epoch
        if batch and epoch == first:
            learn.all_batches = partial(rest_of_epoch, learn, batch)
        learn._with_events(learn._do_epoch, "epoch", CancelEpochException)


def rest_of_epoch(learn, start):
    "Learner.all_batches from a batch on; a callback that looks at the batch before gets it again"
    del learn.all_batches
    learn.n_iter = len(learn.dl)
    back = [cb for cb in callbacks_in_order(learn) if hasattr(type(cb), "looks_back")
            and cb.looks_back] if start < learn.n_iter else []
    learn.dl.start = start - bool(back)
    try:
        for i, b in enumerate(learn.dl, learn.dl.start):
            if i < start:
                show_again(learn, i, b, back[-1])
            else:
                learn.one_batch(i, b)
    finally:
        learn.dl.start = 0


def show_again(learn, i, b, last):
    "Give a batch to the callbacks as they saw it before the network did, up to the `last` one that cares"
    learn.iter = i
    learn._split(learn._set_device(b))
    for cb in callbacks_in_order(learn):
        cb("before_batch")
        if cb is last:
            break

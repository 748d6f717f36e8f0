"""Every step and every epoch of a training to what keeps them: W&B, TensorBoard, MLflow."""
import torch
from fastai.callback.core import Callback

from ..runfolder.tracking import one_line, say, within
from .only_training import is_training


def detached(parts): return {k: torch.as_tensor(v).detach() for k, v in parts.items()}


def mean_parts(steps):
    "Of each of the steps' scalars the mean over the step's batches"
    for _, batches in steps:
        for k in batches[0]:
            yield torch.stack([b[k].float() for b in batches]).mean()


class TrackLog(Callback):
    """Logs the lr and the loss of every step, and every row of `learn.history`, to a `tracker`: what has `log(facts)`,
    where facts are numbers with `step` or `epoch` beside them. Where it fails, or does not answer, a line says so and
    the training goes on without it.
    """
    order, run_valid = 58, False  # after the history
    patience = 10
    every = 50  # steps between flushes: the device is waited for once, not fifty times
    label = "log"
    tracker, _stateattrs = None, ("tracker",)  # a run does not go into an exported learner

    def __init__(self, run, logged=None):
        # not `self.run`: that is fastai's switch of a callback; `logged`: a Logged, which knows what the tracker has
        # already
        self.logged = logged
        self.tracker, self.pending, self.now, self.n_steps, self.sent = run, {}, None, 0, []

    def before_fit(self): self.run = self.tracker is not None and is_training(self.learn)

    def kept(self):
        self.flush()
        return {"n_steps": self.n_steps}

    def put_back(self, state):
        "A run that is continued has the epochs before; a new one gets them with the next"
        self.n_steps = state["n_steps"]
        if getattr(self.tracker, "resumed", False):
            self.sent = list(self.learn.history.rows)

    def after_pred(self):
        step = vars(self.learn).get("step")
        self.now = self.n_steps if step is None else step, self.opt.hypers[-1]["lr"]
        if len(self.pending) >= self.every and self.now[0] not in self.pending:
            self.flush()

    def after_step(self): self.n_steps += 1

    def after_batch(self):
        if self.now is None:
            return  # cancelled before the model ran
        (step, lr), self.now = self.now, None
        parts = {"loss": self.loss} | (vars(self.learn).get("loss_parts") or {})
        self.pending.setdefault(step, (lr, []))[1].append(detached(parts))  # accumulation: several batches a step

    def after_train(self): self.flush()
    def after_fit(self):
        self.flush()  # what a cancelled epoch left
        self.after_epoch()  # of a fit that was resumed at its very end

    def after_epoch(self):
        rows = getattr(vars(self.learn).get("history"), "rows", [])
        new = [r for r in rows if not any(r is s for s in self.sent)]  # learn.validate() ends an epoch too
        if new:
            self.safely(self.log_epochs, new)
        self.sent = list(rows)

    def flush(self):
        "Log the steps that wait. For you to call where an exception has ended the fit."
        pending, self.pending = self.pending, {}
        if pending:
            self.safely(self.log_steps, pending)

    def safely(self, log, what):
        "`log(what)`, for the last time if it fails or takes `patience` seconds"
        if self.tracker is None:
            return
        if not within(self.patience, self.give_up_if_it_fails, log, what):
            self.give_up(f"no answer for {self.patience} s")

    def give_up_if_it_fails(self, log, what):
        try:
            log(what)
        except Exception as e:
            self.give_up(one_line(e))

    def give_up(self, why):
        if self.tracker is not None:
            self.tracker = say(f"{self.label}: {why}; no longer logging to it")

    def log_steps(self, pending):
        means = iter(torch.stack(list(mean_parts(pending.values()))).tolist())
        for step, (lr, batches) in pending.items():
            parts = {f"train/{k}": next(means) for k in batches[0]}
            if self.has("step", step):
                continue
            self.tracker.log({"step": step, "train/lr": lr} | parts)
        self.write_out()
        if self.logged:
            self.logged.add("step", max(pending))

    def has(self, kind, number): return self.logged is not None and self.logged.has(kind, number)

    def log_epochs(self, rows):
        new = [row for row in rows if not self.has("epoch", row["epoch"])]
        for row in new:
            facts = {f"epoch/{k}": v for k, v in row.items() if k != "epoch" and v is not None}
            self.tracker.log({"epoch": row["epoch"]} | facts)
        self.write_out()
        if self.logged and new:
            self.logged.add("epoch", max(row["epoch"] for row in new))

    def write_out(self): "What was logged is to be there if the training is killed now; W&B does that by itself"


class TrackerLog(TrackLog):
    "The same to a `runfolder.trackers.Tracker`"
    def __init__(self, tracker):
        super().__init__(tracker, tracker.logged)
        self.label, self.kind = tracker.label, tracker.name

    @property
    def name(self): return f"{self.kind}_log"  # several may be on one Learner

    def write_out(self): self.tracker.flush()

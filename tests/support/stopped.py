"""Trainings that a real signal stops at a chosen step, in this process, and that are resumed. They draw no pictures."""
import os
import signal

import pytest

from fastricks.callbacks.checkpoint import Checkpoint
from fastricks.core import stop
from fastricks.core.words import silent
from fastricks.training import resume
from fastricks.training.training import train
from support.small import recipe_of

EACH = dict(checkpoint_every="0s", batch_size=24)


def stopped(out, monkeypatch, *selection, at=(1, 1), number=signal.SIGTERM, **given):
    "The folder of a training that got a signal in a step: (epoch, batch)"
    step = Checkpoint.after_step

    def after_step(self):
        step(self)
        if (self.learn.epoch, self.learn.iter) == at: os.kill(os.getpid(), number)

    with monkeypatch.context() as m:
        m.setattr(Checkpoint, "after_step", after_step)
        with pytest.raises(stop.Stopped): train(recipe_of(*selection, **{**EACH, "out": str(out), **given}), silent)
    return max(out.glob("*/recipe.json"), key=lambda f: f.stat().st_mtime).parent


def resumed(folder): return train(resume.recipe_to_resume(folder), silent, resume=folder)

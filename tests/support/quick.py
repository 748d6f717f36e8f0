"""Trainings without what they are not tested for: a small one takes a third of the time, one of a grid a quarter."""
import multiprocessing
from contextlib import contextmanager

import pytest

from fastricks.grid import cells
from fastricks.report.reporter import RunReporter
from fastricks.training.reporter import Reporter


@contextmanager
def drawing_nothing():
    "Trainings meanwhile draw neither their first batch nor rates, heat maps or a page"
    with pytest.MonkeyPatch.context() as m:
        for name in ("batch", "targets", "rates", "heat", "page"): m.setattr(RunReporter, name, getattr(Reporter, name))
        yield


@contextmanager
def forking_cells():
    "Trainings of grids meanwhile are forked from this process, which has everything imported, and draw nothing"
    with drawing_nothing(), pytest.MonkeyPatch.context() as m:
        m.setattr(cells, "context", lambda wandb=True: multiprocessing.get_context("fork"))
        yield

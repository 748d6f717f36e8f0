"""`training.train` with the run's pictures and page."""
from functools import partial

from ..report.reporter import RunReporter
from ..training.training import train as train_undrawn

train = partial(train_undrawn, reporter=RunReporter())

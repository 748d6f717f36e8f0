"""Imports of large libraries, without what makes them slow."""
import gc
import sys
from contextlib import contextmanager


@contextmanager
def uncollected():
    """No search for garbage meanwhile: an import makes objects by the hundred thousand, all of which stay, and Python
    looks through them again and again, for a fifth of the CPU time of `import fastai.vision.learner`.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def without(name):
    "A library that another one imports where it is installed, and that is not needed here, is not imported meanwhile"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # so that `import` raises ImportError
    try:
        yield
    finally:
        del sys.modules[name]

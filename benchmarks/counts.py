"""Counts, which noise cannot touch: images decoded in each part of a training, and waits for the device a step."""
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import torch
from fastai.callback.core import Callback
from learners import FIRST, Book, watched
from PIL import ImageFile
from torch.utils._python_dispatch import TorchDispatchMode

from fastricks.core.words import silent
from fastricks.use.train import train

DECODERS = (
    ("simplejpeg", "decode_jpeg"),
    ("torchvision.io", "decode_jpeg"),
    ("torchvision.io", "decode_image"),
    ("cv2", "imdecode"),
    ("torchcodec.decoders", "decode_jpeg"),
)
OWN = "batch.png", "targets.png", "lr.png"  # a run's own pictures, which its page holds
WAITS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default,
         torch.ops.aten.masked_select.default}


class Decodes:
    "How many images were decoded by PIL or a JPEG decoder, in this process and all its threads"
    def __init__(self): self.n, self.lock = 0, threading.Lock()

    def add(self):
        with self.lock:
            self.n += 1

    def counted(self, f):
        def g(*args, **kwargs):
            self.add()
            return f(*args, **kwargs)
        return g

    @contextmanager
    def counting(self):
        load, undo = ImageFile.ImageFile.load, []

        def counted_load(im):
            # what is loaded already has no tiles left
            if im.tile and Path(getattr(im, "filename", "")).name not in OWN:
                self.add()
            return load(im)
        ImageFile.ImageFile.load = counted_load
        for module, name in DECODERS:
            if (f := decoder(module, name)) is not None:
                undo += replace_all(f, name, self.counted(f))
        try:
            yield self
        finally:
            ImageFile.ImageFile.load = load
            for o, name, f in undo:
                setattr(o, name, f)


def decoder(module, name):
    if module not in sys.modules and module != "simplejpeg":
        return None  # what nobody has imported decodes nothing
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


def replace_all(f, name, g):
    "Put `g` in place of `f` wherever a module holds it by that name"
    holders = [m for m in [*sys.modules.values()] if getattr(m, "__dict__", {}).get(name) is f]
    for m in holders:
        setattr(m, name, g)
    return [(m, name, f) for m in holders]


class Waits(TorchDispatchMode):
    "Operations that make the host wait for a tensor's value: .item() and its kin, copies to the CPU"
    def __init__(self):
        super().__init__()
        self.n = self.cuda = 0

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        out = f(*args, **(kwargs or {}))
        copies = f is torch.ops.aten._to_copy.default and args[0].device.type != "cpu" and out.device.type == "cpu"
        self.n += f in WAITS or copies
        return out

    def facts(self, steps): return {"waits": max(self.n, self.cuda), "steps": steps}


@contextmanager
def waiting(device):
    "Counts waits, on CUDA by torch's own warnings too"
    counter = Waits()
    with warnings.catch_warnings(record=True) as caught, counter:
        warnings.simplefilter("always")
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("warn")
        try:
            yield counter
        finally:
            if device == "cuda":
                torch.cuda.set_sync_debug_mode("default")
    counter.cuda = sum("synchroniz" in str(w.message) for w in caught)


class WaitsOf(Callback):
    "Waits while an epoch's batches are trained on, those of other callbacks too"
    order, run_valid = FIRST, False
    def __init__(self, epoch): self.epoch = epoch

    def before_batch(self):
        if (self.learn.epoch, self.learn.iter) != (self.epoch, 0):
            return
        self.context = waiting(self.dls.device.type)
        self.counter = self.context.__enter__()

    def after_train(self):
        if self.learn.epoch != self.epoch:
            return
        self.context.__exit__(None, None, None)
        self.found = self.counter.facts(self.learn.n_iter)


def runs(setting, epochs=3):
    """Two trainings of the same images, one after the other, the cache as it is found: {"first run": {"before",
    "epochs", "evaluation", "all", "waits", "seconds_before"}, "second run": …}: images decoded, waits of the second
    epoch, seconds before the first step. In one process: workers would decode unseen."""
    return {name: one_run(setting, epochs) for name in ("first run", "second run")}


def one_run(setting, epochs):
    decodes, waits, start = Decodes(), WaitsOf(1), time.perf_counter()
    book = Book(lambda: decodes.n)
    with decodes.counting(), watched(waits, *book.cbs):
        train(setting.recipe(epochs=epochs, workers=0), silent, bar=False)
    return {"before": book.first, "epochs": book.rows["train"], "evaluation": book.rows["valid"], "all": decodes.n,
            "waits": waits.found,
            "seconds_before": book.began - start}


def later_calls(run):
    "Images that a run decoded after its first epoch: those of evaluation too, the last one after training included"
    return run["all"] - run["before"] - run["epochs"][0] - run["evaluation"][0]


def waits_of(contender, setting):
    "Waits in a slice of a contender"
    with waiting(setting.device) as counter:
        contender.slice()
    return counter.facts(setting.batches)

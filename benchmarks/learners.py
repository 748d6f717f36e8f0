"""fastai Learners: ours on ready batches and from images, and the stock one as fastai's users write it."""
import time
from contextlib import contextmanager

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import GrandparentSplitter, Normalize, get_image_files, parent_label
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.vision.augment import FlipItem, RandomResizedCrop
from fastai.vision.data import ImageBlock
from fastcore.basics import noop
from rounds import Times, cpu_seconds
from setting import WARM, make_memory_learner

import fastricks.training.learner
from fastricks.callbacks.checkpoint import Checkpoint
from fastricks.callbacks.history import History
from fastricks.callbacks.screen import Screen
from fastricks.callbacks.seen import Seen
from fastricks.core.tensors import plain
from fastricks.core.words import silent
from fastricks.model.network import build_network, stats
from fastricks.training.learner import fit
from fastricks.use.train import train

FIRST, LAST = -10**6, 10**6  # orders of callbacks


class Clock(Callback):
    "Seconds a batch from after the first WARM on; ends the training where an epoch has more batches than wanted"
    order, run_valid = LAST, False

    def __init__(self, setting): self.setting = setting

    def after_batch(self):
        i = self.learn.iter + 1
        if i not in (WARM, self.setting.batches):
            return
        self.setting.sync()
        if i == WARM:
            self.start = time.perf_counter()
            return
        self.spent = (time.perf_counter() - self.start) / self.setting.steps
        if i < self.learn.n_iter:
            raise CancelFitException


class OursMemory:
    "Our loop, with the callbacks of a run, on batches that are ready"
    def __init__(self, setting, batches, *tricks, name="ours, in memory", **more):
        self.setting, self.name, self.clock = setting, name, Clock(setting)
        run = [History(), Screen(rows=False, bar=False), Seen(n=8), Checkpoint(noop, every=24 * 3600), self.clock]
        self.learn, self.parts = make_memory_learner(setting, batches, *tricks, cbs=run, **more)

    def slice(self):
        fit(self.learn, self.parts)
        return self.clock.spent


class Teacher:
    "The bare forward pass of a distilling Learner's teacher on the batches that it is asked about"
    name = "teacher's forward"

    def __init__(self, ours):
        self.setting, self.ours, self.seen = ours.setting, ours, []
        self.model = next(cb.teacher for cb in ours.learn.cbs if getattr(cb, "teacher", None) is not None)

    def one(self):
        with torch.no_grad(), self.setting.autocast():
            self.model(self.seen[0])

    def slice(self):
        if not self.seen:
            self.look()
        for _ in range(WARM):
            self.one()
        self.setting.sync()
        start = time.perf_counter()
        for _ in range(self.setting.steps):
            self.one()
        self.setting.sync()
        return (time.perf_counter() - start) / self.setting.steps

    def look(self):
        "A batch in the very layout that the teacher is given"
        hook = self.model.register_forward_pre_hook(lambda m, xs: self.seen.append(plain(xs[0]).clone())
                                                    if not self.seen else None)
        self.ours.slice()
        hook.remove()


class Stock:
    "A fastai user's Learner: PIL transforms, fastai's Adam, a plain timm model, nothing frozen"
    def __init__(self, setting, workers, half=False):
        self.setting, self.how = setting, f"{workers} workers"
        self.name = f"fastai {setting.precision if half else 'fp32'}"
        block = DataBlock((ImageBlock, CategoryBlock), get_items=lambda p: files(setting), get_y=parent_label,
                          splitter=GrandparentSplitter(valid_name="val"),
                          item_tfms=[RandomResizedCrop(setting.size, min_scale=.8), FlipItem()],
                          batch_tfms=Normalize.from_stats(*stats(setting.recipe())))
        dls = block.dataloaders(setting.tree, bs=setting.batch, num_workers=workers,
                                device=torch.device(setting.device))
        model = build_network(setting.arch, setting.classes, 0, setting.weights, size=setting.size)[0]
        self.clock = Clock(setting)
        self.learn = Learner(dls, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy, lr=1e-4, cbs=self.clock)
        if half:
            self.learn = self.learn.to_bf16() if setting.precision == "bf16" else self.learn.to_fp16()

    def slice(self):
        with self.learn.no_bar(), self.learn.no_logging():
            self.learn.fit(1)
        return self.clock.spent


def files(setting):
    "The tree's images, those of training twice over: no end in sight while the clock runs"
    return [*get_image_files(setting.tree / "train"), *get_image_files(setting.tree)]


class Begin(Callback):
    order = FIRST
    def __init__(self, book): self.book = book
    def before_train(self): self.book.begin("train")
    def before_validate(self): self.book.begin("valid")


class End(Callback):
    order = LAST
    def __init__(self, book): self.book = book
    def after_train(self): self.book.end("train")
    def after_validate(self): self.book.end("valid")
    def after_epoch(self): self.book.epoch_done()


class Book:
    "What each epoch's training and evaluation took by `read()`, from before all callbacks to after them"
    def __init__(self, read, between=None):
        self.read, self.between, self.rows, self.first, self.done = read, between, {"train": [], "valid": []}, None, 0

    def begin(self, part):
        self.start = self.read()
        if self.first is None:
            self.first, self.began = self.start, time.perf_counter()

    def end(self, part): self.rows[part].append(self.read() - self.start)

    def epoch_done(self):
        if self.done == len(self.rows["train"]):
            return  # the evaluation after training ends an epoch too
        self.done += 1
        if self.between:
            self.between(self.done - 1)

    @property
    def cbs(self): return [Begin(self), End(self)]


@contextmanager
def watched(*cbs):
    "While it lasts every Learner of `train` has these callbacks too"
    make = fastricks.training.learner.make_learner
    fastricks.training.learner.make_learner = lambda dls, parts, recipe, own=(): make(dls, parts, recipe, [*own, *cbs])
    try:
        yield
    finally:
        fastricks.training.learner.make_learner = make


class Trainer:
    """Our trainer from start to end: `train` on the folder of images. Its epochs are the slices, all others run between
    them
    """
    name = "ours, end to end"

    def __init__(self, setting): self.setting = setting

    def read(self):
        "The clock as the real part, CPU seconds as the imaginary one"
        self.setting.sync()
        return time.perf_counter() + 1j * cpu_seconds()

    def run(self, rounds, between):
        self.book = Book(self.read, lambda epoch: between(epoch) if epoch < rounds else None)
        with watched(*self.book.cbs):
            train(self.setting.recipe(epochs=rounds + 1), silent, bar=False)
        epochs = self.book.rows["train"][1:]
        return Times([s.real / self.setting.batches for s in epochs], [s.imag for s in epochs])

    def apart(self):
        "The first epoch's training and the evaluations, in images a second"
        s, rows = self.setting, self.book.rows
        n = sum(1 for _ in (s.tree / "val").glob("*/*"))
        return {"epoch 1": s.images / rows["train"][0].real,
                "evaluation": n * len(rows["valid"]) / sum(rows["valid"]).real}

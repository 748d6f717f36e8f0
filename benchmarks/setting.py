"""What a comparison is made on: one model, one set of images as a folder, one batch, precision and number of threads.
"""
import io
import json
import os
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from fastricks.data.source import is_path
from fastricks.model.network import build_network
from fastricks.recipe.recipe import resolve
from fastricks.training.learner import make_learner
from fastricks.training.prepare import prepare
from fastricks.training.room import Room
from fastricks.training.settle import settle, settle_machine

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WARM = 3  # batches at the start of a slice that are not timed


@dataclass(frozen=True)
class Setting:
    name: str
    # train/<class>/ and val/<class>/: `batches` batches of training images, and some for evaluation
    tree: Path
    classes: int
    batches: int          # of an epoch, all of them full
    size: int
    resize: int
    batch: int
    arch: str
    weights: str | None
    precision: str
    threads: int
    device: str
    pipeline: str | None
    work: Path            # a temporary folder

    @property
    def steps(self): return self.batches - WARM

    @property
    def images(self): return self.batches * self.batch

    @property
    def dtype(self): return DTYPES.get(self.precision)

    def recipe(self, *tricks, **more):
        "Our recipe of it: every trick off but amp, where the precision asks for it, and those that are named"
        given = dict(data=str(self.tree), size=self.size, resize=self.resize, batch_size=self.batch, arch=self.arch,
                     weights=self.weights,
                     pretrained=False, threads=self.threads, device=self.device, wandb="disabled",
                     out=str(self.work / "runs"), epochs=1,
                     # they take 1% of the time at most, but would all fall into few of these short slices
                     checkpoint_every="24h")
        if self.pipeline:
            given["pipeline"] = self.pipeline
        amp = [f"amp:dtype={self.precision}"] if self.dtype else []
        return settle_machine(resolve({**given, **more}, [*amp, *tricks]))

    def autocast(self): return torch.autocast(self.device, dtype=self.dtype) if self.dtype else nullcontext()

    def sync(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


class Memory:
    "A loader of `n` batches that are ready; asked for anything else, it answers as the loader they are from"
    def __init__(self, batches, n, like): self.batches, self.len, self.like = batches, n, like
    def __len__(self): return self.len
    def __getattr__(self, k): return getattr(self.__dict__["like"], k)
    def __iter__(self): return (self.batches[i % len(self.batches)] for i in range(self.len))


def make_memory_learner(setting, batches, *tricks, cbs=(), **more):
    """(Learner, Parts) as `train` makes them, on batches that are ready (None: those of the folder); nothing is
    evaluated
    """
    job = settle(setting.recipe(*tricks, **more), Room())
    parts, dls = prepare(job)
    if batches is not None:
        dls.loaders = [Memory(batches, setting.batches, dls.train), Memory([], 0, dls.valid)]
    return make_learner(dls, parts, job.recipe, cbs), parts


def first_batches(setting, n=8):
    "The first training batches, as our loader hands them out"
    learn, _ = make_memory_learner(setting, None)
    return [b for b, _ in zip(learn.dls.train, range(n), strict=False)]


def make_tree(source, folder, n_train, n_valid):
    "train/<class> and val/<class> in `folder`: links to the source's files, in turns through the classes"
    spare = source.of("test") or source.of("valid")
    for split, items, n in (("train", source.of("train"), n_train), ("val", spare, n_valid)):
        for i, o in enumerate(in_turns(items)[:n]):
            put(o, folder / split / o.label / f"{i:06}{Path(o.name).suffix or '.jpg'}")
    return folder


def in_turns(items):
    by_class = {}
    for o in items:
        by_class.setdefault(o.label, []).append(o)
    return [o for row in zip_longest(*by_class.values()) for o in row if o is not None]


def put(o, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    if is_path(o.image):
        os.symlink(o.image.resolve(), file)
    else:
        file.with_suffix(".jpg").write_bytes(jpeg(o.image))


def jpeg(x):
    out = io.BytesIO()
    Image.fromarray(np.asarray(x)).convert("RGB").save(out, "JPEG", quality=95)
    return out.getvalue()


def teacher_file(setting, arch):
    "Weights of an untrained teacher: its forward pass takes as long as a good one's"
    file = setting.work / f"{arch}-{setting.classes}.safetensors"
    meta = {"arch": arch, "classes": sorted(o.name for o in (setting.tree / "train").iterdir())}
    if not file.exists():
        state = {k: v.contiguous() for k, v in build_network(arch, setting.classes)[0].state_dict().items()}
        save_file(state, file, {"fastricks": json.dumps(meta)})
    return file

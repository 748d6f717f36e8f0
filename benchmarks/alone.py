"""What is measured outside of the loops: decoding and cropping of photos on one core, and how fast the tool starts."""
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from fastai.vision.augment import RandomResizedCrop
from fastai.vision.core import PILImage

from fastricks.data.pixels.canonical import canonical
from fastricks.data.pixels.views import TrainView, empty

ROOT = Path(__file__).parents[1]
IMPORT = "import time; t = time.perf_counter(); import fastricks; print(time.perf_counter() - t)"


class OurDecode:
    "A photo's canonical pixels and a training view of them, as the fast pipeline makes them where nothing is cached"
    name = "ours, decode and crop"
    def __init__(self, setting): self.setting, self.view = setting, TrainView(setting.size)

    def batch(self, files):
        xs = [canonical(o, self.setting.resize) for o in files]
        h, w = (np.array([x.shape[k] for x in xs]) for k in (0, 1))
        boxes, mirrored = self.view.draw(h, w, 0, 0, np.arange(len(xs), dtype=np.uint64))
        out = empty(len(xs), self.view.size, self.view.size)
        for i, x in enumerate(xs):
            self.view.cut(x, boxes[i], mirrored[i], out[i:i + 1])
        return out


class FastaiDecode:
    "fastai's PIL path to the same uint8 pixels"
    name = "fastai, decode and crop"
    def __init__(self, setting): self.crop = RandomResizedCrop(setting.size, min_scale=.8)
    def batch(self, files): return np.stack([np.asarray(self.crop(PILImage.create(o), split_idx=0)) for o in files])


class OnOneCore:
    "Seconds an image over some files, in one thread"
    images = 1  # of what its seconds are

    def __init__(self, kind, files): self.kind, self.files, self.name = kind, files, kind.name

    def slice(self):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            start = time.perf_counter()
            for i in range(0, len(self.files), 32):
                self.kind.batch(self.files[i:i + 32])
            return (time.perf_counter() - start) / len(self.files)
        finally:
            torch.set_num_threads(threads)


def decoders(setting, n=60):
    files = sorted((setting.tree / "train").glob("*/*"), key=lambda o: o.name)[:n]
    return [OnOneCore(kind(setting), files) for kind in (OurDecode, FastaiDecode)]


def starts(rounds):
    "{what: seconds} of fresh processes, in turns: the import alone, and the whole of `train.py --help`"
    found = {"import fastricks": [], "train.py --help": []}
    for _ in range(rounds):
        found["import fastricks"].append(float(python("-c", IMPORT)))
        start = time.perf_counter()
        python("train.py", "--help")
        found["train.py --help"].append(time.perf_counter() - start)
    return {k: {"value": median(v), "low": min(v), "high": max(v), "n": len(v)} for k, v in found.items()}


def python(*args):
    return subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout

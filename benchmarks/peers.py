"""Other projects' training scripts, by their paths: each a process of its own, its seconds read from its log."""
import os
import re
import subprocess
import sys
from pathlib import Path

from setting import WARM

from fastricks.core.errors import UserError
from fastricks.model.network import has_fixed_size, stats

TIMM = re.compile(r"Train: 1 \[.*?Time: ([\d.]+)s,")         # of one batch of the second epoch
VISION = re.compile(r"Epoch: \[1\] .* time: ([\d.]+) ")      # mean of the last 20 batches of the second epoch
WINDOW = 20


def script(path):
    "The train.py that a path means: itself, or in a checkout of timm or torchvision"
    path = Path(path).expanduser().resolve()
    for o in (path, path / "train.py", path / "references" / "classification" / "train.py"):
        if o.is_file():
            return o
    raise UserError(f"{path} has no train.py: give timm's or torchvision's training script, or a checkout")


def words(**options):
    return [w for k, v in options.items() for w in ([f"--{k.replace('_', '-')}",
                                                     *map(str, v if isinstance(v, tuple) else (v,))])]


class Peer:
    "A script, run anew for each slice: two epochs, of which the second counts"
    other_work = True  # the first epoch, evaluation, start-up

    def __init__(self, path, setting, workers, more=()):
        self.script, self.setting, self.workers, self.more = script(path), setting, workers, list(more)
        self.how = f"{workers} workers"

    @property
    def command(self): return [sys.executable, str(self.script), *self.options(), *self.more]

    def slice(self):
        env = {**os.environ, "OMP_NUM_THREADS": str(self.setting.threads), "MKL_NUM_THREADS": str(self.setting.threads)}
        r = subprocess.run(self.command, cwd=self.setting.work, env=env, capture_output=True, text=True)
        seconds = self.seconds(r.stdout + r.stderr)
        if r.returncode or len(seconds) <= WARM:
            raise UserError(f"{self.name} failed: {(r.stderr or r.stdout).strip()[-400:]}")
        return sum(seconds[WARM:]) / len(seconds[WARM:])


class Timm(Peer):
    "timm's train.py: autocast to bf16, channels-last, torch's fused Adam"
    name = "timm's train.py"

    def options(self):
        s = self.setting
        mean, std = stats(s.recipe())
        given = words(data_dir=s.tree, val_split="", model=s.arch.split(".")[0], num_classes=s.classes,
                      input_size=(3, s.size, s.size),
                      mean=mean, std=std, batch_size=s.batch, workers=self.workers, device=s.device, epochs=2,
                      warmup_epochs=0,
                      lr=1e-4, weight_decay=0, opt="adam", opt_kwargs="fused=True", smoothing=0, scale=(.8, 1.),
                      color_jitter=0,
                      train_interpolation="bilinear", log_interval=1, output=s.work / "timm", checkpoint_hist=1)
        amp = ["--amp", *words(amp_dtype={"bf16": "bfloat16", "fp16": "float16"}[s.precision])] if s.dtype else []
        start = ["--pretrained", *words(pretrained_path=s.weights)] if s.weights else []
        fixed = words(model_kwargs=f"img_size={s.size}") if has_fixed_size(s.arch) else []
        return [*given, *amp, *start, *fixed, "--channels-last", *(["--pin-mem"] if s.device == "cuda" else [])]

    def seconds(self, log): return [float(t) for t in TIMM.findall(log)]


class Vision(Peer):
    """torchvision's reference train.py: fp32 on a CPU, where it has no mixed precision; from scratch; AdamW, as it has
    no Adam
    """
    name = "torchvision's train.py"

    def options(self):
        s = self.setting
        given = words(data_path=s.tree, model=s.arch.split(".")[0], device=s.device, batch_size=s.batch, epochs=2,
                      workers=self.workers,
                      opt="adamw", lr=1e-4, weight_decay=0, print_freq=1, output_dir="", train_crop_size=s.size,
                      val_crop_size=s.size,
                      val_resize_size=s.resize)
        return [*given, *(["--amp"] if s.device == "cuda" and s.dtype else [])]

    def seconds(self, log): return unrolled([float(t) for t in VISION.findall(log)])


def unrolled(means):
    "Numbers whose means over the last WINDOW of them are `means`"
    out = []
    for i, m in enumerate(means):
        before = means[i - 1] * min(i, WINDOW) if i else 0
        out.append(m * min(i + 1, WINDOW) - before + (out[i - WINDOW] if i >= WINDOW else 0))
    return out

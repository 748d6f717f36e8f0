"""Loops in plain PyTorch: the step limit, and the loop that a good engineer would write by hand."""
import time

import torch
import torch.nn.functional as F
from setting import WARM, make_memory_learner
from torch.utils.data import DataLoader, RandomSampler
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from fastricks.core.tensors import plain
from fastricks.model.network import build_network, stats
from fastricks.training.learner import fit


def timed(setting, batches, step):
    "Seconds a batch of `step(batch)`, the first WARM left out"
    for i, b in enumerate(batches):
        if i == WARM:
            setting.sync()
            start = time.perf_counter()
        step(b)
        if i + 1 == setting.batches:
            break
    setting.sync()
    return (time.perf_counter() - start) / setting.steps


class Limit:
    "The step limit: our network, loss, optimizer, precision and memory layout on one batch that lies on the device"
    name = "limit"

    def __init__(self, setting, batches):
        self.setting = setting
        learn, parts = make_memory_learner(setting, batches)
        seen = []
        hook = learn.model.register_forward_pre_hook(lambda m, xs: seen.append(plain(xs[0]).clone()) if not seen
                                                     else None)
        fit(learn, parts)  # as the trainer leaves it: layout of weights and batch, the optimizer's state
        hook.remove()
        self.model, self.loss, self.opt = learn.model.train(), parts.loss, learn.opt.opt
        self.x, self.y = seen[0], plain(batches[0][1]).to(setting.device)
        self.scaler = torch.amp.GradScaler(setting.device, enabled=setting.precision == "fp16")

    def step(self, _=None):
        with self.setting.autocast():
            z = self.model(self.x)
        self.scaler.scale(self.loss(z.float(), self.y)).backward()
        self.scaler.step(self.opt)
        self.scaler.update()
        self.opt.zero_grad()

    def slice(self): return timed(self.setting, range(self.setting.batches), self.step)


class Hand:
    "A plain, good loop: channels-last, fused optimizer, autocast, no wait for the device in a step"
    def __init__(self, setting):
        self.setting = setting
        model = build_network(setting.arch, setting.classes, 0, setting.weights, size=setting.size)[0]
        self.model = model.to(setting.device, memory_format=torch.channels_last).train()
        self.opt = torch.optim.Adam(self.model.parameters(), lr=1e-4, fused=True)
        self.scaler = torch.amp.GradScaler(setting.device, enabled=setting.precision == "fp16")
        self.total = 0

    def step(self, batch):
        x = batch[0].to(self.setting.device, memory_format=torch.channels_last, non_blocking=True)
        y = batch[1].to(self.setting.device, non_blocking=True)
        with self.setting.autocast():
            loss = F.cross_entropy(self.model(x), y)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.opt)
        self.scaler.update()
        self.opt.zero_grad(set_to_none=True)
        self.total += loss.detach()

    def slice(self): return timed(self.setting, self.batches(), self.step)


class HandMemory(Hand):
    name = "hand-written, in memory"

    def __init__(self, setting, batches):
        super().__init__(setting)
        self.ready = [tuple(map(plain, b)) for b in batches]

    def batches(self): return (self.ready[i % len(self.ready)] for i in range(self.setting.batches))


class HandImages(Hand):
    "Its images by PIL and torchvision's transforms in worker processes"
    name = "hand-written, images"

    def __init__(self, setting, workers):
        super().__init__(setting)
        self.how = f"{workers} workers"
        mean, std = stats(setting.recipe())
        tfms = T.Compose([T.RandomResizedCrop(setting.size, scale=(.8, 1)), T.RandomHorizontalFlip(), T.ToTensor(),
                          T.Normalize(mean, std)])
        data = ImageFolder(setting.tree / "train", tfms)
        more = setting.images + (2 * workers + 1) * setting.batch  # no end in sight while the clock runs
        self.dl = DataLoader(data, setting.batch, sampler=RandomSampler(data, True, more), num_workers=workers,
                             drop_last=True,
                             pin_memory=setting.device == "cuda")

    def batches(self): return self.dl


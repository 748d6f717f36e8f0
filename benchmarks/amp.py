"""Mixed precision against fp32, side by side in one run: images/s, the loss after some steps, NaNs in many.

    python benchmarks/amp.py --data PATH/food-101 --size 64 --resize 64 [--weights FILE] [--steps 200] [--long 2000]

Both networks start equal and take the same batches in turns, so that a busy machine slows both. `--long` goes on in the
16-bit dtype alone and counts non-finite losses and weights. Prints a table and JSON with hardware and versions.
"""
import argparse
import json
import time
from statistics import median

import torch

from fastricks.callbacks.dtype import choose_dtype
from fastricks.data.checked import open_data
from fastricks.data.loader.loaders import make_dls
from fastricks.model.network import build_network, start_file, stats
from fastricks.model.probe import DTYPES
from fastricks.recipe.recipe import resolve
from fastricks.runfolder.environment import environment
from fastricks.training.learner import OPTIMIZERS
from fastricks.training.settle import settle_machine


def parse():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", default="digits")
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--weights")
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--resize", type=int)
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--dtype", default="bf16")
    p.add_argument("--device", default="auto")
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--long", type=int, default=0)
    p.add_argument("--threads", type=int)
    return p.parse_args()


def batches(dls):
    "Training batches epoch after epoch, without end"
    epoch = 0
    while True:
        dls.train.epoch = epoch
        for x, y in dls.train:
            yield torch.Tensor(x), torch.as_tensor(y).as_subclass(torch.Tensor).long()
        epoch += 1


class Net:
    "A network, its optimizer and what it took"
    def __init__(self, recipe, classes, dtype):
        self.dtype, self.device = dtype, recipe.device
        self.model = build_network(recipe.arch, classes, 0, start_file(recipe))[0].to(recipe.device).train()
        self.opt = OPTIMIZERS[recipe.opt](self.model.parameters(), lr=recipe.lr)
        self.scaler = torch.amp.GradScaler(recipe.device, enabled=dtype == torch.float16)
        self.losses, self.seconds, self.cpu = [], [], []

    def step(self, x, y):
        start, cpu = time.perf_counter(), time.process_time()
        with torch.autocast(self.device, dtype=self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            z = self.model(x)
        loss = torch.nn.functional.cross_entropy(z.float(), y)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.opt)
        self.scaler.update()
        self.opt.zero_grad()
        self.losses.append(loss.item())  # waits for the device
        self.seconds.append(time.perf_counter() - start)
        self.cpu.append(time.process_time() - cpu)


def finite(net): return all(torch.isfinite(p).all().item() for p in net.model.parameters())


def mean(x): return sum(x) / len(x)


def main():
    a = parse()
    fields = "data", "arch", "weights", "size", "resize", "batch_size", "lr", "device", "threads"
    given = {k: v for k, v in vars(a).items() if k in fields and v is not None}
    recipe = settle_machine(resolve({**given, "pretrained": False}))
    torch.set_num_threads(recipe.threads)
    source = open_data(recipe, check=False)
    dtype = choose_dtype(a.dtype, recipe, len(source.classes))[0]
    stream = batches(make_dls(source, recipe, *stats(recipe), recipe.device))
    nets = {"fp32": Net(recipe, len(source.classes), None), dtype: Net(recipe, len(source.classes), DTYPES[dtype])}
    for _, (x, y) in zip(range(a.steps), stream, strict=False):
        for net in nets.values():
            net.step(x, y)
    rate = {k: recipe.batch_size / median(n.seconds[5:]) for k, n in nets.items()}
    cpu = {k: median(n.cpu[5:]) for k, n in nets.items()}
    last = {k: mean(n.losses[-20:]) for k, n in nets.items()}
    half = nets[dtype]
    for _, (x, y) in zip(range(a.long - a.steps), stream, strict=False):
        half.step(x, y)
    nan = sum(not torch.isfinite(torch.tensor(v)) for v in half.losses)
    loss = f"loss of the last 20 of {a.steps} steps"
    print(f"{'':8}{'images/s':>10}{'ratio':>8}{'CPU s a step':>14}{'ratio':>8}{loss:>36}")
    for k in nets:
        print(f"{k:8}{rate[k]:10.1f}{rate[k] / rate['fp32']:8.2f}{cpu[k]:14.3f}"
              f"{cpu[k] / cpu['fp32']:8.2f}{last[k]:36.4f}")
    print(f"{dtype}: {nan} non-finite losses in {len(half.losses):,} steps, weights finite: {finite(half)}; "
          f"loss {100 * (last[dtype] / last['fp32'] - 1):+.2f}% of fp32's")
    print(json.dumps({"arch": recipe.arch, "size": recipe.size, "batch": recipe.batch_size, "threads": recipe.threads,
                      "rate": rate, "cpu": cpu, "loss": last,
                      "steps": len(half.losses), "nan": nan, "finite": finite(half),
                      "environment": environment(recipe.device)}))


if __name__ == "__main__":
    main()

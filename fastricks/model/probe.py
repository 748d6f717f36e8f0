"""How long a network's training step takes on this device, in fp32 and in 16 bits: timed on noise."""
import json
import time

import torch

from ..core.cache import cache_dir, recall, remember
from ..core.rand import key_of, seeded
from .layout import lay_out
from .network import make_network

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def cpu_has_bf16(): return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def remembered_gain(folder, recipe, classes, dtype):
    """How many times as fast a step in `dtype` is as one in fp32.

    It is measured once for a model, device, batch, size and number of threads, and kept in that `folder` of the user's
    cache: all runs get the same answer.
    """
    from ..core.machine import cpu_name, device_name
    batch = min(recipe.batch_size, 16)
    device = cpu_name() if recipe.device == "cpu" else device_name(recipe.device)
    what = ["channels-last", recipe.arch, batch, recipe.size, recipe.threads, dtype, torch.__version__, device,
            *([recipe.arch_option] if recipe.arch_option else [])]
    file = cache_dir() / folder / f"{facts_hash(what):016x}.json"
    old = recall(file)
    if isinstance(old, dict) and old.get("what") == what:
        return old["gain"]
    gain = round(probe(recipe, classes, batch, dtype), 2)
    remember(file, {"what": what, "gain": gain})
    return gain


def facts_hash(what): return key_of(json.dumps(what))


def probe(recipe, classes, batch, dtype, rounds=3):
    "Time of a training step in fp32 / in `dtype`: the best of some, taken in turns"
    model, x, y = noise(recipe, classes, batch)
    times = {"fp32": [], dtype: []}
    for i in range(rounds + 1):
        for d in times:
            t = step_seconds(model, x, y, DTYPES.get(d), recipe.device)
            if i:
                times[d].append(t)  # the first warms up
    return min(times["fp32"]) / min(times[dtype])


def step_seconds(model, x, y, dtype, device):
    start = time.perf_counter()
    with torch.autocast(device.partition(":")[0], dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        loss = torch.nn.functional.cross_entropy(model(x).float(), y)
    loss.backward()
    model.zero_grad()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def step_of(recipe, classes, rounds=3):
    "Seconds of a training step of a recipe in fp32, on noise: the best of some"
    model, x, y = noise(recipe, classes, recipe.batch_size)
    return min([step_seconds(model, x, y, None, recipe.device) for _ in range(rounds + 1)][1:])


def noise(recipe, classes, batch):
    "Model, images and labels, laid out as training has them"
    size, device = recipe.image_size, recipe.device
    height, width = recipe.sides[::-1]
    with seeded(0):
        model = lay_out(make_network(recipe.arch, classes, recipe.arch_option, size), device).train()
        x = torch.randn(batch, 3, height, width, device=device).to(memory_format=torch.channels_last)
        return model, x, torch.zeros(batch, dtype=torch.long, device=device)

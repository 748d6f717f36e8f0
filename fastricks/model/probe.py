"""Which precision amp should take here: rules, and a timed probe of the network."""
import json
import time

import timm
import torch

from ..core.cache import cache_dir, recall, remember
from ..core.errors import UserError
from ..core.rand import key_of, seeded

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
CPU_SIZE = 32  # below it a stride-2 convolution sees 1×1 inputs, whose weight gradient oneDNN gets wrong (NaN) in bf16
GAIN = 1.1  # a probe must find this much: less may be noise, and fp32 is the safe one


def choose_dtype(asked, recipe, classes):
    "(dtype, why): what was asked for if it can be had here, for `auto` what features and a probe say"
    on_cuda = recipe.device == "cuda"
    if asked == "fp16" and not on_cuda: raise UserError(f"amp:dtype=fp16 needs a CUDA device, and this run is on {recipe.device}: use bf16")
    if asked == "bf16" and on_cuda and not torch.cuda.is_bf16_supported(): raise UserError("amp:dtype=bf16: this GPU has no bf16; use fp16")
    if asked == "bf16" and recipe.device == "mps": raise UserError("amp does not support --device mps: leave it out")
    small = recipe.device == "cpu" and recipe.size < CPU_SIZE
    if asked == "bf16" and small:
        raise UserError(f"amp on a CPU needs --size {CPU_SIZE} or more: bf16 gradients of 1×1 maps are not reliable")
    if asked != "auto": return asked, "as asked"
    if small: return "fp32", f"bf16 on a CPU needs --size {CPU_SIZE} or more"
    if recipe.device == "mps": return "fp32", "amp does not support mps"
    if recipe.device == "cpu" and not cpu_has_bf16(): return "fp32", "this CPU has no bf16 arithmetic"
    dtype = "bf16" if not on_cuda or torch.cuda.is_bf16_supported() else "fp16"
    gain = remembered_gain(recipe, classes, dtype)
    return (dtype if gain >= GAIN else "fp32"), f"a step in {dtype} is {gain:.2f} times as fast as in fp32"


def cpu_has_bf16(): return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def remembered_gain(recipe, classes, dtype):
    "A probe's answer, asked once for a model, device, batch, size and threads: all runs get the same"
    from ..core.machine import cpu_name, device_name
    batch = min(recipe.batch_size, 16)
    what = ["channels-last", recipe.arch, batch, recipe.size, recipe.threads, dtype, torch.__version__,
            cpu_name() if recipe.device == "cpu" else device_name(recipe.device)]
    file = cache_dir() / "amp" / f"{hash_of(what):016x}.json"
    if isinstance(old := recall(file), dict) and old.get("what") == what: return old["gain"]
    gain = round(probe(recipe.arch, classes, batch, recipe.size, dtype, recipe.device), 2)
    remember(file, {"what": what, "gain": gain})
    return gain


def hash_of(what): return key_of(json.dumps(what))


def probe(arch, classes, batch, size, dtype, device, rounds=3):
    "Time of a training step in fp32 / in `dtype`: the best of some, taken in turns"
    model, x, y = noise(arch, classes, batch, size, device)
    times = {"fp32": [], dtype: []}
    for i in range(rounds + 1):
        for d in times:
            t = step_seconds(model, x, y, DTYPES.get(d), device)
            if i: times[d].append(t)  # the first warms up
    return min(times["fp32"]) / min(times[dtype])


def step_seconds(model, x, y, dtype, device):
    start = time.perf_counter()
    with torch.autocast(device, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        loss = torch.nn.functional.cross_entropy(model(x).float(), y)
    loss.backward()
    model.zero_grad()
    if device == "cuda": torch.cuda.synchronize()
    return time.perf_counter() - start


def step_of(recipe, classes, rounds=3):
    "Seconds of a training step of a recipe in fp32, on noise: the best of some"
    model, x, y = noise(recipe.arch, classes, recipe.batch_size, recipe.size, recipe.device)
    return min([step_seconds(model, x, y, None, recipe.device) for _ in range(rounds + 1)][1:])


def noise(arch, classes, batch, size, device):
    "Model, images and labels, laid out as training has them"
    with seeded(0):
        model = timm.create_model(arch, num_classes=classes).to(device, memory_format=torch.channels_last).train()
        x = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
        return model, x, torch.zeros(batch, dtype=torch.long, device=device)

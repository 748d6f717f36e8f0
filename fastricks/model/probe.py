"""How long a network's training step takes on this device, in several ways: timed on noise in turns, and remembered."""
import time
from functools import partial

import torch

from ..core.cache import remembered
from ..core.rand import seeded
from .layout import CHANNELS_LAST, CONTIGUOUS, lay_out
from .network import make_network

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
GAIN = 1.1  # a way other than the usual one must be so many times as fast: less may be noise
AMX, AVX512_BF16 = "AMX", "AVX512-BF16"


def bf16_unit():
    "What this CPU computes in bf16 with; empty where it has neither"
    if torch.cpu._is_amx_tile_supported():
        return AMX
    return AVX512_BF16 if torch.cpu._is_avx512_bf16_supported() else ""


def cpu_has_bf16(): return bool(bf16_unit())


def machine_facts(recipe):
    "What the time of a step depends on beside the network and its images"
    from ..core.machine import cpu_name, device_name
    device = cpu_name() if recipe.device == "cpu" else device_name(recipe.device)
    return [recipe.threads, torch.__version__, device]


def remembered_gain(folder, recipe, classes, dtype):
    "How many times as fast a step in `dtype` is as one in fp32: a model, device, batch, size and number of threads"
    batch = min(recipe.batch_size, 16)
    threads, *others = machine_facts(recipe)
    layout = CONTIGUOUS if recipe.layout == CONTIGUOUS else "channels-last"
    what = [layout, recipe.arch, batch, recipe.size, threads, dtype, *others,
            *([recipe.arch_option] if recipe.arch_option else [])]
    return remembered(folder, what, "gain", lambda: round(probe(recipe, classes, batch, dtype), 2))


def probe(recipe, classes, batch, dtype, rounds=3):
    "Time of a training step in fp32 / in `dtype`: the best of some, taken in turns"
    of = noise(recipe, classes, batch)
    times = in_turns({d: partial(step_seconds, *of, DTYPES.get(d), recipe.device) for d in ("fp32", dtype)}, rounds)
    return times["fp32"] / times[dtype]


def layout_times(recipe, classes, kwargs, dtype, rounds=5):
    "layout -> seconds of a training step of the network that timm makes with `kwargs`, at the recipe's size and batch"
    steps = {layout: partial(step_seconds, *noise(recipe, classes, recipe.batch_size, kwargs, layout),
                             DTYPES.get(dtype), recipe.device) for layout in (CHANNELS_LAST, CONTIGUOUS)}
    return in_turns(steps, rounds)


def in_turns(steps, rounds):
    "name -> seconds of a step: the best of some rounds, in each of which every one of `steps` has its turn"
    times = {name: [] for name in steps}
    for i in range(rounds + 1):
        for name, step in steps.items():
            seconds = step()
            if i:
                times[name].append(seconds)  # the first warms up
    return {name: min(of) for name, of in times.items()}


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
    step = partial(step_seconds, *noise(recipe, classes, recipe.batch_size), None, recipe.device)
    return in_turns({"fp32": step}, rounds)["fp32"]


def noise(recipe, classes, batch, kwargs=None, layout=None):
    """Model, images and labels, laid out as training has them.

    `kwargs`: what timm makes the network with, the recipe's options by default; `layout`: in place of the recipe's.
    """
    size, device = recipe.image_size, recipe.device
    height, width = recipe.sides[::-1]
    kwargs = recipe.arch_option if kwargs is None else kwargs
    with seeded(0):
        model = lay_out(make_network(recipe.arch, classes, kwargs, size), device, layout or recipe.layout).train()
        x = torch.randn(batch, kwargs.get("in_chans", 3), height, width, device=device)
        # as loaders have them, whatever the layout
        x = x.to(memory_format=torch.channels_last)
        return model, x, torch.zeros(batch, dtype=torch.long, device=device)

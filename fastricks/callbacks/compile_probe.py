"""What torch's compiler does to the time of a training step, and how long it takes: timed on noise."""
import time
from functools import partial

import torch

from ..core import stop
from ..model.probe import DTYPES, in_turns, noise, step_seconds
from . import compile as compiler


def compiled_times(recipe, classes, kwargs, dtype, rounds=5):
    """Seconds of a training step as it is (`plain`) and `compiled`, taken in turns, and of `compiling`: of the network
    that timm makes with `kwargs`, at the recipe's size and batch, for training and for validation. What the compiler
    raises is raised.
    """
    model, x, y = noise(recipe, classes, recipe.batch_size, kwargs)
    torch.compiler.reset()
    compiled = torch.compile(model, backend=compiler.BACKEND, dynamic=False)
    step = partial(step_seconds, x=x, y=y, dtype=DTYPES.get(dtype), device=recipe.device)
    try:
        with stop.heard(), compiler.silence():
            first = step(compiled) + forward_seconds(compiled, x, DTYPES.get(dtype), recipe.device)
            times = in_turns({"plain": partial(step, model), "compiled": partial(step, compiled)}, rounds)
    finally:
        torch.compiler.reset()
        compiler.leave_workers()
    return {**times, "compiling": max(first - times["compiled"], 0.)}


def forward_seconds(model, x, dtype, device):
    "Seconds of a validation batch"
    start = time.perf_counter()
    model.eval()
    with torch.no_grad(), torch.autocast(device.partition(":")[0], dtype=dtype or torch.bfloat16,
                                         enabled=dtype is not None):
        model(x)
    model.train()
    return time.perf_counter() - start

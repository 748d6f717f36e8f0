"""Out of memory: what to ask for instead."""
import torch

from ..core import ranks
from ..core.errors import UserError

# how allocators other than torch's CUDA one, which has a class of its own, say that there is no more
WORDS = "DefaultCPUAllocator", "out of memory", "ALLOC_FAILED"


def is_out_of_memory(e):
    return isinstance(e, torch.OutOfMemoryError | MemoryError) or (isinstance(e, RuntimeError) and any(w in str(e) for w in WORDS))


def smaller(batch_size, n):
    "(batch size, batches a step) with the same images a step: the largest batch size of at most half; None where there is none"
    b = next((b for b in range(batch_size // 2, 1, -1) if batch_size % b == 0), None)
    return b and (b, n * batch_size // b)


def memory_error(recipe):
    "The UserError for a recipe that did not fit"
    n = recipe.tricks.get("accumulate", {}).get("n", 1)
    less = smaller(recipe.batch_size, n)
    hint = (f"try --batch-size {less[0]} -t accumulate:n={less[1]}, which has the same {recipe.whole_batch * n} images a step"
            if less else "try a smaller --size or --arch, or a --batch-size that can be halved")
    where = {"cuda": "GPU memory", "mps": "GPU memory"}.get(recipe.device, "memory")
    return UserError(f"out of {where} with --batch-size {recipe.batch_size} at --size {recipe.size}: {hint}")


def readable(e, recipe):
    "`e`, or what a user can do about it"
    if isinstance(e, UserError) and "\n\t" in str(e): return UserError(str(e).partition("\n\t")[2])  # fastai says first which callback
    if ranks.is_lost(e): return UserError(ranks.LOST)
    if not is_out_of_memory(e): return e
    out = memory_error(recipe)
    out.__cause__ = e
    return out

"""Out of memory: what to ask for instead."""
from ..core import ranks
from ..core.errors import UserError
from ..recipe.registry import registry

# how allocators other than torch's CUDA one, which has a class of its own, say that there is no more
OUT_OF_MEMORY = "DefaultCPUAllocator", "out of memory", "ALLOC_FAILED"


def is_out_of_memory(e):
    import torch
    if isinstance(e, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(e, RuntimeError) and any(w in str(e) for w in OUT_OF_MEMORY)


def memory_error(recipe):
    "The UserError for a recipe that did not fit"
    remedies = (trick.less_memory(recipe) for trick in registry().values())
    hint = next(filter(None, remedies), "try a smaller --size or --arch, or a --batch-size that can be halved")
    where = {"cuda": "GPU memory", "mps": "GPU memory"}.get(recipe.device, "memory")
    return UserError(f"out of {where} with --batch-size {recipe.batch_size} at --size {recipe.size}: {hint}")


def readable_error(e, recipe):
    "`e`, or what a user can do about it"
    # fastai says first which callback
    if isinstance(e, UserError) and "\n\t" in str(e):
        return UserError(str(e).partition("\n\t")[2])
    if ranks.is_lost(e):
        return UserError(ranks.LOST)
    if not is_out_of_memory(e):
        return e
    out = memory_error(recipe)
    out.__cause__ = e
    return out

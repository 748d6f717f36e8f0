"""Decide what machine, data and tricks decide, before anything is built."""
from dataclasses import replace
from pathlib import Path

from ..core import ranks
from ..core.errors import UserError, plural
from ..core.machine import pick_device, threads_each
from ..recipe.recipe import FIND
from .memory import readable


def settle_machine(recipe):
    "Write the machine's part into the recipe: device, processes and their threads, whether it can compile, and absolute paths"
    device = pick_device(recipe.device)
    out = replace(recipe, device=device, processes=recipe.processes or ranks.world(), threads=recipe.threads or threads_each(),
                  data=absolute(recipe.data), compile=recipe.compile and not cannot_compile(device),
                  weights=recipe.weights and absolute(recipe.weights), classes=recipe.classes and absolute(recipe.classes))
    if ranks.world() > 1 or out.sync_bn: check_processes(out)
    return out


def check_processes(recipe):
    import torch
    n = ranks.local_world()
    if recipe.device == "mps": raise UserError("--device mps trains in one process: leave out torchrun, or give --device cpu")
    if recipe.device == "cuda" and n > (there := torch.cuda.device_count()):
        raise UserError(f"{n} processes on this machine, and {plural(there, 'CUDA device')}: give torchrun --nproc-per-node {there}")
    if recipe.sync_bn and recipe.device != "cuda": raise UserError("--sync-bn needs CUDA devices, as torch has it for no other: leave it out")
    if recipe.sync_bn and recipe.processes == 1:
        raise UserError("--sync-bn changes nothing in one process: start several with torchrun --nproc-per-node N, or leave it out")


def cannot_compile(device):
    "What to say where torch has no compiler for this device; empty where it has"
    from ..callbacks.compile import NOT_HERE, why_not
    why = "several processes train" if ranks.world() > 1 else why_not(device)
    return why and NOT_HERE.format(why)


def absolute(text): return str(Path(text).resolve()) if Path(text).exists() else text


def settle_tricks(recipe, source, room):
    "Let each trick decide what the machine and the data decide: (recipe with the decided keys, trick -> facts)"
    tricks, facts = dict(recipe.tricks), {}
    for t in recipe.make_tricks():
        done, found = t.settle(recipe, source, room)
        if t.name in tricks: tricks[t.name] = done.keys()
        if found: facts[t.name] = found
    return replace(recipe, tricks=tricks), facts


def find_lr(recipe, source, facts, say, dry=False):
    "`settle_lr`, whose errors a user can read"
    from .lr_find import settle_lr
    if recipe.lr == FIND and not ranks.alone(): raise UserError(
        "--lr find tries rates out in one process: find it without torchrun, then give --lr that number")
    try: return settle_lr(recipe, source, facts, say, dry)
    except Exception as e:
        told = readable(e, recipe)
        raise told from (None if told is e else e)

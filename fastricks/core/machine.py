"""What this machine has: cores, threads, devices and their names."""
import os
import platform
from pathlib import Path

from . import ranks
from .errors import UserError, nearest, one_of


def cores():
    "How many cores this process may use"
    if hasattr(os, "sched_getaffinity"): return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name():
    try: return next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name"))
    except (OSError, StopIteration): return platform.processor() or platform.machine()


def device_name(device):
    import torch
    return torch.cuda.get_device_name(device) if str(device).startswith("cuda") else str(device)


def pick_device(name):
    "`name`, if torch sees such a device here; for `auto` the best there is"
    import torch
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = name if name != "auto" else next(d for d in ("cuda", "mps", "cpu") if there[d])
    kind, _, number = device.partition(":")
    if kind not in there or (number and not number.isdecimal()):
        raise UserError(f"--device {device} is not one of auto, {one_of(there)}{nearest(kind, there)}")
    missing = number and kind == "cuda" and int(number) >= torch.cuda.device_count()
    if missing or not there[kind]: raise UserError(f"--device {device}: torch sees no such device here; use --device cpu")
    return device


def threads_each():
    "The cores that this process may use, shared with the others of its training on this machine"
    return max(cores() // ranks.local_world(), 1)

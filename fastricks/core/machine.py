"""What this machine has: cores, threads, devices and their names."""
import math
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

from . import ranks
from .errors import UserError, nearest, one_of

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # Linux: see cgroups(7)
GPU_DEVICES = "/dev/kfd", "/dev/dxg"  # AMD's, and Windows' below its Linux


def cores():
    """How many cores this process may use: those that it may run on, and no more than its container's share of time is
    worth
    """
    return max(math.ceil(min(affinity(), quota())), 1)


def affinity():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota():
    """Cores' worth of time that the control groups of this process allow it (`docker --cpus 1.5`: 1.5); infinite where
    none limits it
    """
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return math.inf
    return min((cpu_quota(folder) for line in lines for folder in cgroup_folders(line)), default=math.inf)


def cgroup_folders(line):
    """Where the limits of a line `number:controllers:/path` may stand: its own folder and those above it.

    A container may see its own group alone, as the topmost, and the host's path.
    """
    _, controllers, path = [*line.split(":", 2), "", ""][:3]
    if controllers and "cpu" not in controllers.split(","):
        return
    for mount in dict.fromkeys((CGROUPS/controllers, CGROUPS/"cpu") if controllers else (CGROUPS, CGROUPS/"unified")):
        folder = mount/path.lstrip("/")
        yield from (folder, *(o for o in folder.parents if o.is_relative_to(mount)))


def cpu_quota(folder):
    "The quota of one control group, version 2 or 1, in cores"
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (folder/"cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (int((folder/f"cpu.cfs_{o}_us").read_text()) for o in ("quota", "period"))
        if quota > 0:
            return quota / period
    return math.inf


def cpu_name():
    try:
        return next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines()
                    if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device_name(device):
    import torch
    return torch.cuda.get_device_name(device) if str(device).startswith("cuda") else str(device)


def gpus():
    "The CUDA devices that this process may use, by the names that $CUDA_VISIBLE_DEVICES takes"
    import torch
    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:torch.cuda.device_count()] if named else [str(i) for i in range(torch.cuda.device_count())]


def pick_device(name):
    "`name`, if torch sees such a device here; for `auto` the best there is. Without torch where only a CPU can be it"
    if name == "cpu" or (name == "auto" and has_no_gpu()):
        return "cpu"
    import torch
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = name if name != "auto" else next(d for d in ("cuda", "mps", "cpu") if there[d])
    kind, _, number = device.partition(":")
    if kind not in there or (number and not number.isdecimal()):
        raise UserError(f"--device {device} is not one of auto, {one_of(there)}{nearest(kind, there)}")
    missing = number and kind == "cuda" and int(number) >= torch.cuda.device_count()
    if missing or not there[kind]:
        raise UserError(f"--device {device}: torch sees no such device here; use --device cpu")
    return device


def has_no_gpu():
    """Is it plain, without torch, that torch sees no GPU here? On Linux it needs the driver's library, or for AMD's the
    kernel's device; False says nothing.
    """
    if sys.platform != "linux" or "torch" in sys.modules or any(Path(o).exists() for o in GPU_DEVICES):
        return False
    from ctypes import CDLL
    try:
        CDLL("libcuda.so.1")  # as CUDA's runtime looks for it
    except OSError:
        return True
    return False


def threads_each():
    """The cores that this process may use, shared with the others of its training on this machine, or the fewer of
    $OMP_NUM_THREADS
    """
    each = max(cores() // ranks.local_world(), 1)
    return min(each, asked_threads() or each)


def asked_threads():
    "What $OMP_NUM_THREADS says; 0 where nobody set it, as torchrun sets it to 1 by itself"
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    n = int(first) if first.isdecimal() else 0
    return 0 if n == 1 and ranks.local_world() > 1 else n

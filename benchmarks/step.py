"""A process of its own that steps in memory, ours or a hand-written loop, and prints as JSON what a step took.

    python benchmarks/step.py ours SETTING.json

busy.py starts it: what is set for a process, as the allocator, can only be compared between processes.
"""
import json
import resource
import sys
from pathlib import Path


def read(file):
    from setting import Setting
    s = json.loads(Path(file).read_text())
    return Setting(**{**s, "tree": Path(s["tree"]), "work": Path(s["work"])})


def make(kind, setting):
    "The contender that `kind` names"
    from learners import OursMemory
    from loops import HandMemory
    from setting import first_batches
    batches = first_batches(setting)
    return {"ours": OursMemory, "hand": HandMemory}[kind](setting, batches)


def spent(contender, steps):
    "Of a slice, all its steps counted: seconds a step in user space and in the kernel, page faults, the most memory"
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = contender.slice()
    after = resource.getrusage(resource.RUSAGE_SELF)
    each = lambda name: (getattr(after, name) - getattr(before, name)) / steps
    return {"wall": wall, "user": each("ru_utime"), "kernel": each("ru_stime"), "faults": each("ru_minflt"),
            "memory": after.ru_maxrss}


def main(kind, file):
    setting = read(file)
    import torch
    torch.set_num_threads(setting.threads)
    contender = make(kind, setting)
    contender.slice()  # warms up
    print(json.dumps(spent(contender, setting.batches)))


if __name__ == "__main__":
    main(*sys.argv[1:])

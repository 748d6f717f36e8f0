"""The processes of one training, as torchrun and accelerate start them: who is who, and what they tell each other.
Light.

Until `joined` every process is alone. Plain facts travel as JSON, never as pickles.
"""
import json
import os
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from .errors import UserError

START_TIMEOUT = timedelta(minutes=5)  # within which all processes must have come
LONG = timedelta(days=1)      # the first may decode a whole data set while the others wait for it
LOST = "another process of this training ended without a word (it may have been killed), so all of them end"


def environment_int(name):
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        return None


def world():
    "How many processes were started for this training; 1 where nobody started several"
    known = all(environment_int(k) is not None for k in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    return max(environment_int("WORLD_SIZE"), 1) if known and "MASTER_ADDR" in os.environ else 1


# how many tasks each started
ALL_TASKS = {"SLURM_STEP_NUM_TASKS": "srun", "OMPI_COMM_WORLD_SIZE": "mpirun", "PMI_SIZE": "mpirun"}


def times_started():
    """(how many times this command was started, by what), where a cluster's launcher started it several times and
    torchrun did not.

    In a batch script SLURM_NTASKS is what the job may have, and the script itself is task 0.
    """
    if world() > 1 or "WANDB_SWEEP_ID" in os.environ:
        return 1, ""  # W&B's agents each train something else
    n, by = max(((environment_int(k) or 1, by) for k, by in ALL_TASKS.items()), key=lambda o: o[0])
    if n == 1 and environment_int("SLURM_PROCID"):
        n, by = environment_int("SLURM_NTASKS") or 1, "srun"
    return n, by


def rank(): return environment_int("RANK") if world() > 1 else 0
def local_rank(): return (environment_int("LOCAL_RANK") or 0) if world() > 1 else 0
def local_world(): return max(environment_int("LOCAL_WORLD_SIZE") or 1, 1) if world() > 1 else 1


class Here:
    """This process: its number and theirs once they are joined; how often they were; whether its error is the one that
    is told, and was
    """
    rank, world, times, mine, told = 0, 1, 0, None, False


here = Here()


def is_first(): return here.rank == 0
def alone(): return here.world == 1


@cache
def store():
    "The launcher's key-value store, which outlives the processes"
    import torch.distributed as dist
    return next(dist.rendezvous("env://", timeout=START_TIMEOUT))[0]


@contextmanager
def joined(device):
    "While it lasts the processes can talk; nothing for a single one, and for a training within a training"
    if world() == 1 or not alone():
        yield
        return
    import torch
    import torch.distributed as dist
    if device == "cuda":
        torch.cuda.set_device(local_rank())
    here.times += 1  # keys of a training before are still there
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
                            store=dist.PrefixStore(store_key(f"group-{here.times}"), store()),
                            rank=rank(), world_size=world(), timeout=LONG)
    here.rank, here.world = rank(), world()
    yield  # after an error the connections stay until the process ends, which tells those who wait for it
    here.rank, here.world = 0, 1
    dist.destroy_process_group()


def wait(): most(0)


def most(*numbers):
    "Of each whole number the largest that any process has, in a list"
    if alone():
        return [int(n) for n in numbers]
    import torch
    t = torch.tensor([int(n) for n in numbers])
    torch.distributed.all_reduce(t, torch.distributed.ReduceOp.MAX)
    return t.tolist()


def add(t):
    "The sum of a tensor over all processes, in its place"
    if not alone():
        import torch.distributed as dist
        dist.all_reduce(t)
    return t


def any_of(flag):
    "Whether a flag, a tensor of one bool, is up in any process; nobody waits for the device"
    return flag if alone() else add(flag.float()) > 0


def of(r, value):
    "The `value`, plain data, of process `r`"
    import torch
    import torch.distributed as dist
    data = json.dumps(value).encode() if here.rank == r else b""
    size = torch.tensor([len(data)])
    dist.broadcast(size, r)
    t = torch.tensor(list(data), dtype=torch.uint8) if here.rank == r else torch.empty(int(size), dtype=torch.uint8)
    dist.broadcast(t, r)
    return json.loads(bytes(t.tolist()))


def from_each(value): return [value] if alone() else [of(r, value) for r in range(here.world)]
def from_first(value): return value if alone() else of(0, value)


@contextmanager
def apart():
    "For what one process does without the others: as if there were none"
    old = here.rank, here.world
    here.rank, here.world = 0, 1
    try:
        yield
    finally:
        here.rank, here.world = old


def by_first(f):
    "f() of the first process, which alone does it; the others get what it returns, plain data"
    out = None
    if is_first():
        with apart():
            out = f()
    return from_first(out)


def first_then_all(f):
    "f() of every process, begun when the first is done: what that puts into caches the others find there"
    out = f() if is_first() else None
    if not alone():
        wait()
    return out if is_first() else f()


def require_same(value, what):
    values = from_each(value)
    if odd := [r for r, v in enumerate(values) if v != values[0]]:
        raise UserError(
            f"process {odd[0]} has other {what} than process 0: give all processes the same files and options")


# -- one message, whoever has it

# torchrun may start all of them again
def store_key(name): return f"fastricks/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/{name}"


def claim(text):
    """Is what this process ends with the word of the whole training? The first that asks has it; the others were pulled
    along
    """
    if world() == 1:
        return True
    if here.mine is None:
        here.mine = try_claim(str(text))
    return here.mine


def try_claim(text):
    # its store is in process 0, which may be gone
    if alone() and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != str(True):
        return rank() == 0
    try:
        if store().add(store_key("word"), 1) > 1:
            return False
        store().set(store_key("text"), text)
        return True
    except RuntimeError:
        return rank() == 0  # the launcher is gone


def last_word(text):
    "What the training ended with: this process's `text`, or what another said before"
    if claim(text):
        return text
    try:
        return store().get(store_key("text")).decode()
    except RuntimeError:
        return text


def may_tell(text):
    "Shall this process print its last word? Once, and only the one that claimed it"
    if world() == 1:
        return True
    if here.told or not claim(text):
        return False
    here.told = True
    return True


def is_lost(e):
    "Is an exception only that another process is gone?"
    if alone() or not isinstance(e, RuntimeError):
        return False
    import torch.distributed as dist
    words = "gloo", "Connection closed", "Connection reset", "Broken pipe", "NCCL"
    return isinstance(e, dist.DistError) or any(w in str(e) for w in words)

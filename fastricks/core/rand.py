"""Randomness without state: every draw is a function of whole numbers such as (seed, epoch, key)."""
import random
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np

ORDER, ITEM, STEP, INIT = 1, 2, 3, 4   # what a draw is for: the first number, so that no two purposes share draws


def key_of(name):
    "The key of an image: 64 bits of the hash of its name"
    return int.from_bytes(blake2b(str(name).encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def splitmix(z):
    "One round of SplitMix64 (Steele, Lea and Flood 2014) on an array of uint64"
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def draws(*parts):
    "64 random bits for each element of the last part, a function of all parts (whole numbers, or arrays of uint64)"
    h = np.zeros(1, np.uint64)
    for p in parts:
        h = splitmix(h ^ np.atleast_1d(np.asarray(p, dtype=np.uint64)))
    return h


def draw(*parts): return int(draws(*parts)[0])


def order(seed, epoch, keys):
    "An epoch's order: positions sorted by the hash of their key with (seed, epoch)"
    return np.argsort(draws(ORDER, seed, epoch, keys), kind="stable")


def seed_host(seed):
    """Seed Python, NumPy and torch's CPU generator (torch.manual_seed would queue a CUDA seed with a stack trace each
    time)
    """
    import torch
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.default_generator.manual_seed(seed & 0x7FFFFFFFFFFFFFFF)


def seed_all(seed, device):
    "Seed the host's generators, and those of a `device` that is another"
    import torch
    seed_host(seed)
    if device.type != "cpu":
        torch.manual_seed(seed & 0x7FFFFFFFFFFFFFFF)


@contextmanager
def seeded(seed):
    "Seeded as `seed_host`, for a while: the caller's random state comes back"
    import torch
    old = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        seed_host(seed)
        yield
    finally:
        random.setstate(old[0])
        np.random.set_state(old[1])
        torch.default_generator.set_state(old[2])

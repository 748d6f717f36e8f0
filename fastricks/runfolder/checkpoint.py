"""Checkpoints: all of a training that can't be derived again, in one safetensors file that is whole or not there.

Two generations lie in a run's folder while it lasts, each in its own slot; the newer slot is never written over.
Nothing random is kept: what is random is a function of (seed, epoch, key or step).
"""
import json
import struct
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors import torch as st

from ..core.files import write

SLOTS = "checkpoint-0.safetensors", "checkpoint-1.safetensors"
# where the hash of the whole file stands in it, and what stands there while it is taken
FIELD, BLANK = b'"sha256":"', b"0" * 64


class Damaged(Exception):
    "A checkpoint that is not what was written, and why"


def pack_tree(x, tensors, at=""):
    """`x`, a tree of dicts, lists, numbers, text and tensors, as JSON; its tensors go to `tensors`, by their place in
    the tree
    """
    if isinstance(x, torch.Tensor):
        return pack_tensor(x, tensors, at)
    if isinstance(x, dict):
        return {str(k): pack_tree(v, tensors, f"{at}/{k}") for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [pack_tree(v, tensors, f"{at}/{i}") for i, v in enumerate(x)]
    if isinstance(x, np.generic):
        return x.item()
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    raise TypeError(f"a checkpoint can't keep {at}, a {type(x).__name__}")


def pack_tensor(t, tensors, at):
    t = t.detach().as_subclass(torch.Tensor)
    tensors[at] = t.cpu().contiguous()
    return {"tensor": at} if t.is_contiguous() else {"tensor": at, "stride": t.stride()}


def unpack_tree(x, tensors):
    """The tree that `pack_tree` packed: tensors on the CPU, in the memory format that they had; keys are text, tuples
    lists
    """
    if isinstance(x, list):
        return [unpack_tree(v, tensors) for v in x]
    if not isinstance(x, dict):
        return x
    if "tensor" not in x:
        return {k: unpack_tree(v, tensors) for k, v in x.items()}
    t = tensors[x["tensor"]]
    return torch.empty_strided(t.shape, x["stride"], dtype=t.dtype).copy_(t) if "stride" in x else t


def to_bytes(tree):
    "The parts of a file: header, its hash, the rest"
    tensors = {}
    text = json.dumps(pack_tree(tree, tensors))
    data = st.save(with_own_memory(tensors), {"fastricks": text, "sha256": BLANK.decode()})
    i = data.index(FIELD + BLANK) + len(FIELD)
    return [data[:i], sha256(data).hexdigest().encode(), memoryview(data)[i + 64:]]


def with_own_memory(tensors):
    "The tensors, each with memory of its own: safetensors does not write those that share it (tied weights)"
    out, seen = {}, set()
    for name, t in tensors.items():
        address = t.untyped_storage().data_ptr()
        out[name] = t.clone() if address in seen else t
        seen.add(address)
    return out


def from_bytes(data):
    "The tree of a file; raises Damaged for whatever is not what was written"
    end = 8 + struct.unpack("<Q", data[:8])[0] if len(data) > 8 else 0
    i = data.find(FIELD, 0, min(end, len(data))) + len(FIELD)
    if i < len(FIELD) or i + 64 > len(data):
        raise Damaged("it has no hash")
    h = sha256(data[:i])
    h.update(BLANK)
    h.update(memoryview(data)[i + 64:])
    if h.hexdigest().encode() != data[i:i + 64]:
        raise Damaged("its hash is another")
    try:
        return unpack_tree(json.loads(json.loads(data[8:end])["__metadata__"]["fastricks"]), st.load(data))
    except (SafetensorError, ValueError, KeyError) as e:
        raise Damaged(f"{type(e).__name__}: {e}") from None


def save_checkpoint(folder, tree, n):
    "Write generation `n` over the one before the last"
    write(Path(folder) / SLOTS[n % 2], to_bytes({**tree, "generation": n}))


def load_checkpoint(file):
    try:
        return from_bytes(Path(file).read_bytes())
    except OSError as e:
        raise Damaged(e.strerror) from None


def newest(folder):
    "(tree of the newest whole checkpoint or None, [what is wrong with a damaged one])"
    found, wrong = [], []
    for file in (Path(folder) / s for s in SLOTS):
        if not file.exists():
            continue
        try:
            found.append(load_checkpoint(file))
        except Damaged as e:
            wrong.append(f"{file} is damaged ({e})")
    return max(found, key=lambda t: t["generation"], default=None), wrong

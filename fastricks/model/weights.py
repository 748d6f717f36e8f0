"""A file of weights: opened without running what is in it, and what it says of itself."""
import json
import re
import shlex
from hashlib import file_digest, sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..core.conformal import COVERAGES
from ..core.errors import UserError, first_line
from .options import is_option

FAR = 1e6  # logits that no network has


def open_weights(file, kind="pt"):
    "A safetensors file, or one sentence why not; `kind`: of its tensors, pt or np (which imports no torch)"
    path = Path(file)
    if not path.is_file():
        raise UserError(f"--weights {file}: there is no such file")
    if path.suffix in PICKLES:
        raise UserError(
            f"--weights {file} is a pickle, which can run code when it is loaded: convert it where you trust it, with  "
            f"{conversion(path)}")
    try:
        return safe_open(str(path), kind)
    except (SafetensorError, OSError, RuntimeError, ValueError) as e:
        raise UserError(f"--weights {file} is not a safetensors file ({first_line(e)})") from None


PICKLES = ".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle", ".tar"
# where checkpoints have them, the best first
WEIGHTS = "state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model"
CONVERT = """import argparse, torch, safetensors.torch as s
torch.serialization.add_safe_globals([argparse.Namespace])
d = torch.load({old}, map_location="cpu", weights_only=True)
d = next((d[k] for k in {places} if isinstance(d.get(k), dict)), d)
s.save_file({{k: v.clone().contiguous() for k, v in d.items() if isinstance(v, torch.Tensor)}}, {new})"""


def conversion(path):
    """The command that makes a safetensors file of a checkpoint, whose weights may lie in it beside an optimizer and
    others
    """
    new = path.with_name(f"{path.name.partition('.')[0]}.safetensors")
    code = CONVERT.format(old=json.dumps(str(path)), new=json.dumps(str(new)), places=str(WEIGHTS).replace("'", '"'))
    return shlex.join(["python", "-c", "; ".join(code.splitlines())])


def file_hash(file):
    "SHA-256 of a file, by which weights enter a run's identity"
    with open(file, "rb") as f:
        return file_digest(f, "sha256").hexdigest()


def tensors_fingerprint(file):
    """One hash of names, types, shapes and bytes of a file's tensors (12 hex digits), whatever else the file says and
    in which order they lie: two files of the same weights have the same.
    """
    with open_weights(file, "np"), open(file, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        tensors, found = json.loads(f.read(size)), sha256()
        tensors.pop("__metadata__", None)
        for name in sorted(tensors):
            t = tensors[name]
            start, end = t["data_offsets"]
            f.seek(8 + size + start)
            found.update(json.dumps([name, t["dtype"], t["shape"]]).encode())
            found.update(f.read(end - start))
    return found.hexdigest()[:12]


def read_meta(file):
    """What a run wrote about its weights: `finish.facts_of_model` has the list, `CALIBRATION` the rest; {} for weights
    from elsewhere.

    What is no such fact is left out.
    """
    with open_weights(file, "np") as f:
        text = (f.metadata() or {}).get("fastricks", "{}")
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {k: v for k, v in meta.items() if META_CHECKS.get(k, is_size)(v)} if isinstance(meta, dict) else {}


def is_word(x): return isinstance(x, str) and len(x) < 200
def is_words(x): return isinstance(x, list) and all(map(is_word, x))
def is_size(x): return isinstance(x, int) and 0 < x < 1e5
def are_levels(x):
    return isinstance(x, list) and len(x) in (1, 3) and all(isinstance(o, int | float) and 0 < o < 1e3 for o in x)


def is_pipeline(x): return x in ("fast", "reference")
def are_options(x):
    return isinstance(x, dict) and all(is_option(k, v) or (k == "in_chans" and v in (1, 3)) for k, v in x.items())


def is_fit(x): return x in ("crop", "pad", "squish")
def is_shape(x): return isinstance(x, str) and bool(re.fullmatch(r"\d{1,5}x\d{1,5}", x))
def is_level(x): return isinstance(x, int) and 0 < x < 1 << 16


def is_temperature(x): return isinstance(x, float) and .01 < x < 100
def is_count(x): return isinstance(x, int) and 0 < x < 1e9
def are_shares(x):
    return isinstance(x, list) and len(x) == len(COVERAGES) and all(isinstance(o, float) and 0 <= o <= 1 for o in x)


def are_energies(x):
    return isinstance(x, list) and len(x) == len(COVERAGES) and all(isinstance(o, float) and abs(o) < FAR for o in x)


def is_conformal(x):
    return isinstance(x, dict) and x.keys() == {"n", "least_p"} and is_count(x["n"]) and are_shares(x["least_p"])


# by the validation images, at the end of a training
CALIBRATION = {"temperature": is_temperature, "conformal": is_conformal, "least_energy": are_energies}
META_CHECKS = {
    "arch": is_word,
    "classes": is_words,
    "mean": are_levels,
    "std": are_levels,
    "pipeline": is_pipeline,
    "kwargs": are_options,
    "fit": is_fit,
    "shape": is_shape,
    "icc": lambda x: x is True,
    "white": is_level,
    "xmp": lambda x: x is True,
    **CALIBRATION,
}

"""A file of weights: opened without running what is in it, and what it says of itself."""
import json
import re
from hashlib import file_digest
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..core.errors import UserError, first_line


def open_weights(file, kind="pt"):
    "A safetensors file, or one sentence why not; `kind`: of its tensors, pt or np (which imports no torch)"
    path = Path(file)
    if not path.is_file(): raise UserError(f"--weights {file}: there is no such file")
    if path.suffix in (".pth", ".pt", ".bin", ".ckpt", ".pkl"):
        raise UserError(f"--weights {file} is a pickle, which can run code when it is loaded: convert it where you trust it, with "
                        "safetensors.torch.save_file(torch.load(file, weights_only=True), 'weights.safetensors')")
    try: return safe_open(str(path), kind)
    except (SafetensorError, OSError, RuntimeError, ValueError) as e:
        raise UserError(f"--weights {file} is not a safetensors file ({first_line(e)})") from None


def file_hash(file):
    "SHA-256 of a file, by which weights enter a run's identity"
    with open(file, "rb") as f: return file_digest(f, "sha256").hexdigest()


def read_meta(file):
    "What a run wrote about its weights: `finish.save_weights` has the list; {} for weights from elsewhere. What is no such fact is left out"
    with open_weights(file, "np") as f: text = (f.metadata() or {}).get("fastricks", "{}")
    try: meta = json.loads(text)
    except (ValueError, RecursionError): return {}
    return {k: v for k, v in meta.items() if META.get(k, is_size)(v)} if isinstance(meta, dict) else {}


def is_word(x): return isinstance(x, str) and len(x) < 200
def is_words(x): return isinstance(x, list) and all(map(is_word, x))
def is_size(x): return isinstance(x, int) and 0 < x < 1e5
def are_levels(x): return isinstance(x, list) and len(x) in (1, 3) and all(isinstance(o, int | float) and 0 < o < 1e3 for o in x)


def is_pipeline(x): return x in ("fast", "reference")
def are_tweaks(x): return isinstance(x, dict) and all(k in TWEAKS and type(v) is TWEAKS[k] for k, v in x.items())


def is_fit(x): return x in ("crop", "pad", "squish")
def is_shape(x): return isinstance(x, str) and bool(re.fullmatch(r"\d{1,5}x\d{1,5}", x))
def is_level(x): return isinstance(x, int) and 0 < x < 1 << 16


TWEAKS = {"stem_type": str, "stem_width": int, "avg_down": bool, "in_chans": int}  # what a file may ask of timm: no file to load, no name to download
META = {"arch": is_word, "classes": is_words, "mean": are_levels, "std": are_levels, "pipeline": is_pipeline, "kwargs": are_tweaks,
        "fit": is_fit, "shape": is_shape, "icc": lambda x: x is True, "white": is_level}

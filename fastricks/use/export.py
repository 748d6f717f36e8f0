"""`fastricks export`: what is asked for, where it goes, what it is checked on. Light until it begins."""
import warnings
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import UserError, nearest, one_of, plural
from .saved import MODEL, find_saved

KINDS = {"onnx": ".onnx", "timm": "", "torch-export": ".pt2"}
NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime")}
BATCHES = 1, 2, 5, 16  # sizes that are checked


def export(run, to, out=None):
    """Write a run's model as `to` (onnx, timm, torch-export) to `out` and return lines about it.

    What is written has been read back and has given the model's own logits on images of the run's data where they are
    there, for several sizes of batch; otherwise a UserError, and nothing is left.
    """
    if to not in KINDS: raise UserError(f"--to {to} is not one of {one_of(KINDS)}{nearest(to, KINDS)}")
    if lacks := [o for o in NEEDS.get(to, ()) if not find_spec(o)]:
        raise UserError(f"--to {to} needs {one_of(lacks)}: pip install {' '.join(lacks)}")
    saved = find_saved(run)
    out = place(saved, to, out)
    from .exporters.kinds import WRITE
    from .predictor import open_predictor
    p = open_predictor(saved, "cpu")
    x, of = samples(p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and onnxscript's, about themselves
        worst = WRITE[to](p, x, out, BATCHES)
    size = sum(f.stat().st_size for f in ([out] if out.is_file() else out.iterdir()))
    return [f"written   {out} ({size / 1e6:,.1f} MB): {p.meta['arch']} for {plural(len(p.classes), 'class', 'classes')}", *HOW[to](p, out),
            f"checked   {of} in batches of {one_of(b for b in BATCHES if b <= len(x))}: its logits differ by {worst:.1e} at most"]


def place(saved, to, out):
    "Where it goes: nothing but an earlier export is there"
    path = Path(out) if out else saved.file.with_suffix(KINDS[to]) if KINDS[to] else saved.run / to
    if KINDS[to]:
        if path.suffix != KINDS[to]: raise UserError(f"--out {path}: give it a name that ends in {KINDS[to]}")
        if path.is_dir(): raise UserError(f"--out {path} is a folder: name a file in it")
    elif path.exists() and not path.is_dir(): raise UserError(f"--out {path} is a file: timm's format is a folder")
    elif path.is_dir() and (odd := [o.name for o in path.iterdir() if o.name not in ("config.json", MODEL)]):
        raise UserError(f"--out {path} has other files in it, as {sorted(odd)[0]}: name a new folder")
    return path


def samples(p, n=max(BATCHES)):
    "(8-bit pixels [n, 3, size, size], what they are of): the run's own evaluation images, noise where there are none"
    import torch
    xs = [x for o in own_items(p, n) if not isinstance(x := p.attempt(o)[1], str)]
    if len(xs) > 2: return torch.cat(xs), f"on {plural(len(xs), 'image')} of its own data"
    size = p.meta["size"]
    noise = torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return noise, "on noise, as its data is not there,"


def own_items(p, n):
    "`n` of the images that the run was evaluated on, from all over them; nothing is downloaded for it"
    from ..data.sources.download import find_food
    from ..data.sources.food import NAMES
    from ..data.sources.open import open_source
    r = p.recipe
    try:
        if r is None or (r.data in NAMES and not find_food(r.data)): return []
        source = open_source(r.data, r.classes, r.per_class, r.valid)
    except UserError: return []
    items = source.of(source.eval_split)
    return items[::max(1, len(items) // n)][:n]


def how_file(p, out):
    m = p.meta
    return [f"takes     uint8 RGB images [batch, 3, {m['size']}, {m['size']}], shorter side at {m['resize']} pixels (bilinear) and centre-cropped; "
            "the normalisation is inside", f"gives     logits [batch, {len(p.classes)}]; names of classes and preprocessing are in its "
            + ("metadata" if out.suffix == ".onnx" else "extra file fastricks.json")]


def how_timm(p, out): return [f"use it    timm.create_model({f'local-dir:{out}'!r}, pretrained=True); config.json has classes and preprocessing"]


HOW = {"onnx": how_file, "timm": how_timm, "torch-export": how_file}

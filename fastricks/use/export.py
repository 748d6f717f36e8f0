"""`fastricks export`: what is asked for, where it goes, what it is checked on. Light until it begins."""
import warnings
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import UserError, nearest, one_of, plural
from .exporters.kinds import Exporter, exporters
from .exporters.variants import PLAIN_ONNX, Variant, write_variant
from .saved import find_saved

if TYPE_CHECKING:
    from torch import Tensor

    from ..data.source import Source
    from .predictor import Predictor

BATCHES = 1, 2, 5, 16  # sizes that are checked
TAKES_PHOTOS = ("takes     a whole photo, uint8 RGB [height, width, 3] of any size, upright; resizing, cropping and "
                "normalisation are inside")


class Written(NamedTuple):
    "What `export` has written: where, and lines about it"
    path: Path
    lines: list[str]


def export(run: str | PathLike[str], to: str, out: str | PathLike[str] | None = None,
           variant: Variant = PLAIN_ONNX) -> Written:
    """Write a run's model in the format `to` (onnx, timm, torch-export) to `out`; `variant`: of ONNX, 8 bits or whole
    photos.

    What is written has been read back and has given the model's own logits on images of the run's data where they are
    there, for several sizes of batch; otherwise a UserError, and nothing is left.
    """
    exporter = find_exporter(to)
    saved = find_saved(run)
    check_variant(to, variant)
    path = Path(out) if out else named_variant(exporter.default_path(saved.run, saved.file), variant)
    check_path(exporter, path)
    from ..data.pixels.canonical import grey
    from .predictor import open_predictor
    p = open_predictor(saved, "cpu")
    source = run_source(p)
    x, of = samples(p, source)
    x = grey(x) if len(p.meta["mean"]) == 1 else x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and onnxscript's, about themselves
        said = checks(exporter, p, x, path, of) if variant == PLAIN_ONNX else write_variant(p, x, source, path, variant)
    what = f"{p.meta['arch']} for {plural(len(p.classes), 'class', 'classes')}"
    how = exporter.how(p, path) if not variant.whole_photo else [TAKES_PHOTOS, f"and       {p.calibrated()}"]
    return Written(path, [f"written   {path} ({written_bytes(path) / 1e6:,.1f} MB): {what}", *how, *said])


def checks(exporter: Exporter, p: "Predictor", x: "Tensor", path: Path, of: str) -> list[str]:
    "Write it as the exporter does, and say how near it is"
    worst = exporter.write(p, x, path, BATCHES)
    sizes = one_of(b for b in BATCHES if b <= len(x))
    return [f"checked   {of} in batches of {sizes}: its logits differ by {worst:.1e} at most"]


def check_variant(to: str, variant: Variant) -> None:
    "Are there such variants of this format, and is the margin one?"
    if to != "onnx" and variant.words:
        raise UserError(f"{'--int8' if variant.int8 else '--whole-photo'} is of --to onnx, and --to {to} has none")
    if not variant.margin > 0:
        raise UserError(f"--margin {variant.margin:g} is out of range: it must be above 0")


def named_variant(path: Path, variant: Variant) -> Path:
    return path.with_name(f"{path.stem}{variant.words}{path.suffix}") if variant.words else path


def find_exporter(to: str) -> Exporter:
    "The Exporter of a format's name, with all that it needs installed"
    known = exporters()
    if to not in known:
        raise UserError(f"--to {to} is not one of {one_of(known)}{nearest(to, known)}")
    missing = [module for module in known[to].needs if not find_spec(module)]
    if missing:
        raise UserError(f"--to {to} needs {one_of(missing)}: pip install {' '.join(missing)}")
    return known[to]


def check_path(exporter: Exporter, path: Path) -> None:
    "Nothing but an earlier export may be where it goes"
    if exporter.suffix:
        check_file(exporter, path)
    else:
        check_folder(exporter, path)


def check_file(exporter: Exporter, path: Path) -> None:
    if path.suffix != exporter.suffix:
        raise UserError(f"--out {path}: give it a name that ends in {exporter.suffix}")
    if path.is_dir():
        raise UserError(f"--out {path} is a folder: name a file in it")


def check_folder(exporter: Exporter, path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"--out {path} is a file: {exporter.name}'s format is a folder")
    others = sorted(o.name for o in path.iterdir() if o.name not in exporter.files)
    if others:
        raise UserError(f"--out {path} has other files in it, as {others[0]}: name a new folder")


def written_bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.iterdir()
    return sum(f.stat().st_size for f in files)


def samples(p: "Predictor", source: "Source | None", n: int = max(BATCHES)) -> "tuple[Tensor, str]":
    "(8-bit RGB pixels [n, 3, h, w], what they are of): the run's own evaluation images, noise where there are none"
    import torch
    items = source.of(source.eval_split) if source else []
    xs = [x for o in items[::max(1, len(items) // n)][:n] if not isinstance(x := p.attempt(o)[1], str)]
    if len(xs) > 2:
        return torch.cat(xs), f"on {plural(len(xs), 'image')} of its own data"
    noise = torch.randint(256, (n, 3, *p.frame.sides[::-1]), dtype=torch.uint8,
                          generator=torch.Generator().manual_seed(0))
    return noise, "on noise, as its data is not there,"


def run_source(p: "Predictor") -> "Source | None":
    "The data that the run was trained on, where it is there; nothing is downloaded for it"
    from ..data.sources.download import find_food
    from ..data.sources.food import NAMES
    from ..data.sources.open import open_recipe
    r = p.recipe
    try:
        return None if r is None or (r.data in NAMES and not find_food(r.data)) else open_recipe(r)
    except UserError:
        return None

"""What every exporter needs: the bare network, and the check of its outputs."""
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import __version__
from ...core.errors import UserError
from ...core.files import write, writing
from ...data.pixels.decoding import FULL_WHITE
from ...data.pixels.fits import BORDER_GREY, is_plain
from ..predictor import Predictor

TOLERANCE = 1e-4       # largest difference of logits, in parts of the largest logit (of 1 at least)


@contextmanager
def errors_alone(name: str | None) -> Iterator[None]:
    "A logger, None for the root, meanwhile lets nothing but errors through"
    log = logging.getLogger(name)
    old = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(old)


def agree(p: Predictor, x: torch.Tensor, sizes: Sequence[int], f: Callable[[torch.Tensor], Any]) -> float:
    """The largest difference between the logits of `f(x)` and the model's, over batches of `sizes`; a UserError above
    TOLERANCE
    """
    worst = 0.
    for n in (b for b in sizes if b <= len(x)):
        want, got = p.logits(x[:n]), torch.as_tensor(f(x[:n].contiguous()))
        if want.shape != got.shape:
            raise UserError(f"the exported model answers {n} images with {list(got.shape)} numbers, not "
                            f"{list(want.shape)}")
        worst = max(worst, (want - got).abs().max().item())
        if not worst <= TOLERANCE * max(1, want.abs().max().item()):
            raise UserError(f"the exported model's logits differ by {worst:.2g} from the model's own, "
                            f"on a batch of {n}: nothing is written")
    return worst


class Network(nn.Module):
    "A Predictor's model with its normalisation: 8-bit pixels [n, c, h, w] -> logits [n, K]"
    def __init__(self, p: Predictor) -> None:
        super().__init__()
        self.model = deepcopy(p.model).to(memory_format=torch.contiguous_format)
        self.register_buffer("scale", 1 / (255 * p.std))
        self.register_buffer("shift", p.mean / p.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor: return self.model(images.float() * self.scale - self.shift)


def network(p: Predictor) -> Network: return Network(p).eval()


class WithProbabilities(nn.Module):
    "The same with a second output: 8-bit pixels -> (logits [n, K], their probabilities [n, K] at a temperature)"
    def __init__(self, net: nn.Module, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.net(images)
        return logits, (logits / self.temperature).softmax(1)


def about(p: Predictor) -> dict[str, Any]:
    "What a user of the file must know, as plain data"
    m, (width, height) = p.meta, p.frame.sides
    preprocessing = {
        "before": ["turn as EXIF says", *decoded(p), *framed(p)],
        "size": m["size"], "resize": m["resize"], "width": width, "height": height, "fit": m["fit"],
        "interpolation": "bilinear", "antialias": True, "crop": "center" if m["fit"] == "crop" else None,
        "input": takes(p), "inside": {"scale": 1 / 255, "mean": list(m["mean"]), "std": list(m["std"])},
        "output": f"logits [batch, {len(p.classes)}]: softmax of logits / temperature makes them probabilities",
        "temperature": p.temperature}
    return {"arch": m["arch"], "classes": p.classes, "made_by": f"fastricks {__version__}", "run": p.run.resolve().name,
            "preprocessing": preprocessing}


def takes(p: Predictor) -> str:
    width, height = p.frame.sides
    channels = len(p.meta["mean"])
    return f"uint8 {'RGB' if channels == 3 else 'grey'} [batch, {channels}, {height}, {width}]"


def decoded(p: Predictor) -> list[str]:
    "How a file becomes 8-bit pixels"
    colours = ["colours of embedded profiles to sRGB"] if p.how.icc else []
    levels = [f"16-bit levels 0 to {p.how.white} as 0 to 255"] if p.how.white != FULL_WHITE else []
    return [*levels, *colours, "RGB, 8 bits", *([] if len(p.meta["mean"]) == 3 else ["grey: .299 R + .587 G + .114 B"])]


def framed(p: Predictor) -> list[str]:
    "How a photo is brought to the network's size"
    m, (width, height) = p.meta, p.frame.sides
    if is_plain(p.frame):
        return [f"shorter side to {m['resize']}, bilinear with antialiasing", f"centre crop of {m['size']}"]
    if m["fit"] == "squish":
        return [f"to {width} x {height}, whatever its shape, bilinear with antialiasing"]
    if m["fit"] == "pad":
        return [f"into {width} x {height} in its own shape, bilinear with antialiasing",
                f"in the middle of grey {BORDER_GREY}"]
    wide, high = (max(o, round(m["resize"] / m["size"] * o)) for o in (width, height))
    return [f"in its own shape until it covers {wide} x {high}, bilinear with antialiasing",
            f"centre crop of {width} x {height}"]


def pixels_in_logits_out(p: Predictor, place: str) -> list[str]:
    "What a file that has the normalisation inside takes and gives; `place`: where it has the rest"
    kind, shape = takes(p).removeprefix("uint8 ").split(" ", 1)
    resize = p.meta["resize"]
    before = (f"shorter side at {resize} pixels (bilinear) and centre-cropped" if is_plain(p.frame)
              else ", ".join(framed(p)))
    return [f"takes     uint8 {kind} images {shape}, {before}; the normalisation is inside",
            f"gives     logits [batch, {len(p.classes)}]; names of classes and preprocessing are in its {place}"]


def deliver(out: Path, data: bytes) -> None:
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write(out, data)

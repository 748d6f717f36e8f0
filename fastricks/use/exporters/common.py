"""What every exporter needs: the bare network, and the check of its outputs."""
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import __version__
from ...core.errors import UserError
from ...core.files import write, writing
from ..predictor import Predictor

TOLERANCE = 1e-4       # largest difference of logits, in parts of the largest logit (of 1 at least)


def agree(p: Predictor, x: torch.Tensor, sizes: Sequence[int], f: Callable[[torch.Tensor], Any]) -> float:
    "The largest difference between the logits of `f(x)` and the model's, over batches of `sizes`; a UserError above TOLERANCE"
    worst = 0.
    for n in (b for b in sizes if b <= len(x)):
        want, got = p.logits(x[:n]), torch.as_tensor(f(x[:n].contiguous()))
        if want.shape != got.shape:
            raise UserError(f"the exported model answers {n} images with {list(got.shape)} numbers, not {list(want.shape)}")
        worst = max(worst, (want - got).abs().max().item())
        if not worst <= TOLERANCE * max(1, want.abs().max().item()):
            raise UserError(f"the exported model's logits differ by {worst:.2g} from the model's own, on a batch of {n}: "
                            "nothing is written")
    return worst


class Network(nn.Module):
    "A Predictor's model with its normalisation: 8-bit RGB [n, 3, size, size] -> logits [n, K]"
    def __init__(self, p: Predictor) -> None:
        super().__init__()
        self.model = deepcopy(p.model).to(memory_format=torch.contiguous_format)
        self.register_buffer("scale", 1 / (255 * p.std))
        self.register_buffer("shift", p.mean / p.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor: return self.model(images.float() * self.scale - self.shift)


def network(p: Predictor) -> Network: return Network(p).eval()


def about(p: Predictor) -> dict[str, Any]:
    "What a user of the file must know, as plain data"
    m = p.meta
    resized = f"shorter side to {m['resize']}, bilinear with antialiasing"
    preprocessing = {
        "before": ["turn as EXIF says", "RGB, 8 bits", resized, f"centre crop of {m['size']}"],
        "size": m["size"], "resize": m["resize"], "interpolation": "bilinear", "antialias": True, "crop": "center",
        "input": f"uint8 RGB [batch, 3, {m['size']}, {m['size']}]",
        "inside": {"scale": 1 / 255, "mean": list(m["mean"]), "std": list(m["std"])},
        "output": f"logits [batch, {len(p.classes)}]: softmax makes them probabilities"}
    return {"arch": m["arch"], "classes": p.classes, "made_by": f"fastricks {__version__}", "run": p.run.resolve().name,
            "preprocessing": preprocessing}


def pixels_in_logits_out(p: Predictor, place: str) -> list[str]:
    "What a file that has the normalisation inside takes and gives; `place`: where it has the rest"
    size, resize = p.meta["size"], p.meta["resize"]
    images = f"uint8 RGB images [batch, 3, {size}, {size}]"
    before = f"shorter side at {resize} pixels (bilinear) and centre-cropped"
    return [f"takes     {images}, {before}; the normalisation is inside",
            f"gives     logits [batch, {len(p.classes)}]; names of classes and preprocessing are in its {place}"]


def deliver(out: Path, data: bytes) -> None:
    with writing(out): out.parent.mkdir(parents=True, exist_ok=True)
    write(out, data)

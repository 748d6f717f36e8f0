"""What `export --to onnx` makes beside the plain file: 8 bits, and whole photos in."""
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import UserError, plural

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor

    from ...data.source import Item, Source
    from ..predictor import Predictor

MARGIN = .5          # points of accuracy, as `compare` has it
PHOTO_TOLERANCE = .05  # of logits of whole photos, in parts of the largest: pixels differ by a level here and there


class Variant(NamedTuple):
    "How an ONNX file differs from the plain one"
    int8: bool = False
    whole_photo: bool = False
    margin: float = MARGIN

    @property
    def words(self) -> str: return "".join(["-int8" if self.int8 else "", "-whole-photo" if self.whole_photo else ""])


PLAIN_ONNX = Variant()
BEFORE = ["turn as EXIF says", "RGB, 8 bits"]  # what whoever gives a whole photo has to do


def write_variant(p: "Predictor", x: "Tensor", source: "Source | None", out: Path, variant: Variant) -> list[str]:
    "Write the variant to `out` and return lines about it; where a check fails a UserError, and nothing is written"
    from .common import deliver
    from .to_onnx import checked_proto, with_facts
    proto, worst = checked_proto(p, x, [1, len(x)])
    lines = [f"checked   in 32 bits: logits differ by {worst:.1e} at most"]
    if variant.int8:
        proto, said = in_eight_bits(p, proto, source, variant.margin)
        lines.append(said)
    more = {}
    if variant.whole_photo:
        from .whole_photo import with_whole_photo
        lines.append(check_photos(p, proto, merged := with_whole_photo(p, proto), source))
        proto, more = merged, {"input": "uint8 RGB [height, width, 3], one photo of any size", "before": BEFORE}
    deliver(out, with_facts(proto, p, **more))
    return lines


# -- 8 bits

def in_eight_bits(p: "Predictor", proto: "ModelProto", source: "Source | None",
                  margin: float) -> "tuple[ModelProto, str]":
    "(the network in 8 bits, a line about it); a UserError where it loses more than the margin on the run's own images"
    from ...report.runs import SPLIT_WORD
    from .int8 import CALIBRATED_ON, cost, quantized, require_small_loss
    if source is None:
        raise UserError("--int8 is checked on the run's own images, and its data is not there")
    train = source.of("train")
    pixels, _ = readable_pixels(p, train[::max(1, len(train) // CALIBRATED_ON)][:CALIBRATED_ON])
    small = quantized(proto, pixels)
    images, items = readable_pixels(p, source.of(source.eval_split))
    labels = [p.classes.index(o.label) for o in items]
    found, split = cost(proto.SerializeToString(), small.SerializeToString(), images, labels), source.eval_split
    require_small_loss(found, SPLIT_WORD[split], margin)
    return small, f"int8      {found.said(SPLIT_WORD[split])}"


def readable_pixels(p: "Predictor", items: "list[Item]") -> "tuple[Tensor, list[Item]]":
    "(8-bit pixels [n, c, h, w] of the Items that can be read, these)"
    import torch

    from ...core.machine import cores
    from ...data.pixels.ahead import ahead
    from ...data.pixels.canonical import grey
    found = [(o, x) for o, x in ahead(p.attempt, items, min(8, cores()), 64) if not isinstance(x, str)]
    if not found:
        raise UserError("none of the run's own images can be read")
    x = torch.cat([x for _, x in found])
    return grey(x) if len(p.meta["mean"]) == 1 else x, [o for o, _ in found]


# -- whole photos

def check_photos(p: "Predictor", net: "ModelProto", whole: "ModelProto", source: "Source | None") -> str:
    """A line on how near the logits of whole photos are to those of the pixels that `predict` makes of them; a
    UserError where they are not near
    """
    import torch

    from ...data.pixels.canonical import grey
    from .to_onnx import runner
    of_pixels, of_photo = runner(net.SerializeToString()), runner(whole.SerializeToString(), of="photo")
    worst = largest = 0.
    photos, what = some_photos(p, source)
    for photo in photos:
        x = p.pixels(photo)
        want = of_pixels((grey(x) if len(p.meta["mean"]) == 1 else x).contiguous())
        got = of_photo(torch.from_numpy(photo))
        worst, largest = max(worst, abs(got - want).max()), max(largest, abs(want).max())
    if not worst <= PHOTO_TOLERANCE * max(1, largest):
        raise UserError(f"--whole-photo: logits differ by {worst:.2g} from those of the pixels that predict makes: "
                        "nothing is written")
    return f"photos    {plural(len(photos), 'photo')} {what}: logits differ by {worst:.1e} at most, of {largest:.1f}"


def some_photos(p: "Predictor", source: "Source | None", n: int = 16) -> "tuple[list, str]":
    "(uint8 arrays [h, w, 3] of whole photos, whose they are): the run's own, or noise of many shapes"
    import numpy as np

    from ...data.pixels.image import decode
    items = source.of(source.eval_split) if source else []
    own = [np.array(decode(o.image, how=p.how)) for o in items[::max(1, len(items) // n)][:n]
           if not isinstance(p.attempt(o)[1], str)]
    if own:
        return own, "of its own data"
    rng = np.random.default_rng(0)
    shapes = [(40 + 37 * i % 300, 40 + 53 * i % 300) for i in range(n)]
    return [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in shapes], "of noise, as its data is not there"

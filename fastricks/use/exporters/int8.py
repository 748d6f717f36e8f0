"""8-bit weights and activations by onnxruntime's static quantization, and what they cost on the run's own images."""
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import UserError, plural
from ...core.scores import paired_difference
from ...core.words import with_interval

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor

OPS = "Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"
CALIBRATED_ON = 256  # training images that say which levels activations reach
BATCH = 16           # images that are asked for together: calibration, accuracy, time
ROUNDS = 15          # of each of the two models, in turn, for the time


class Cost(NamedTuple):
    "What 8 bits change on n images: points of accuracy, with their 95% interval, and how many times as fast they are"
    n: int
    points: float
    low: float
    high: float
    faster: float

    def said(self, split: str) -> str:
        return (f"{with_interval(self.points, self.low, self.high, 1)} points of accuracy on "
                f"{plural(self.n, f'{split} image')}, paired; {self.faster:.1f} x as fast here, in batches of {BATCH}")


def quantized(proto: "ModelProto", images: "Tensor") -> "ModelProto":
    """The network in 8 bits (QDQ format; weights by channel, signed, of 7 bits, so that no processor's 16-bit sums
    overflow), calibrated by the extremes of `images` uint8 [n, c, h, w]
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from .common import errors_alone
    with errors_alone(None), tempfile.TemporaryDirectory() as folder:  # it logs advice to the root
        plain, ready, small = (Path(folder, f"{o}.onnx") for o in ("plain", "ready", "small"))
        onnx.save(proto, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(ready, small, Batches(images), op_types_to_quantize=list(OPS), per_channel=True,
                        reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        return onnx.load(small)


class Batches:
    "onnxruntime's reader of calibration data"
    def __init__(self, images: "Tensor") -> None: self.parts: Iterator[Any] = iter(images.split(BATCH))

    def get_next(self) -> dict[str, Any] | None:
        x = next(self.parts, None)
        return None if x is None else {"images": x.contiguous().numpy()}


def cost(plain: bytes, small: bytes, images: "Tensor", labels: "Sequence[int]") -> Cost:
    "The Cost of `small` in place of `plain`, both ONNX models, on images with class numbers"
    import numpy as np

    from .to_onnx import runner
    models = [runner(o) for o in (plain, small)]
    before, after = (np.concatenate([f(x.contiguous()) for x in images.split(BATCH)]).argmax(1) == labels
                     for f in models)
    points, low, high = (100 * o for o in paired_difference(after, before))
    return Cost(len(images), points, low, high, speed_ratio(models, images[:BATCH].contiguous()))


def speed_ratio(models: list[Any], x: "Tensor") -> float:
    "Median seconds of the first model over those of the second, in turn, so that another's work slows both down"
    seconds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for f, found in zip(models, seconds, strict=True):
            start = time.perf_counter()
            f(x)
            found.append(time.perf_counter() - start)
    return median(seconds[0][1:]) / median(seconds[1][1:])


def require_small_loss(found: Cost, split: str, margin: float) -> None:
    "Raise UserError where the accuracy falls by more than the margin, in points"
    if found.points < -margin:
        raise UserError(f"--int8 loses more than --margin {margin:g}: {found.said(split)}; nothing is written")


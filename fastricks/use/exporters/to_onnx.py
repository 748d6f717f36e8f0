"""ONNX."""
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UserError
from .kinds import Exporter

if TYPE_CHECKING:
    from numpy import ndarray
    from onnx import GraphProto, ModelProto
    from torch import Tensor, nn

    from ..predictor import Predictor


APART = 1e-3           # of probabilities
LIMIT = 2_000_000_000  # bytes of weights in one ONNX file: what protobuf can hold


class ToOnnx(Exporter):
    name = "onnx"
    meaning = "a file for onnxruntime and others"
    suffix = ".onnx"
    needs = "onnx", "onnxscript", "onnxruntime"

    def write(self, p: "Predictor", x: "Tensor", out: Path, sizes: Sequence[int]) -> float:
        from .common import deliver
        proto, worst = checked_proto(p, x, sizes)
        deliver(out, with_facts(proto, p))
        return worst

    def how(self, p: "Predictor", out: Path) -> list[str]:
        from .common import pixels_in_logits_out
        return [*pixels_in_logits_out(p, "metadata"), f"and       {p.calibrated()}"]


def check_size(p: "Predictor", net: "nn.Module") -> None:
    size = sum(v.nbytes for v in net.state_dict().values())
    if size <= LIMIT:
        return
    arch = p.meta["arch"]
    raise UserError(f"{arch} has {size / 1e9:.1f} GB of weights, and one ONNX file holds 2 GB: use --to torch-export")


def checked_proto(p: "Predictor", x: "Tensor", sizes: Sequence[int]) -> "tuple[ModelProto, float]":
    "(the ONNX model of pixels -> logits, probabilities; the largest difference of its logits from the model's own)"
    from .common import WithProbabilities, agree, errors_alone, network
    net = network(p)
    check_size(p, net)
    with errors_alone("torch.onnx"):  # it logs its every step
        proto = to_proto(WithProbabilities(net, p.temperature).eval(), x)
    name_batch(proto.graph)
    data = proto.SerializeToString()
    worst = agree(p, x, sizes, runner(data))
    require_probabilities(p, x, runner(data, "probabilities"))
    return proto, worst


def with_facts(proto: "ModelProto", p: "Predictor", **more: Any) -> bytes:
    "The bytes of a checked ONNX model, with what its user must know, and `more` of its preprocessing, as metadata"
    import onnx

    from .common import about
    facts = about(p)
    facts["preprocessing"] |= more
    for k, v in facts.items():
        text = v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        proto.metadata_props.add(key=k, value=text)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def to_proto(net: "nn.Module", x: "Tensor") -> "ModelProto":
    import torch
    from torch.export import Dim
    program = torch.onnx.export(net, (x[:2],), dynamo=True, dynamic_shapes=({0: Dim.DYNAMIC},), verbose=False,
                                input_names=["images"], output_names=["logits", "probabilities"])
    return program.model_proto


def require_probabilities(p: "Predictor", x: "Tensor", f: "Callable[[Tensor], ndarray]") -> None:
    "Raise UserError unless `f(x)` are the probabilities of the model's own logits"
    import torch
    gap = (torch.as_tensor(f(x)) - p.softmax(p.logits(x))).abs().max().item()
    if not gap <= APART:
        raise UserError(f"the exported model's probabilities differ by {gap:.2g} from the model's own: nothing is "
                        "written")


def runner(data: bytes, output: str = "logits", of: str = "images") -> "Callable[[Tensor], ndarray]":
    "The input `of` -> an output, by onnxruntime"
    import onnxruntime as ort
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda x: session.run([output], {of: x.numpy()})[0]


def name_batch(graph: "GraphProto") -> None:
    "torch calls the batch's size s34 or so"
    old = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for v in (*graph.input, *graph.output, *graph.value_info):
        for d in v.type.tensor_type.shape.dim:
            if d.dim_param == old:
                d.dim_param = "batch"

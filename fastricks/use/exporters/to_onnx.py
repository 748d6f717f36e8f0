"""ONNX."""
import json
import logging
from typing import Any

from ...core.errors import UserError
from .kinds import Exporter

LIMIT = 2_000_000_000  # bytes of weights in one ONNX file: what protobuf can hold


class ToOnnx(Exporter):
    name = "onnx"
    meaning = "a file for onnxruntime and others"
    suffix = ".onnx"
    needs = "onnx", "onnxscript", "onnxruntime"

    def write(self, p: Any, x: Any, out: Any, sizes: Any) -> Any:
        from .common import about, agree, deliver, network
        net = network(p)
        check_size(p, net)
        data = serialized(net, x, about(p))
        worst = agree(p, x, sizes, runner(data))
        deliver(out, data)
        return worst

    def how(self, p: Any, out: Any) -> Any:
        from .common import pixels_in_logits_out
        return pixels_in_logits_out(p, "metadata")


def check_size(p: Any, net: Any) -> None:
    size = sum(v.nbytes for v in net.state_dict().values())
    if size <= LIMIT: return
    arch = p.meta["arch"]
    raise UserError(f"{arch} has {size / 1e9:.1f} GB of weights, and one ONNX file holds 2 GB: use --to torch-export")


def serialized(net: Any, x: Any, facts: Any) -> Any:
    "The bytes of a checked ONNX model, with facts as its metadata"
    import onnx
    proto = quietly(lambda: to_proto(net, x))
    name_batch(proto.graph)
    for k, v in facts.items():
        text = v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        proto.metadata_props.add(key=k, value=text)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def to_proto(net: Any, x: Any) -> Any:
    import torch
    from torch.export import Dim
    program = torch.onnx.export(net, (x[:2],), dynamo=True, dynamic_shapes=({0: Dim.DYNAMIC},), verbose=False,
                                input_names=["images"], output_names=["logits"])
    return program.model_proto


def runner(data: Any) -> Any:
    "pixels -> logits, by onnxruntime"
    import onnxruntime as ort
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["logits"], {"images": x.numpy()})[0]


def name_batch(graph: Any) -> None:
    "torch calls the batch's size s34 or so"
    old = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for v in (*graph.input, *graph.output, *graph.value_info):
        for d in v.type.tensor_type.shape.dim:
            if d.dim_param == old: d.dim_param = "batch"


def quietly(f: Any) -> Any:
    "torch.onnx logs its every step"
    log = logging.getLogger("torch.onnx")
    old = log.level
    log.setLevel(logging.ERROR)
    try: return f()
    finally: log.setLevel(old)

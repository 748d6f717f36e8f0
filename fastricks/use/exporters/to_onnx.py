"""ONNX."""
import json
import logging

import torch
from torch.export import Dim

from ...core.errors import UserError
from .common import about, agree, deliver, network

LIMIT = 2_000_000_000  # bytes of weights in one ONNX file: what protobuf can hold


# -- each kind

def write_onnx(p, x, out, sizes):
    import onnx
    import onnxruntime as ort
    net = network(p)
    if (size := sum(v.nbytes for v in net.state_dict().values())) > LIMIT:
        raise UserError(f"{p.meta['arch']} has {size / 1e9:.1f} GB of weights, and one ONNX file holds 2 GB: use --to torch-export")
    program = quietly(lambda: torch.onnx.export(net, (x[:2],), dynamo=True, dynamic_shapes=({0: Dim.DYNAMIC},), verbose=False,
                                                input_names=["images"], output_names=["logits"]))
    proto, facts = program.model_proto, about(p)
    name_batch(proto.graph)
    for k, v in facts.items(): proto.metadata_props.add(key=k, value=v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))
    onnx.checker.check_model(proto)
    data = proto.SerializeToString()
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    worst = agree(p, x, sizes, lambda x: session.run(["logits"], {"images": x.numpy()})[0])
    deliver(out, data)
    return worst


def name_batch(graph):
    "torch calls the batch's size s34 or so"
    old = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for v in (*graph.input, *graph.output, *graph.value_info):
        for d in v.type.tensor_type.shape.dim:
            if d.dim_param == old: d.dim_param = "batch"


def quietly(f):
    "torch.onnx logs its every step"
    log = logging.getLogger("torch.onnx")
    old = log.level
    log.setLevel(logging.ERROR)
    try: return f()
    finally: log.setLevel(old)

"""A trained model in others' formats, each read back and checked against the model before it counts as written."""
import io
import json
import logging
import math
import os
import shutil
from copy import deepcopy

import timm
import torch
from timm.models import save_for_hf
from torch import nn
from torch.export import Dim

from . import __version__
from .data.pixels import scaled
from .errors import UserError
from .runs import write, writing

TOLERANCE = 1e-4       # largest difference of logits, in parts of the largest logit (of 1 at least)
LIMIT = 2_000_000_000  # bytes of weights in one ONNX file: what protobuf can hold


def agree(p, x, sizes, f):
    "The largest difference between the logits of `f(x)` and the model's, over batches of `sizes`; a UserError above TOLERANCE"
    worst = 0.
    for n in (b for b in sizes if b <= len(x)):
        want, got = p.logits(x[:n]), torch.as_tensor(f(x[:n].contiguous()))
        if want.shape != got.shape: raise UserError(f"the exported model answers {n} images with {list(got.shape)} numbers, not {list(want.shape)}")
        worst = max(worst, (want - got).abs().max().item())
        if not worst <= TOLERANCE * max(1, want.abs().max().item()):
            raise UserError(f"the exported model's logits differ by {worst:.2g} from the model's own, on a batch of {n}: nothing is written")
    return worst


class Network(nn.Module):
    "A Predictor's model with its normalisation: 8-bit RGB [n, 3, size, size] -> logits [n, K]"
    def __init__(self, p):
        super().__init__()
        self.model = deepcopy(p.model).to(memory_format=torch.contiguous_format)
        self.register_buffer("scale", 1 / (255 * p.std))
        self.register_buffer("shift", p.mean / p.std)

    def forward(self, images): return self.model(images.float() * self.scale - self.shift)


def network(p): return Network(p).eval()


def about(p):
    "What a user of the file must know, as plain data"
    m = p.meta
    return {"arch": m["arch"], "classes": p.classes, "made_by": f"fastricks {__version__}", "run": p.run.resolve().name, "preprocessing": {
        "before": ["turn as EXIF says", "RGB, 8 bits", f"shorter side to {m['resize']}, bilinear with antialiasing", f"centre crop of {m['size']}"],
        "size": m["size"], "resize": m["resize"], "interpolation": "bilinear", "antialias": True, "crop": "center",
        "input": f"uint8 RGB [batch, 3, {m['size']}, {m['size']}]", "inside": {"scale": 1 / 255, "mean": list(m["mean"]), "std": list(m["std"])},
        "output": f"logits [batch, {len(p.classes)}]: softmax makes them probabilities"}}


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


def write_torch(p, x, out, sizes):
    program, file = torch.export.export(network(p), (x[:2],), dynamic_shapes=({0: Dim.DYNAMIC},)), io.BytesIO()
    torch.export.save(program, file, extra_files={"fastricks.json": json.dumps(about(p), ensure_ascii=False)})
    again = torch.export.load(io.BytesIO(file.getvalue())).module()  # our own bytes: never done with a file that is found
    with torch.inference_mode(): worst = agree(p, x, sizes, again)
    deliver(out, file.getvalue())
    return worst


def write_timm(p, x, out, sizes):
    "config.json and model.safetensors as timm itself writes them, in a folder beside, which then takes the name"
    tmp, old = (out.with_name(f".{out.name}.{os.getpid()}.{o}") for o in ("tmp", "old"))
    try:
        save_for_hf(described(p), tmp, {"label_names": p.classes}, safe_serialization=True, data_config=data_config(p))
        shutil.copymode(tmp / "config.json", tmp / "model.safetensors")  # it would be its writer's alone
        model = timm.create_model(f"local-dir:{tmp}", pretrained=True).eval()
        with torch.inference_mode(): worst = agree(p, x, sizes, lambda x: model(scaled(x, p.mean, p.std)))
        if out.exists(): os.replace(out, old)
        os.replace(tmp, out)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as e: raise UserError(f"{out} can't be written ({e.strerror or e})") from None
    finally: shutil.rmtree(tmp, ignore_errors=True)
    return worst


def described(p):
    "The model without what its configuration says of other weights than these"
    model = deepcopy(p.model).to(memory_format=torch.contiguous_format)  # the only layout that safetensors writes
    model.pretrained_cfg = {k: v for k, v in model.pretrained_cfg.items() if k not in ("tag", "origin_url", "paper_ids", "notes", "description")}
    return model


def data_config(p):
    "timm's words for the preprocessing; its shorter side is floor(size / crop_pct)"
    size, resize = p.meta["size"], p.meta["resize"]
    crop = next(c for c in (size / resize, size / (resize + .01)) if math.floor(size / c) == resize)
    return {"input_size": (3, size, size), "crop_pct": crop, "crop_mode": "center", "interpolation": "bilinear",
            "mean": tuple(p.meta["mean"]), "std": tuple(p.meta["std"])}


def deliver(out, data):
    with writing(out): out.parent.mkdir(parents=True, exist_ok=True)
    write(out, data)


def quietly(f):
    "torch.onnx logs its every step"
    log = logging.getLogger("torch.onnx")
    old = log.level
    log.setLevel(logging.ERROR)
    try: return f()
    finally: log.setLevel(old)


WRITE = {"onnx": write_onnx, "timm": write_timm, "torch-export": write_torch}  # (Predictor, pixels, path, sizes of batches) -> difference

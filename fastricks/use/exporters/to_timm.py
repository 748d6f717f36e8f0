"""timm's own weights and configuration."""
import math
import os
import shutil
from copy import deepcopy

import timm
import torch
from timm.models import save_for_hf

from ...core.errors import UserError
from ...data.pixels.canonical import scaled
from .common import agree


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

"""timm's own weights and configuration."""
import math
import os
import shutil
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ...core.errors import UserError
from ...core.files import write
from .kinds import Exporter

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..predictor import Predictor

OF_OTHER_WEIGHTS = "tag", "origin_url", "paper_ids", "notes", "description"


CLASS_MAP = "class_map.txt"  # a name a line, in the order of the logits: what timm's --class-map takes
MODES = {"crop": "center", "pad": "border", "squish": "squash"}  # timm's words for our fits


class ToTimm(Exporter):
    name = "timm"
    meaning = "a folder for timm.create_model"
    files = "config.json", "model.safetensors", CLASS_MAP

    def write(self, p: "Predictor", x: "Tensor", out: Path, sizes: Sequence[int]) -> float:
        "As timm itself writes them, in a folder beside, which then takes the name"
        tmp, old = (out.with_name(f".{out.name}.{os.getpid()}.{o}") for o in ("tmp", "old"))
        try:
            save_folder(p, tmp)
            worst = difference(p, x, sizes, tmp)
            if out.exists():
                os.replace(out, old)
            os.replace(tmp, out)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as e:
            raise UserError(f"{out} can't be written ({e.strerror or e})") from None
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
        return worst

    def how(self, p: "Predictor", out: Path) -> list[str]:
        call = f"timm.create_model({f'local-dir:{out}'!r}, pretrained=True)"
        return [f"use it    {call}; config.json has classes and preprocessing", *order_line(p.classes, out)]


def order_line(classes: Sequence[str], out: Path) -> list[str]:
    "Where timm would number folders of these classes in another way"
    from timm.utils.misc import natural_key
    if sorted(classes, key=natural_key) == list(classes):
        return []
    return ["mind      timm numbers folders of these classes in another order: give its scripts --class-map "
            f"{quote(str(out / CLASS_MAP))}"]


def save_folder(p: "Predictor", folder: Path) -> None:
    from timm.models import save_for_hf
    save_for_hf(described(p), folder, {"label_names": p.classes}, safe_serialization=True, data_config=data_config(p))
    write(folder / CLASS_MAP, "".join(f"{name}\n" for name in p.classes))
    shutil.copymode(folder / "config.json", folder / "model.safetensors")  # it would be its writer's alone


def difference(p: "Predictor", x: "Tensor", sizes: Sequence[int], folder: Path) -> float:
    "What timm itself makes of the folder, against the model"
    import timm
    import torch

    from ...data.pixels.canonical import scaled
    from .common import agree
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    with torch.inference_mode():
        return agree(p, x, sizes, lambda x: model(scaled(x, p.mean, p.std)))


def described(p: "Predictor") -> "nn.Module":
    "The model without what its configuration says of other weights than these"
    import torch
    model = deepcopy(p.model).to(memory_format=torch.contiguous_format)  # the only layout that safetensors writes
    model.pretrained_cfg = {k: v for k, v in model.pretrained_cfg.items() if k not in OF_OTHER_WEIGHTS}
    return model


def data_config(p: "Predictor") -> dict[str, Any]:
    "timm's words for the preprocessing; of a crop its shorter side is floor(size / crop_pct)"
    size, resize, fit = p.meta["size"], p.meta["resize"], p.meta["fit"]
    crop = next(c for c in (size / resize, size / (resize + .01))
                if math.floor(size / c) == resize) if fit == "crop" else 1.
    return {"input_size": (len(p.meta["mean"]), *p.frame.sides[::-1]), "crop_pct": crop, "crop_mode": MODES[fit],
            "interpolation": "bilinear",
            "mean": tuple(p.meta["mean"]), "std": tuple(p.meta["std"])}

"""torch.export."""
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .kinds import Exporter

if TYPE_CHECKING:
    from torch import Tensor

    from ..predictor import Predictor


class ToTorch(Exporter):
    name = "torch-export"
    meaning = "a .pt2 file for torch.export.load"
    suffix = ".pt2"

    def write(self, p: "Predictor", x: "Tensor", out: Path, sizes: Sequence[int]) -> float:
        import torch
        from torch.export import Dim

        from .common import about, agree, deliver, network
        program = torch.export.export(network(p), (x[:2],), dynamic_shapes=({0: Dim.DYNAMIC},))
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={"fastricks.json": json.dumps(about(p), ensure_ascii=False)})
        # our own bytes: never done with a file that is found
        again = torch.export.load(io.BytesIO(file.getvalue())).module()
        with torch.inference_mode():
            worst = agree(p, x, sizes, again)
        deliver(out, file.getvalue())
        return worst

    def how(self, p: "Predictor", out: Path) -> list[str]:
        from .common import pixels_in_logits_out
        return pixels_in_logits_out(p, "extra file fastricks.json")

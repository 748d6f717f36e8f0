"""torch.export."""
import io
import json
from typing import Any

from .kinds import Exporter


class ToTorch(Exporter):
    name = "torch-export"
    meaning = "a .pt2 file for torch.export.load"
    suffix = ".pt2"

    def write(self, p: Any, x: Any, out: Any, sizes: Any) -> Any:
        import torch
        from torch.export import Dim

        from .common import about, agree, deliver, network
        program = torch.export.export(network(p), (x[:2],), dynamic_shapes=({0: Dim.DYNAMIC},))
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={"fastricks.json": json.dumps(about(p), ensure_ascii=False)})
        again = torch.export.load(io.BytesIO(file.getvalue())).module()  # our own bytes: never done with a file that is found
        with torch.inference_mode(): worst = agree(p, x, sizes, again)
        deliver(out, file.getvalue())
        return worst

    def how(self, p: Any, out: Any) -> Any:
        from .common import pixels_in_logits_out
        return pixels_in_logits_out(p, "extra file fastricks.json")

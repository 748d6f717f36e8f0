"""torch.export."""
import io
import json

import torch
from torch.export import Dim

from .common import about, agree, deliver, network


def write_torch(p, x, out, sizes):
    program, file = torch.export.export(network(p), (x[:2],), dynamic_shapes=({0: Dim.DYNAMIC},)), io.BytesIO()
    torch.export.save(program, file, extra_files={"fastricks.json": json.dumps(about(p), ensure_ascii=False)})
    again = torch.export.load(io.BytesIO(file.getvalue())).module()  # our own bytes: never done with a file that is found
    with torch.inference_mode(): worst = agree(p, x, sizes, again)
    deliver(out, file.getvalue())
    return worst

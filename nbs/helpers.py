"""What the notebooks of this folder begin with, so that they look alike and leave nothing behind. Your own need none of
it.
"""
import os
import sys
from pathlib import Path
from tempfile import mkdtemp

import fastricks  # noqa: F401  silences a warning of fastai's import

sys.path.append(str(Path(__file__).resolve().parents[1] / "docs"))
from drawn import draw  # noqa: F401  photos of our own


def start(dpi=64):
    "A folder of its own that may be thrown away, small pictures, one thread"
    import matplotlib.pyplot as plt
    import pandas as pd
    import torch
    from fastai.torch_core import set_seed
    from matplotlib_inline.backend_inline import set_matplotlib_formats
    os.chdir(mkdtemp())
    os.environ["FASTRICKS_CACHE"] = f"{os.getcwd()}/cache"
    os.environ.setdefault("WANDB_MODE", "disabled")
    set_matplotlib_formats("png")
    plt.rcParams["figure.dpi"] = dpi
    pd.set_option("display.width", 120, "display.max_columns", 20)
    torch.set_num_threads(1)
    set_seed(0)

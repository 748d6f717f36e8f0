"""The verb `export`. Light: what it says of the formats they say themselves."""
from pathlib import Path
from typing import Annotated

import typer

from ..use.exporters.kinds import exporters
from .options import Debug, Trained

EXPORT_FORMATS = exporters()
EXAMPLE_RUN = Path("RUN"), Path("RUN/model.safetensors")
Format = Annotated[str, typer.Option(
    metavar="|".join(EXPORT_FORMATS), help="; ".join(f"{name}: {o.meaning}" for name, o in EXPORT_FORMATS.items()))]
Out = Annotated[str | None, typer.Option(
    metavar="PATH", show_default=False,
    help=f"where it goes [default: {', '.join(str(o.default_path(*EXAMPLE_RUN)) for o in EXPORT_FORMATS.values())}]")]


def export_command(run: Trained, to: Format, out: Out = None, debug: Debug = False):
    """Write a trained model for use without fastricks, and check that it computes the same.

    onnx and torch-export take 8-bit RGB pixels, the normalisation is inside; batches may have any size; names of
    classes go with the model.
    """
    from ..use.export import export
    for line in export(run, to, out).lines:
        print(line)

"""The verb `export`. Light: what it says of the formats they say themselves."""
from pathlib import Path
from typing import Annotated

import typer

from ..use.exporters.kinds import exporters
from ..use.exporters.variants import MARGIN, Variant
from .options import Debug, Trained

EXPORT_FORMATS = exporters()
EXAMPLE_RUN = Path("RUN"), Path("RUN/model.safetensors")
Format = Annotated[str, typer.Option(
    metavar="|".join(EXPORT_FORMATS), help="; ".join(f"{name}: {o.meaning}" for name, o in EXPORT_FORMATS.items()))]
Out = Annotated[str | None, typer.Option(
    metavar="PATH", show_default=False,
    help=f"where it goes [default: {', '.join(str(o.default_path(*EXAMPLE_RUN)) for o in EXPORT_FORMATS.values())}]")]


Int8 = Annotated[bool, typer.Option("--int8",
                                    help="onnx: 8-bit weights and activations, calibrated on training images and "
                                         "checked on the run's own test images")]
WholePhoto = Annotated[bool, typer.Option("--whole-photo",
                                          help="onnx: resizing and cropping inside; takes one photo of any size")]
LossMargin = Annotated[float, typer.Option("--margin", metavar="POINTS",
                                           help="--int8 is refused where it loses more accuracy than this")]


def export_command(run: Trained, to: Format, out: Out = None, int8: Int8 = False, whole_photo: WholePhoto = False,
                   margin: LossMargin = MARGIN, debug: Debug = False):
    """Write a trained model for use without fastricks, and check that it computes the same.

    onnx and torch-export take 8-bit RGB pixels, the normalisation is inside; batches may have any size; names of
    classes go with the model.
    """
    from ..use.export import export
    for line in export(run, to, out, Variant(int8, whole_photo, margin)).lines:
        print(line)

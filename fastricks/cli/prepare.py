"""The verb `prepare`. Light."""
from typing import Annotated

import typer

from .options import Debug


def prepare_command(
    source: Annotated[str, typer.Argument(help="Food-101's archive (tgz, or Kaggle's zip), or the unpacked folder")],
    target: Annotated[str, typer.Argument(help="folder to write train/ and test/ to")],
    classes: Annotated[
        str | None, typer.Option(help="only these: names joined by commas, a file, or food-101-21")
    ] = None,
    photos: Annotated[
        str | None,
        typer.Option(
            "--list",
            metavar="FILE.csv",
            help="only the photos of this list, in its splits: columns image, label and split",
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(min=16, metavar="<int>", help="bring larger photos down to this many pixels of the shorter side"),
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="copy files of an unpacked folder instead of linking them")
    ] = False,
    debug: Debug = False,
):
    """Unpack and split a downloaded Food-101 into train/ and test/; run it again to finish what was interrupted."""
    from ..data.sources.prepare import prepare_food as do

    do(source, target, classes, copy, photos, side)

"""The verb `predict`. Light."""
from typing import Annotated

import typer

from ..recipe.recipe import check_field, options
from .options import Debug, Trained


def predict_command(
    run: Trained,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="files, folders, globs, or - for a list on stdin, a path a line")
    ],
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="how many classes of each image")] = 3,
    to: Annotated[
        str, typer.Option(metavar="table|jsonl|csv|FILE", help="how to print them, or FILE.jsonl or FILE.csv to write")
    ] = "table",
    bs: Annotated[int, typer.Option(min=1, help="images that go through the network together")] = 64,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="torch's CPU threads, and as many that decode [default: the cores this process may use]",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="what computes")] = "auto",
    raw: Annotated[
        bool, typer.Option("--raw", help="probabilities at temperature 1, not at that of the validation images")
    ] = False,
    unknown: Annotated[
        float | None,
        typer.Option(
            metavar="COVERAGE",
            show_default=False,
            help="sets of classes that have the true one for this "
            "share of photos like the validation images, as .9; as many of them are not called unknown",
        ),
    ] = None,
    unknown_below: Annotated[
        float | None,
        typer.Option(metavar="P", show_default=False, help="a photo that no class has this probability for is unknown"),
    ] = None,
    sort_into: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            show_default=False,
            help="copy the photos into folders of DIR, one a class, and unknown; what lies there stays",
        ),
    ] = None,
    debug: Debug = False,
):
    """Classify images: the most probable classes of each.

    A file that can't be read is told on stderr and left out.
    """
    from ..use.predict import Use, predict

    check_device(device)
    predict(run, paths, top, to, bs, threads, device, Use(raw, unknown, unknown_below, sort_into))


def check_device(name): check_field(next(f for f in options() if f.name == "device"), name)

"""The verb `predict`. Light."""
from typing import Annotated

import typer

from ..recipe.recipe import check_field, options
from .options import Debug, Trained

Paths = Annotated[list[str], typer.Argument(
    metavar="PATH", help="files, folders, globs, or - for a list on stdin, a path a line")]
Top = Annotated[int, typer.Option("--top", "-k", min=1, help="how many classes of each image")]
PredictionFormat = Annotated[str, typer.Option(
    metavar="table|jsonl|csv|FILE", help="how to print them, or FILE.jsonl or FILE.csv to write")]
BatchSize = Annotated[int, typer.Option(min=1, help="images that go through the network together")]
Threads = Annotated[int | None, typer.Option(
    min=1, max=1024, show_default=False,
    help="torch's CPU threads, and as many that decode [default: the cores this process may use]")]
DeviceName = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="what computes")]
Raw = Annotated[bool, typer.Option(
    "--raw", help="probabilities at temperature 1, not at that of the validation images")]
Coverage = Annotated[float | None, typer.Option(
    metavar="COVERAGE", show_default=False,
    help="sets of classes that have the true one for this share of photos like the validation images, as .9; as many "
         "of them are not called unknown")]
Least = Annotated[float | None, typer.Option(
    metavar="P", show_default=False, help="a photo that no class has this probability for is unknown")]
SortInto = Annotated[str | None, typer.Option(
    metavar="DIR", show_default=False,
    help="copy the photos into folders of DIR, one a class, and unknown; what lies there stays")]


def predict_command(run: Trained, paths: Paths, top: Top = 3, to: PredictionFormat = "table", bs: BatchSize = 64,
                    threads: Threads = None, device: DeviceName = "auto", raw: Raw = False, unknown: Coverage = None,
                    unknown_below: Least = None, sort_into: SortInto = None, debug: Debug = False):
    """Classify images: the most probable classes of each.

    A file that can't be read is told on stderr and left out.
    """
    from ..use.predict import Use, predict
    check_device(device)
    predict(run, paths, top, to, bs, threads, device, Use(raw, unknown, unknown_below, sort_into))


def check_device(name): check_field(next(f for f in options() if f.name == "device"), name)

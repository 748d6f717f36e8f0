"""The verb `evaluate`. Light, so that --help and every user's error are instant."""
from typing import Annotated

import typer

from .options import Debug

Split = Annotated[str | None, typer.Option(metavar="train|valid|test", show_default=False,
                                           help="which images [default: those that the run's final numbers are of; "
                                                "of other data test, else valid, else all]")]


def evaluate_command(
        run: Annotated[str, typer.Argument(metavar="RUN", help="a finished run's folder")],
        data: Annotated[str | None, typer.Option(
            help="other images: a folder, a CSV, …, as for train; classes go by name and need not all be there "
                 "[default: the run's own]",
            show_default=False)] = None,
        split: Split = None,
        tta: Annotated[bool, typer.Option("--tta",
                                          help="mean of the probabilities of each image and its mirror image")] = False,
        to: Annotated[str | None, typer.Option(metavar="FILE.html", show_default=False,
                                               help="where the page goes, its numbers beside it as "
                                               ".json [default: evaluate….html in the run's folder]")] = None,
        debug: Debug = False):
    """Look at a trained run: accuracy, calibration and each class with intervals; a page with its mistakes."""
    from ..use.evaluate import check_page, evaluate
    check_page(to, run)
    e = evaluate(run, data, split, tta)
    from ..use.evaluation_page import print_evaluation, write_evaluation, written_lines
    print_evaluation(e)
    for line in written_lines(write_evaluation(e, to)):
        print(line)

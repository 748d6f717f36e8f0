"""The verb `page`. Light."""
from typing import Annotated

import typer

from .options import Debug


def page_command(
        runs: Annotated[list[str], typer.Argument(metavar="RUNS", help="finished runs: folders, globs, folders of runs")], debug: Debug = False):
    """Make the index.html of runs again, as a training does at its end."""
    from ..report.find import find
    from ..use.evaluate import finished
    from ..use.saved import find_saved
    found = [finished(find_saved(folder)) for text in runs for folder in find(text)]
    from ..report.pages.run import make_again
    for r in found: print(f"page      {make_again(r)}")

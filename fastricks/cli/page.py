"""The verb `page`. Light."""
from contextlib import suppress
from typing import Annotated

import typer

from ..core.errors import UserError
from ..core.imports import uncollected
from .options import Debug


def page_command(
        runs: Annotated[list[str], typer.Argument(metavar="RUNS",
                                                  help="finished runs: folders, globs, folders of runs")],
    debug: Debug = False):
    """Make the index.html of runs again, as a training does at its end, and the list of all runs in their folder.

    What has no page, as a run that did not finish, is listed and skipped.
    """
    from ..report.find import find
    folders = list({folder.resolve(): folder for text in runs for folder in find(text)}.values())
    made, skipped = pages(folders)
    if not made:
        raise skipped[0][1]
    for file in made:
        print(f"page      {file}")
    for folder, error in skipped:
        print(f"skipped   {folder.name}: {error}")
    for file in lists_of(folders):
        print(f"all runs  {file}")


def pages(folders):
    "(pages that could be made, [(folder, UserError)] of the others)"
    with uncollected():
        from ..report.pages.run import make_again
    from ..use.evaluate import finished_run
    from ..use.saved import find_saved
    made, skipped = [], []
    for folder in folders:
        try:
            made.append(make_again(finished_run(find_saved(folder))))
        except UserError as e:
            skipped.append((folder, e))
    return made, skipped


def lists_of(folders):
    "The lists of all runs in the folders that these lie in, brought up to date where they can be written"
    from ..report.pages.index import save_index
    for parent in dict.fromkeys(folder.parent for folder in folders):
        with suppress(OSError, UserError):
            if file := save_index(parent):
                yield file

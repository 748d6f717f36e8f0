"""The verb `runs`. Light."""
import sys
from shutil import get_terminal_size
from typing import Annotated

import typer

from .options import Debug

Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="a folder of run folders")]


def runs_command(folder: Folder = "runs", debug: Debug = False):
    """List what lies in a folder of runs: when each was trained, what it is, how well it does, how it ended."""
    from ..report.listing import listing
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    for line in listing(folder, width):
        print(line)

"""The verb `tricks`. Light."""
from typing import Annotated

import typer

from .options import Debug


def tricks_command(name: Annotated[str | None, typer.Argument(help="a trick's name, for its card")] = None,
                   debug: Debug = False):
    """List the tricks, a row each, or show the card of one."""
    from ..report.cards import card_lines, trick_list
    for line in card_lines(name) if name else trick_list():
        print(line)

"""The verbs `tricks`, `recipes` and `prepare`. Light."""
from typing import Annotated

import typer

from .options import Debug


def tricks_command(name: Annotated[str | None, typer.Argument(help="a trick's name, for its card")] = None, debug: Debug = False):
    """List the tricks, a row each, or show the card of one."""
    from ..report.cards import card, trick_list
    for line in card(name) if name else trick_list(): print(line)


def recipes_command(debug: Debug = False):
    """List the named recipes with their sources and settings."""
    from ..report.cards import recipe_list
    for line in recipe_list(): print(line)


def prepare_command(source: Annotated[str, typer.Argument(help="Food-101's archive (tgz, or Kaggle's zip), or the unpacked folder")],
            target: Annotated[str, typer.Argument(help="folder to write train/ and test/ to")],
            classes: Annotated[str | None, typer.Option(help="only these: names joined by commas, a file, or food-101-21")] = None,
            copy: Annotated[bool, typer.Option("--copy", help="copy files of an unpacked folder instead of linking them")] = False,
            debug: Debug = False):
    """Unpack and split a downloaded Food-101 into train/ and test/; run it again to finish what was interrupted."""
    from ..data.sources.prepare import prepare as do
    do(source, target, classes, copy)

"""The verb `clean`. Light."""
from typing import Annotated

import typer

from ..core import output
from ..core.errors import UserError
from ..recipe.recipe import resolve
from .options import Debug, RecipeName, TrickTexts

Decide = Annotated[str, typer.Option(metavar="keep|drop|relabel",
                                     help="the decision that suspicious labels begin with in the table")]
CleanTo = Annotated[str | None, typer.Option(metavar="DIR", show_default=False,
                                        help="where page, table and the folds' runs go [default: clean-DATA in --out]")]


def clean_command(
        given,
        photos: Annotated[str | None, typer.Argument(metavar="PHOTOS", help="what --data takes, as a folder",
                                                     show_default=False)] = None,
        folds: Annotated[int, typer.Option(help="trainings, each on all photos but its own part of them")] = 5,
        decide: Decide = "keep", to: CleanTo = None, recipe: RecipeName = None, tricks: TrickTexts = None,
        debug: Debug = False):
    """Find wrong labels: `fastricks clean PHOTOS` trains without each photo, and shows those whose label does not fit.

    A page with the most suspicious first, and a table to decide in (keep, drop, relabel), which --data takes.
    """
    if photos is not None and "data" in given:
        raise UserError("PHOTOS and --data: give one of them")
    if photos is not None:
        given = {**given, "data": photos}
    r = resolve(given, tricks or (), recipe)
    from ..use.cleaning import CleanOptions, clean_labels
    for line in clean_labels(r, CleanOptions(folds, decide, to), output.tell).lines:
        print(line)

"""The verb `card`. Light."""
from typing import Annotated

import typer

from .options import Dataset, Debug, License, Trained


def card_command(run: Trained,
                 out: Annotated[str | None, typer.Option(metavar="FILE", help="[default: RUN/README.md]",
                                                         show_default=False)] = None,
                 license: License = None, dataset: Dataset = None,
                 place: Annotated[str | None, typer.Option(metavar="USER/NAME", help="the model's place on the hub",
                                                           show_default=False)] = None,
                 debug: Debug = False):
    """Write a run's model card: numbers with intervals, data, use, limits, licences, and what the Hugging Face hub
    reads.

    Look it over and edit it: `fastricks push` sends RUN/README.md as it is.
    """
    from ..use.model_card import card_options, save_card
    print(f"card      {save_card(run, out, card_options(license, dataset, place))}")

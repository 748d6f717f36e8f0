"""The verb `push`. Light."""
from typing import Annotated

import typer

from .options import Dataset, Debug, License, Trained


def push_command(
    run: Trained,
    place: Annotated[str, typer.Argument(metavar="USER/NAME", help="the model's place on the hub")],
    public: Annotated[
        bool, typer.Option("--public", help="a new place can be seen by all; without it only by you")
    ] = False,
    license: License = None,
    dataset: Dataset = None,
    debug: Debug = False,
):
    """Send a run to the Hugging Face hub: weights, configuration, numbers and model card; no photo, no path, no pickle.

    The token is that of `hf auth login`, or HF_TOKEN. `fastricks predict hf://USER/NAME photo.jpg` uses what is there.
    """
    from ..use.model_card import card_options
    from ..use.push import push

    print(f"model     {push(run, card_options(license, dataset, place), public)}")
    print(f"next      fastricks predict hf://{place} photo.jpg")

"""The verb `train`. Light."""
from typing import Annotated

import typer

from ..core import output, ranks
from ..core.errors import UserError
from ..core.imports import uncollected
from ..grid.plan import parse_seeds
from ..recipe.recipe import resolve
from .options import Debug, RecipeName, TrickTexts


def train_command(
    given,
    photos: Annotated[
        str | None, typer.Argument(metavar="PHOTOS", help="what --data takes, as a folder", show_default=False)
    ] = None,
    recipe: RecipeName = None,
    tricks: TrickTexts = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="5|0,1,2|0-4", help="train with each of these seeds, and report mean ± sd")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="resume the last unfinished run of this recipe, or show a finished one, if there is one"
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="say what would be done, draw the learning rate, don't train")
    ] = False,
    debug: Debug = False,
):
    """Train a classifier: `fastricks train PHOTOS`; with no options, on the built-in digits."""
    if photos is not None and "data" in given:
        raise UserError("PHOTOS and --data: give one of them")
    if photos is not None:
        given = {**given, "data": photos}
    r = resolve(given, tricks or (), recipe)
    if seeds and "seed" in given:
        raise UserError("--seed and --seeds: give one of them")
    if seeds and ranks.world() > 1:
        raise UserError("--seeds trains one run after the other: give torchrun one --seed")
    if seeds and "name" in given:
        raise UserError("--name is for one run: with --seeds choose the folder with --out")
    seeds = parse_seeds(seeds) if seeds else None
    if seeds and not explain:
        return train_all(r, seeds)
    if explain:
        with uncollected():
            from ..use.explain import explain as say_all
            return say_all(r)
    with uncollected():
        from ..use.train import train as run
    from .screens import last_screen, show_screen

    show_screen(last_screen(r, run(r, say=output.tell, resume=resume)))


def train_all(recipe, seeds):
    with uncollected():
        from ..grid.ablate import train_seeds
    from .screens import seeds_screen, show_screen
    show_screen(seeds_screen(train_seeds(recipe, seeds, say=output.tell).folders))

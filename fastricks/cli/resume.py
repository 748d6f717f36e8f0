"""The verb `resume`. Light."""
from typing import Annotated

import typer

from .options import Debug, Trust, trust_files


def resume_command(run: Annotated[str, typer.Argument(metavar="RUN", help="an unfinished run's folder")], trust: Trust = False,
                   debug: Debug = False):
    """Go on with a training that was stopped or killed, from its last checkpoint; the result is as if it had not been."""
    from ..training.resume import is_finished, recipe_of
    trust_files(trust)
    r = recipe_of(run)
    if is_finished(run): return print(f"{run} is finished: there is nothing to go on with")
    from ..use.train import train
    from .screens import last_screen
    for line in last_screen(r, train(r, resume=run)): print(line)

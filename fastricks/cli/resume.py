"""The verb `resume`. Light."""
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UserError
from .options import Debug

ELSEWHERE = "data", "classes", "weights", "device", "threads", "workers", "wandb"  # may be other where a run goes on


def resume_command(given, run: Annotated[str, typer.Argument(metavar="RUN", help="an unfinished run's folder")],
                   tricks: Annotated[list[str] | None, typer.Option(
                       "--tricks", "-t", metavar="TRICKS", show_default=False, help="where a network lies now, as TRICK:KEY=PLACE")] = None,
                   debug: Debug = False):
    """Go on with a training that was stopped or killed, from its last checkpoint; the result is as if it had not been.

    Where its data (--data), weights or teacher lie elsewhere now, say where: they must be the same. On another --device it goes on too,
    and rounds otherwise.
    """
    from ..runfolder.record import is_finished
    from ..training.resume import Elsewhere, recipe_of
    if is_finished(run): return print(finished(Path(run)))
    r = recipe_of(run, given, tricks or ())
    from ..use.train import train
    from .screens import last_screen
    for line in last_screen(r, train(r, resume=Elsewhere(Path(run), given))): print(line)


def finished(run):
    if (run / "model.safetensors").is_file(): return f"{run} is finished: there is nothing to go on with"
    raise UserError(f"{run} is finished, and its model.safetensors is not there: `fastricks train --recipe {shlex.quote(str(run))}` makes it again")

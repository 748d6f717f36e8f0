"""The verb `resume`. Light."""
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..core import output
from ..core.errors import UserError
from .options import Debug

# may be other where a run goes on
ELSEWHERE = "data", "classes", "weights", "device", "threads", "workers", "wandb", "log"


def resume_command(given, run: Annotated[str, typer.Argument(metavar="RUN", help="an unfinished run's folder")],
                   tricks: Annotated[list[str] | None, typer.Option(
                       "--tricks", "-t", metavar="TRICKS", show_default=False,
                       help="where a network lies now, as TRICK:KEY=PLACE")] = None,
                   epochs: Annotated[int | None, typer.Option(
                       metavar="N", show_default=False,
                       help="of a finished run with wsd: a run of N epochs, from before the cooldown on")] = None,
                   debug: Debug = False):
    """Resume a training that was stopped or killed, from its last checkpoint; the result is as if it had not been.

    Where its data (--data), weights or teacher lie elsewhere now, say where: they must be the same. On another --device
    it is resumed too, and rounds otherwise.

    A finished run with the schedule wsd is resumed from the state before its cooldown with --epochs N: a new run,
    which is as if it had had N epochs from the start.
    """
    from ..runfolder.record import is_finished, is_soup
    from ..training.longer import longer
    from ..training.resume import Elsewhere, recipe_to_resume
    if is_soup(run):
        raise UserError(f"{run} is a soup, an average of finished runs and no training: there is nothing to resume")
    if epochs is None and is_finished(run):
        return print(finished_text(Path(run)))
    r = recipe_to_resume(run, given, tricks or ())
    where = Elsewhere(Path(run), given)
    if epochs is not None:
        r, where = longer(r, where, epochs)
    from ..use.train import train
    from .screens import last_screen, show_screen
    show_screen(last_screen(r, train(r, say=output.tell, resume=where)))


def finished_text(run):
    if (run / "model.safetensors").is_file():
        return f"{run} is finished: there is nothing to resume"
    raise UserError(f"{run} is finished, and its model.safetensors is not there: `fastricks train --recipe "
                    f"{shlex.quote(str(run))}` makes it again")

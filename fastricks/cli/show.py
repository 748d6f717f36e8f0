"""The verb `show`."""
import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from ..core.errors import UserError
from ..recipe.recipe import resolve
from .help import GroupedCommand
from .options import Debug, RecipeName, Tricks, with_recipe

show = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                   context_settings={"help_option_names": ["-h", "--help"]},
                   help="Look at data before a training; draw its learning rate, first batch or targets.")
Rows = Annotated[list[str] | None, typer.Option("--tricks", "-t", metavar="TRICKS", show_default=False,
                                               help="one line more, with these tricks")]
To = Annotated[str, typer.Option(metavar="FILE.png", help="where the picture goes")]
PageOrPicture = Annotated[str, typer.Option(metavar="FILE", help="where the picture (.png) or the page (.html) goes")]
Images = Annotated[int, typer.Option(min=1, help="how many images")]
Epoch = Annotated[int | None, typer.Option(min=1, help="of which epoch [default: the first; where images are mixed, "
                                                       "that of a batch with λ near 1/2]", show_default=False)]


def check_to(to, endings=(".png",)):
    "Before any work: --to can be written"
    path = Path(to)
    if path.suffix.lower() not in endings:
        kinds = "a picture ends in .png" + (", a page in .html" if ".html" in endings else "")
        raise UserError(f"--to {to}: {kinds}")
    if path.is_dir():
        raise UserError(f"--to {to} is a folder: name a file in it, as {path / path.name}")


@show.command("data", cls=GroupedCommand)
@with_recipe
def show_data(given,
              path: Annotated[str | None, typer.Argument(metavar="PATH", help="what --data takes",
                                                         show_default=False)] = None,
              recipe: RecipeName = None, to: PageOrPicture = "show-data.png", debug: Debug = False):
    """Say on one screen what images are there: classes, sizes, copies across splits, unreadable files; draw some.

    Nothing is changed. Beside the picture or page goes a table with a row for each image: `fastricks show data PHOTOS --size
    160`.
    """
    check_to(to, (".png", ".html"))
    if path is not None and "data" in given:
        raise UserError("PATH and --data: give one of them")
    r = resolve({**given, "data": path} if path is not None else given, (), recipe)
    from ..report.survey_page import show_survey
    show_survey(r, to, *get_terminal_size())


@show.command("lr", cls=GroupedCommand)
@with_recipe
def show_lr(given,
            recipes: Annotated[list[str] | None, typer.Argument(
                metavar="RECIPE", help="named recipes or run folders, a line each", show_default=False)] = None,
            recipe: RecipeName = None, tricks: Rows = None,
            steps_per_epoch: Annotated[int | None, typer.Option(
                min=1, help="optimizer steps an epoch [default: what the data makes]", show_default=False)] = None,
            to: To = "show-lr.png", debug: Debug = False):
    """Draw learning rates, a line for each RECIPE and -t.

    A -t is a row on --recipe, or else on the first RECIPE: `fastricks show lr blog -t warmup:by=epoch,epochs=6 -t
    cosine`.
    """
    check_to(to)
    from ..use import schedules
    lines = schedules.lines_of(given, recipes or (), tricks or (), recipe)
    schedules.tell_lr(schedules.schedules_of(lines, steps_per_epoch, print), to, sys.stdout.isatty())


@show.command("batch", cls=GroupedCommand)
@with_recipe
def show_batch(given, recipe: RecipeName = None, tricks: Tricks = None, images: Images = 8, epoch: Epoch = None,
               to: To = "show-batch.png",
               debug: Debug = False):
    """Draw a training batch as the network sees it.

    It is the first, or with mixup and the like one whose λ is near 1/2, so that there is something to see.
    """
    check_to(to)
    from ..report.plots import save_to
    from ..use import first_batch
    r = resolve(given, tricks or (), recipe)
    print(f"picture    {save_to(first_batch.show_batch(r, images, epoch, print), to)}")


@show.command("targets", cls=GroupedCommand)
@with_recipe
def show_targets(given, recipe: RecipeName = None, tricks: Tricks = None, images: Images = 4, epoch: Epoch = None,
                 to: To = "show-targets.png",
                 debug: Debug = False):
    """Draw the targets: smoothed, mixed, a teacher's.

    A teacher must be there already: nothing is trained here.
    """
    check_to(to)
    from ..report.plots import save_to
    from ..use import first_batch
    r = resolve(given, tricks or (), recipe)
    print(f"picture    {save_to(first_batch.show_targets(r, images, epoch, print), to)}")

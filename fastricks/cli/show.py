"""The verb `show`."""
import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from ..core.errors import UserError
from ..recipe.recipe import resolve
from .help import GroupedCommand
from .options import Debug, RecipeName, TrickTexts, with_recipe

show_verbs = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                         context_settings={"help_option_names": ["-h", "--help"]},
                         help="Look at data before a training; draw its learning rate, first batch or targets.")
RowTricks = Annotated[list[str] | None, typer.Option(
    "--tricks", "-t", metavar="TRICKS", show_default=False, help="one line more, with these tricks")]
StepsPerEpoch = Annotated[int | None, typer.Option(
    min=1, help="optimizer steps an epoch [default: what the data makes]", show_default=False)]
ToPicture = Annotated[str, typer.Option(metavar="FILE.png", help="where the picture goes")]
PageOrPicture = Annotated[str, typer.Option(metavar="FILE", help="where the picture (.png) or the page (.html) goes")]
ImageCount = Annotated[int, typer.Option(min=1, help="how many images")]
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


@show_verbs.command("data", cls=GroupedCommand)
@with_recipe
def show_data_command(given,
                      path: Annotated[str | None, typer.Argument(metavar="PATH", help="what --data takes",
                                                                 show_default=False)] = None,
                      recipe: RecipeName = None, to: PageOrPicture = "show-data.png", debug: Debug = False):
    """Say on one screen what images are there: classes, sizes, copies across splits, unreadable files; draw some.

    Nothing is changed. Beside the picture or page goes a table with a row for each image: `fastricks show data PHOTOS
    --size 160`.
    """
    check_to(to, (".png", ".html"))
    if path is not None and "data" in given:
        raise UserError("PATH and --data: give one of them")
    r = resolve({**given, "data": path} if path is not None else given, (), recipe)
    from ..report.survey_page import show_survey
    show_survey(r, to, *get_terminal_size())


@show_verbs.command("lr", cls=GroupedCommand)
@with_recipe
def show_lr_command(given,
                    recipes: Annotated[list[str] | None, typer.Argument(
                        metavar="RECIPE", help="named recipes or run folders, a line each", show_default=False)] = None,
                    recipe: RecipeName = None, tricks: RowTricks = None, steps_per_epoch: StepsPerEpoch = None,
                    to: ToPicture = "show-lr.png", debug: Debug = False):
    """Draw learning rates, a line for each RECIPE and -t.

    A -t is a row on --recipe, or else on the first RECIPE: `fastricks show lr blog -t warmup:by=epoch,epochs=6 -t
    cosine`.
    """
    check_to(to)
    from ..use import schedules
    lines = schedules.recipes_of_lines(given, recipes or (), tricks or (), recipe)
    schedules.tell_lr(schedules.schedules_of(lines, steps_per_epoch, print), to, sys.stdout.isatty())


@show_verbs.command("batch", cls=GroupedCommand)
@with_recipe
def show_batch_command(given, recipe: RecipeName = None, tricks: TrickTexts = None, images: ImageCount = 8,
                       epoch: Epoch = None, to: ToPicture = "show-batch.png", debug: Debug = False):
    """Draw a training batch as the network sees it.

    It is the first, or with mixup and the like one whose λ is near 1/2, so that there is something to see.
    """
    check_to(to)
    from ..report.plots import save_to
    from ..use import first_batch
    r = resolve(given, tricks or (), recipe)
    print(f"picture    {save_to(first_batch.batch_figure(r, images, epoch, print), to)}")


@show_verbs.command("targets", cls=GroupedCommand)
@with_recipe
def show_targets_command(given, recipe: RecipeName = None, tricks: TrickTexts = None, images: ImageCount = 4,
                         epoch: Epoch = None, to: ToPicture = "show-targets.png", debug: Debug = False):
    """Draw the targets: smoothed, mixed, a teacher's.

    A teacher must be there already: nothing is trained here.
    """
    check_to(to)
    from ..report.plots import save_to
    from ..use import first_batch
    r = resolve(given, tricks or (), recipe)
    print(f"picture    {save_to(first_batch.targets_figure(r, images, epoch, print), to)}")

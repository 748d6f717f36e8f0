"""The verb `soup`. Light."""
from typing import Annotated

import typer

from .compare import RunTexts
from .options import Debug

AcrossSeeds = Annotated[bool, typer.Option("--across-seeds",
                                           help="one model of the runs of all seeds, which is shown and not judged")]


def soup_command(runs: RunTexts = None, across_seeds: AcrossSeeds = False, debug: Debug = False):
    """Average the weights of an ablation's runs, seed by seed: each is kept where the average is no worse on the
    validation split.

    Every soup is a run folder beside them, and `fastricks compare` shows the row `soup`, whose time is that of all its
    runs together.
    """
    from ..use.soup import soups
    for line in last_lines(soups(runs or ["runs"], across_seeds), runs or ["runs"]):
        print(line)


def last_lines(made, runs):
    from shlex import join
    return ["", f"compare   {join(['fastricks', 'compare', *runs])}"] if made else []

"""The verb `ablate`."""
from typing import Annotated

import typer

from ..core import ranks
from ..core.errors import UserError
from ..grid.plan import MODES, make_rows, parse_budget, parse_seeds
from ..grid.ray import address_of
from ..recipe.recipe import FIND
from .options import Debug, RecipeName

Rows = Annotated[list[str] | None, typer.Option(
    "--tricks", "-t", metavar="TRICKS", help="a row: a trick, or several as A+B; give one -t a row", show_default=False)]


def ablate_command(
        given, recipe: RecipeName = None, tricks: Rows = None,
        mode: Annotated[str, typer.Option(metavar="|".join(MODES), help="; ".join(f"{k}: {v}" for k, v in MODES.items()))] = "add",
        seeds: Annotated[str, typer.Option(metavar="5|0,1,2|0-4", help="seeds of every row")] = "3",
        jobs: Annotated[int, typer.Option(min=1, help="trainings at once, where cores / --threads leave room")] = 1,
        budget: Annotated[str | None, typer.Option(metavar="2h|90m", help="begin no seed that would not end in this time")] = None,
        margin: Annotated[float, typer.Option(min=0., help="points of accuracy below which a difference does not matter")] = .5,
        advise: Annotated[bool, typer.Option("--advise", help="end with one recipe to take, chosen on the validation split and "
                                             "confirmed on the test set with fresh seeds")] = False,
        confirm: Annotated[int | None, typer.Option(min=2, help="fresh seeds for --advise (default: as many as --seeds)")] = None,
        to: Annotated[list[str] | None, typer.Option(metavar="FILE", help="write the comparison: .html, .md, .csv or .tex")] = None,
        sweep: Annotated[str | None, typer.Option(metavar="FILE.yaml", help="write the grid as a W&B sweep instead of training")] = None,
        slurm: Annotated[bool, typer.Option("--slurm", help="print the grid as a SLURM array script instead of training")] = False,
        on: Annotated[str | None, typer.Option(metavar="ray[:ADDRESS]", help="train as Ray tasks: on this machine, or on a cluster")] = None,
        explain: Annotated[bool, typer.Option("--explain", help="print the plan, don't train")] = False, debug: Debug = False):
    """Train a baseline and tricks with several seeds, and say which pay.

    Finished runs are found by their recipe and never trained twice: the same command goes on where it was stopped.
    """
    if ranks.world() > 1: raise UserError("ablate starts its trainings by itself: leave out torchrun")
    if "name" in given: raise UserError("--name is for one run, and ablate makes many: choose their folder with --out")
    if "seed" in given: raise UserError("ablate trains every row with the same --seeds: leave --seed out")
    rows = make_rows(mode, given, recipe, list(tricks or ()))
    if budget: parse_budget(budget)
    if not margin > 0: raise UserError(f"--margin {margin:g} is out of range: it must be above 0")
    which = parse_seeds(seeds)
    if to:
        from ..report.compare.files import check_report_files
        check_report_files(to)
    if sweep and rows[0].recipe.lr == FIND: raise UserError("--sweep with --lr find: each of W&B's agents would find another; give --lr a number")
    if slurm and rows[0].recipe.lr == FIND: raise UserError("--slurm with --lr find: each of its tasks would find another; give --lr a number")
    if sweep: return write_sweep(rows, which, given, sweep)
    if slurm: return print_slurm(rows, which, given)
    if on: address_of(on)
    from ..grid.ablate import ablate
    if advise and rows[0].recipe.valid == 0: raise UserError("--advise chooses by a validation split: give --valid above 0")
    grid = ablate(mode, given, recipe, list(tricks), which, jobs, budget, explain, on=on)
    if explain: return
    from ..grid.advise import advise as give_advice
    report(grid, margin, to or ())
    if advise: give_advice(grid, mode, given, recipe, list(tricks), confirm, margin)


def print_slurm(rows, seeds, given):
    from ..grid.scripts import slurm_script
    for line in slurm_script(rows, seeds, given): print(line)


def report(grid, margin, to):
    from ..report.compare.comparison import compare
    from ..report.compare.files import save_comparison
    from ..report.compare.terminal import terminal
    from ..report.runs import load_runs
    base = grid.folders_of(grid.rows[0])
    if not base: return print("no run of the first row is finished: nothing to compare with")
    c = compare(load_runs(grid.folders), baseline=str(base[0]), margin=margin)
    terminal(c)
    for file in to:
        save_comparison(c, file)
        print(f"written   {file}")


def write_sweep(rows, seeds, given, file):
    from ..grid.scripts import sweep_file
    print(f"written   {sweep_file(rows, seeds, given, file)}")
    print(f"start it with `wandb sweep {file}` and the `wandb agent` line that it prints, on as many machines as you like")

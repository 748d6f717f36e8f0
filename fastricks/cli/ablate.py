"""The verb `ablate`."""
import shlex
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from ..core import output, ranks
from ..core.errors import UserError
from ..core.imports import uncollected
from ..grid.plan import CONTROL, GRID_MODES, make_rows, parse_budget, parse_seeds, parse_tuning
from ..grid.ray import address_of
from ..recipe.recipe import FIND
from .options import AsGoodIn, Debug, PlainT, RecipeName, with_options

RowTexts = Annotated[list[str] | None, typer.Option(
    "--tricks", "-t", metavar="TRICKS", help="a row: a trick, or several as A+B; give one -t a row",
    show_default=False)]
Mode = Annotated[str, typer.Option(
    metavar="|".join(GRID_MODES), help="; ".join(f"{name}: {meaning}" for name, meaning in GRID_MODES.items()))]
SeedTexts = Annotated[str, typer.Option(metavar="5|0,1,2|0-4", help="seeds of every row")]
Jobs = Annotated[int, typer.Option(min=1, help="trainings at once, where cores / --threads leave room")]
Budget = Annotated[str | None, typer.Option(
    metavar="2h|90m", help="time budget: no seed is begun that would exceed it")]
RowMargin = Annotated[float, typer.Option(min=0., help="points of accuracy below which a difference does not matter")]
Have = Annotated[list[str] | None, typer.Option(
    metavar="FILE.json", help="count the stored runs of a file, as --to NAME.json writes one, as finished; may be "
                              "repeated")]
Tune = Annotated[str | None, typer.Option(
    metavar="lr=A/B/C", help="give each row the best of these values, chosen on the validation split in one run each, "
                             "before it is compared")]
ControlRow = Annotated[bool, typer.Option(
    "--control", help="one row more that must be null: the baseline with other draws (an A/A row)")]
Until = Annotated[str | None, typer.Option(
    metavar="settled", help="go on to 8, 12, 16 and 24 seeds with the rows that are open, within --budget")]
Once = Annotated[bool, typer.Option(
    "--once", help="one look at 5% over all of --seeds, for those who will never add any")]
Advise = Annotated[bool, typer.Option(
    "--advise", help="end with one recipe to take, chosen on the validation split and confirmed on the test set with "
                     "fresh seeds")]
TakeBets = Annotated[bool, typer.Option("--take-bets",
                                        help="of --advise: take also what costs no time and only may help")]
Confirm = Annotated[int | None, typer.Option(min=3, help="fresh seeds for --advise (default: as many as --seeds)")]
Files = Annotated[list[str] | None, typer.Option(
    metavar="FILE", help="write the comparison: .html, .md, .csv or .tex, or its runs: .json")]
Sweep = Annotated[str | None, typer.Option(metavar="FILE.yaml",
                                           help="write the grid as a W&B sweep instead of training")]
Slurm = Annotated[bool, typer.Option("--slurm", help="print the grid as a SLURM array script instead of training")]
On = Annotated[str | None, typer.Option(metavar="ray[:ADDRESS]",
                                        help="train as Ray tasks: on this machine, or on a cluster")]
Explain = Annotated[bool, typer.Option("--explain", help="print the plan, don't train")]


@dataclass(frozen=True)
class AblateOptions:
    "The options of `ablate` beside the fields of its recipe"
    recipe: RecipeName = None
    tricks: RowTexts = None
    mode: Mode = "add"
    seeds: SeedTexts = "5"
    jobs: Jobs = 1
    budget: Budget = None
    margin: RowMargin = .5
    have: Have = None
    tune: Tune = None
    control: ControlRow = False
    until: Until = None
    once: Once = False
    plain_t: PlainT = False
    as_good_in: AsGoodIn = 1.
    advise: Advise = False
    confirm: Confirm = None
    take_bets: TakeBets = False
    to: Files = None
    sweep: Sweep = None
    slurm: Slurm = False
    on: On = None
    explain: Explain = False
    debug: Debug = False


@with_options
def ablate_command(given, asked: AblateOptions):
    """Ablation study: train a baseline and tricks with several seeds, and say which improve accuracy.

    Finished runs are found by their recipe and never trained twice: the same command resumes an ablation that was
    stopped.
    """
    check_given(given)
    asked = with_control(asked)
    rows = make_rows(asked.mode, given, asked.recipe, list(asked.tricks or ()))
    seeds = check_values(asked)
    check_scripts(asked, rows[0].recipe)
    if asked.sweep:
        return write_sweep(rows, seeds, given, asked.sweep)
    if asked.slurm:
        return print_slurm(rows, seeds, given)
    if asked.on:
        address_of(asked.on)
    if asked.advise and rows[0].recipe.valid == 0:
        raise UserError("--advise chooses by a validation split: give --valid above 0")
    train_rows(given, asked, seeds)


def with_control(asked):
    "The A/A row as one of -t"
    if not asked.control:
        return asked
    if asked.mode != "add":
        raise UserError(f"--control is a row beside the others, which --mode {asked.mode} has not: leave one out")
    texts = list(asked.tricks or ())
    return replace(asked, tricks=texts if CONTROL in texts else [*texts, CONTROL])


# -- checks

def check_given(given):
    "What the recipe's options can't be here"
    if ranks.world() > 1:
        raise UserError("ablate starts its trainings by itself: leave out torchrun")
    if "name" in given:
        raise UserError("--name is for one run, and ablate makes many: choose their folder with --out")
    if "seed" in given:
        raise UserError("ablate trains every row with the same --seeds: leave --seed out")


def check_values(asked):
    "The seeds, once all options that have a language of their own can be read"
    if asked.budget:
        parse_budget(asked.budget)
    check_tuning(asked)
    if asked.until not in (None, "settled"):
        raise UserError(f"--until {asked.until} is not 'settled', which is all that it can be")
    if asked.until and asked.once:
        raise UserError("--until settled climbs the ladder, and --once looks once: leave one out")
    if not asked.margin > 0:
        raise UserError(f"--margin {asked.margin:g} is out of range: it must be above 0")
    seeds = parse_seeds(asked.seeds)
    if asked.to:
        from ..report.compare.files import check_report_files
        check_report_files(asked.to)
    return seeds


def check_tuning(asked):
    if not asked.tune:
        return
    parse_tuning(asked.tune)
    if asked.sweep or asked.slurm:
        raise UserError("--tune chooses between trainings, which a script can't: leave one out")
    if asked.advise:
        raise UserError("--advise gives one recipe of the options that were given, and --tune others to each row: "
                        "leave one out")


def check_scripts(asked, recipe):
    "A sweep's and an array's trainings know nothing of each other"
    if recipe.lr != FIND:
        return
    if asked.sweep:
        raise UserError("--sweep with --lr find: each of W&B's agents would find another; give --lr a number")
    if asked.slurm:
        raise UserError("--slurm with --lr find: each of its tasks would find another; give --lr a number")


# -- what is done

def train_rows(given, asked, seeds):
    with uncollected():
        from ..grid.ablate import ablate
    from ..grid.verdicts import Judging, comparison_of
    from ..report.compare.terminal import terminal
    rows = asked.mode, given, asked.recipe, list(asked.tricks)
    judging = Judging(asked.margin, asked.once, asked.plain_t, asked.as_good_in)
    tune = parse_tuning(asked.tune) if asked.tune else None
    how = dict(jobs=asked.jobs, on=asked.on, judging=judging, have=tuple(asked.have or ()), tune=tune, say=output.tell)
    if asked.until and not asked.explain:
        grid, c = climbed(rows, seeds, asked.budget, how)
    else:
        grid = ablate(*rows, seeds, asked.budget, asked.explain, **how)
        if asked.explain:
            return
        c = comparison_of(grid, judging)
        if c:
            terminal(c)
    if not c:
        return print("no run of the first row is finished: nothing to compare with")
    write_reports(c, asked.to or ())
    if asked.advise:
        from ..grid.advise import advise
        advise(grid, *rows, asked.confirm, asked.take_bets)


def climbed(rows, seeds, budget, how):
    from ..grid.climb import until_settled
    from ..report.compare.terminal import terminal
    return until_settled(*rows, seeds, budget, terminal, **how)


def write_reports(c, files):
    from ..report.compare.files import save_comparison
    for file in files:
        save_comparison(c, file)
        print(f"written   {file}")


def print_slurm(rows, seeds, given):
    from ..grid.scripts import slurm_script
    for line in slurm_script(rows, seeds, given):
        print(line)


def write_sweep(rows, seeds, given, file):
    from ..grid.scripts import sweep_file
    print(f"written   {sweep_file(rows, seeds, given, file)}")
    print(f"start it with `{shlex.join(['wandb', 'sweep', file])}` and the `wandb agent` line that it prints, on as "
          "many machines as you like")

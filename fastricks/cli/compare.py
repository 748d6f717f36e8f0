"""`fastricks compare`: its arguments. Light, so that --help is instant."""
from dataclasses import dataclass
from typing import Annotated

import typer

from .options import AsGoodIn, Debug, PlainT, with_options

METRIC_CHOICES = "top1|top5|loss|loss_t|macro_f1|balanced_accuracy|ece|ece_t"
RunTexts = Annotated[list[str] | None, typer.Argument(
    metavar="RUNS", help="run folders, globs, folders of runs, groups of runs, or JSON files of stored runs [default: "
                         "runs]", show_default=False)]
Baseline = Annotated[str | None, typer.Option(
    metavar="NAME|RECIPE", help="what to compare with: a row's tricks, a run, a group or a named recipe [default: the "
                                "row without tricks]",
    show_default=False)]
By = Annotated[str | None, typer.Option(
    metavar="test|valid", help="whose images [default: test, or valid where there is no test set]", show_default=False)]
Margin = Annotated[float | None, typer.Option(
    help="the difference that matters, in points of accuracy [default: 0.5] or nats of loss [default: 0.02]",
    show_default=False)]
MetricName = Annotated[str, typer.Option(metavar=METRIC_CHOICES, help="what to compare")]
OneLook = Annotated[bool, typer.Option(
    "--once", help="one look at 5% over all seeds there are, instead of looks at 5, 8, 12, 16 and 24: for those who "
                   "will never add any")]
FamilyName = Annotated[str | None, typer.Option(
    metavar="HASH", help="the recorded family that a false verdict is counted over [default: the newest with all of "
                         "these rows]",
    show_default=False)]
ToFiles = Annotated[list[str] | None, typer.Option(
    metavar="FILE", help="write a report: NAME.html, .md, .csv or .tex, or the runs: NAME.json; may be repeated",
    show_default=False)]
Wandb = Annotated[str | None, typer.Option(
    metavar="online|offline", help="log the table and the pictures as a W&B run of job type report",
    show_default=False)]
WandbDir = Annotated[str, typer.Option(metavar="DIR", help="where that run's files go")]
Anyway = Annotated[bool, typer.Option("--force",
                                      help="compare runs with different data or settings, with a warning")]


@dataclass(frozen=True)
class CompareOptions:
    "The options of `compare`"
    baseline: Baseline = None
    by: By = None
    margin: Margin = None
    metric: MetricName = "top1"
    once: OneLook = False
    family: FamilyName = None
    as_good_in: AsGoodIn = 1.
    plain_t: PlainT = False
    to: ToFiles = None
    wandb: Wandb = None
    wandb_dir: WandbDir = "runs/report"
    anyway: Anyway = False
    debug: Debug = False

    @property
    def how(self):
        "As `comparisons` takes them"
        names = "baseline", "by", "anyway", "margin", "metric", "once", "family", "as_good_in"
        return {**{k: getattr(self, k) for k in names}, "plain": self.plain_t}


@with_options
def compare_command(runs: RunTexts = None, asked: CompareOptions = None):
    """Say which tricks improve accuracy: recipes with their seeds against a baseline, with intervals and verdicts.

    `fastricks compare runs --to report.html`; rows are recipes, seeds are paired where they are the same.
    """
    from ..report.compare.files import check_report_files
    from ..report.compare.groups import comparisons
    from ..runfolder.tracking import resolve_mode
    check_report_files(asked.to or ())
    if asked.wandb:
        resolve_mode(asked.wandb)
    tables, lost = comparisons(runs or ["runs"], **asked.how)
    for k, c in enumerate(tables, 1):
        show_table(c, k, len(tables), asked)
    for line in lost:
        print(line)


def show_table(c, k, of, asked):
    "The k-th table on the screen, and where else it was asked for"
    from ..report.compare.files import save_comparison
    from ..report.compare.groups import numbered_file, place_text
    from ..report.compare.terminal import terminal
    if k > 1:
        print()
    if of > 1:
        print(f"table {k} of {of}: {place_text(c.runs)}")
    terminal(c)
    for path in asked.to or ():
        print(f"report    {save_comparison(c, numbered_file(path, k))}")
    if asked.wandb:
        log(c, numbered_file(asked.wandb_dir, k), asked.wandb)


def log(c, folder, mode):
    from ..report.compare.wandb import log_report
    line = log_report(c, folder, mode)
    if line:
        print(f"W&B       {line}")

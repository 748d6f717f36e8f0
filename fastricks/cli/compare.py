"""`fastricks compare`: its arguments. Light, so that --help is instant."""
from typing import Annotated

import typer


def compare_command(
        runs: Annotated[list[str] | None, typer.Argument(
            metavar="RUNS", help="run folders, globs, folders of runs, or groups of runs [default: runs]", show_default=False)] = None,
        baseline: Annotated[str | None, typer.Option(
            metavar="NAME|RECIPE", help="what to compare with: a row's tricks, a run, a group or a named recipe [default: the row "
            "without tricks]", show_default=False)] = None,
        by: Annotated[str | None, typer.Option(metavar="test|valid", show_default=False,
                                               help="whose images [default: test, or valid where there is no test set]")] = None,
        margin: Annotated[float | None, typer.Option(
            help="the difference that matters, in points of accuracy [default: 0.5] or nats of loss [default: 0.02]",
            show_default=False)] = None,
        metric: Annotated[str, typer.Option(metavar="top1|top5|loss", help="what to compare")] = "top1",
        to: Annotated[list[str] | None, typer.Option(
            metavar="FILE", help="write a report: NAME.html, .md, .csv or .tex; may be repeated", show_default=False)] = None,
        wandb: Annotated[str | None, typer.Option(metavar="online|offline", show_default=False,
                                                  help="log the table and the pictures as a W&B run of job type report")] = None,
        wandb_dir: Annotated[str, typer.Option(metavar="DIR", help="where that run's files go")] = "runs/report",
        anyway: Annotated[bool, typer.Option("--anyway", help="compare what is not comparable, with a warning")] = False,
        debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False):
    """Say which tricks pay: recipes with their seeds against a baseline, with tests, intervals and verdicts.

    `fastricks compare runs --to report.html`; rows are recipes, seeds are paired where they are the same.
    """
    from ..report.compare.comparison import compare
    from ..report.compare.files import check_report_files, save_comparison
    from ..report.compare.terminal import terminal
    from ..runfolder.tracking import resolve_mode
    check_report_files(to or ())
    if wandb: resolve_mode(wandb)
    c = compare(runs or ["runs"], baseline, margin, metric, by, anyway)
    terminal(c)
    for path in to or (): print(f"report    {save_comparison(c, path)}")
    if wandb: log(c, wandb_dir, wandb)


def log(c, folder, mode):
    from ..report.compare.wandb import log_report
    line = log_report(c, folder, mode)
    if line: print(f"W&B       {line}")

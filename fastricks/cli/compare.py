"""`fastricks compare`: its arguments. Light, so that --help is instant."""
from typing import Annotated

import typer

METRICS = "top1|top5|loss|loss_t|macro_f1|balanced_accuracy|ece"


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
        metric: Annotated[str, typer.Option(metavar=METRICS, help="what to compare")] = "top1",
        once: Annotated[bool, typer.Option("--once", help="one look at 5% over all seeds there are, instead of looks at 5, 8, 12, 16 and 24: "
                                           "for those who will never add any")] = False,
        family: Annotated[str | None, typer.Option(
            metavar="HASH", help="the recorded family that a false verdict is counted over [default: the newest with all of these rows]",
            show_default=False)] = None,
        as_good_in: Annotated[float, typer.Option(
            metavar="SHARE", help="a row as good as the baseline must take less than this share of its time to be called so")] = 1.,
        plain_t: Annotated[bool, typer.Option("--plain-t", help="no variance is steadied by the images' luck")] = False,
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
    from ..report.compare.files import check_report_files, save_comparison
    from ..report.compare.groups import comparisons, numbered_file, place_text
    from ..report.compare.terminal import terminal
    from ..runfolder.tracking import resolve_mode
    check_report_files(to or ())
    if wandb: resolve_mode(wandb)
    tables, lost = comparisons(runs or ["runs"], baseline, by, anyway, margin=margin, metric=metric, once=once, family=family,
                               as_good_in=as_good_in, plain=plain_t)
    for k, c in enumerate(tables, 1):
        if k > 1: print()
        if len(tables) > 1: print(f"table {k} of {len(tables)}: {place_text(c.runs)}")
        terminal(c)
        for path in to or (): print(f"report    {save_comparison(c, numbered_file(path, k))}")
        if wandb: log(c, numbered_file(wandb_dir, k), wandb)
    for line in lost: print(line)


def log(c, folder, mode):
    from ..report.compare.wandb import log_report
    line = log_report(c, folder, mode)
    if line: print(f"W&B       {line}")

"""What a folder of all sorts of runs says: a Comparison for each data set and evaluation, each with its own baseline.
"""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.errors import UserError
from ..find import load_runs
from ..runs import DivergedRun, FinishedRun
from .comparison import Comparison, compare
from .rows import NoBaseline, comparison_rows, size_text


def comparisons(runs: Sequence[str | Path], baseline: str | None = None, by: str | None = None, anyway: bool = False,
                **how: Any) -> tuple[list[Comparison], list[str]]:
    """(Comparisons, lines on what has no place in one) of runs as `load_runs` takes them; options as `compare` has
    them.

    Runs of other data, another split or another size are no error: they have a table of their own. Where no row is the
    baseline by itself, the one without tricks that has the most runs is taken (or the one with the most), with a
    warning. `anyway`: all in one table. Raises UserError where nothing can be compared.
    """
    notes: list[str] = []
    diverged: list[DivergedRun] = []
    found = load_runs(runs, notes.append, diverged)
    groups = [found] if anyway else [*comparable_groups(found, by).values()]
    made: list[Comparison] = []
    lost: list[tuple[list[FinishedRun], UserError]] = []
    for group in groups:
        own = [] if made else notes
        try:
            made.append(table_of(group, baseline, own, by=by, anyway=anyway, diverged=diverged, **how))
        except UserError as e:
            lost.append((group, e))
    if not made:
        raise lost[0][1]
    return made, [f"no table for {place_text(group)}: {e}" for group, e in lost]


def table_of(runs: list[FinishedRun], baseline: str | None, notes: list[str], **how: Any) -> Comparison:
    "The Comparison of runs that can be compared, with whatever baseline there is"
    try:
        return compare(runs, baseline, notes=notes, **how)
    except NoBaseline as e:
        if baseline is not None:
            raise
        label = likely_baseline(runs, how["anyway"])
        said = (f"warning: {str(e).split(':')[0]}: compared with {label!r}, which has the most runs; --baseline "
                "chooses another")
        return compare(runs, label, notes=[*notes, said], **how)


def likely_baseline(runs: list[FinishedRun], anyway: bool) -> str:
    "The label of the row without tricks that has the most runs, or of the row with the most"
    rows = comparison_rows(runs, lambda line: None, anyway)
    plain = [row for row in rows if row.runs[0].plain]
    return max(plain or rows, key=lambda row: len(row.runs)).label


def comparable_groups(runs: list[FinishedRun], by: str | None) -> dict[tuple[str, str, str], list[FinishedRun]]:
    "(data, size, split) -> runs that can be compared"
    groups: dict[tuple[str, str, str], list[FinishedRun]] = {}
    for r in runs:
        groups.setdefault((r.data["fingerprint"], size_text(r), by or r.metrics["split"]), []).append(r)
    return groups


def place_text(runs: list[FinishedRun]) -> str:
    "`digits at 32→32 pixels, 12 runs`"
    return f"{runs[0].data['name']} at {size_text(runs[0])} pixels, {len(runs)} run{'s' * (len(runs) > 1)}"


def numbered_file(path: str | Path, k: int) -> Path:
    "The file of the k-th table: `r.html`, `r-2.html`, `r-3.html`"
    file = Path(path)
    return file if k == 1 else file.with_name(f"{file.stem}-{k}{file.suffix}")

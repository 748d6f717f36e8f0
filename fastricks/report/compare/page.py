"""A Comparison as one HTML page that needs nothing from elsewhere."""
import re
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..html import (
    EMPTY,
    STYLE,
    TABLE_STYLE,
    Html,
    definitions,
    document,
    drawing,
    figure,
    heading,
    paragraph,
    repeated,
    table_element,
    warnings,
    wide,
)
from ..runs import FinishedRun
from .outcome import Outcome
from .pictures import picture_caption, pictures
from .rows import ComparisonRow
from .table import Column, comparison_title, explanation, headline, measured_facts, table_columns, verdict_groups
from .words import style_of


def comparison_page(c: Outcome, base: Path | None = None) -> str:
    "The whole page; `base`: the folder that it will lie in, from which it links to the runs' own pages"
    title = comparison_title(c)
    said = repeated(Html('<p class="said"><b>{}</b>: {}</p>'), verdict_groups(c).items())
    figures = [figure(drawing(fig), picture_caption(name, c)) for name, fig in pictures(c).items()]
    return document(
        title,
        heading(title, 1),
        said,
        warnings(n for n in c.notes if is_warning(n)),
        paragraph(headline(c)),
        wide(table_html(c)),
        *map(paragraph, explanation(c)),
        notes_html(c),
        heading("Pictures"),
        *figures,
        heading("Setup"),
        definitions(measured_facts(c)),
        heading("Runs"),
        runs_html(c, base),
        style=STYLE)


def is_warning(note: str) -> bool: return note.startswith("warning")


def notes_html(c: Outcome) -> Html:
    rest = [n for n in c.notes if not is_warning(n)]
    return Html('<ul class="small">{}</ul>').format(repeated(Html("<li>{}</li>"), rest)) if rest else EMPTY


# -- tables

def notebook_html(c: Outcome) -> str:
    "The table alone, with its own style"
    return str(Html("<style>{}</style>{}").format(TABLE_STYLE, table_html(c)))


def table_html(c: Outcome) -> Html:
    cols = verdict_first(table_columns(c))
    rows = [(style_of(row), [cell_html(o, row) for o in cols]) for row in c.rows]
    return table_element([o.head for o in cols], rows, [column_class(o) for o in cols])


def verdict_first(cols: list[Column]) -> list[Column]:
    "The verdict is the first thing one sees, also where a narrow screen shows the first columns only"
    return sorted(cols, key=lambda o: o.name != "verdict")


def column_class(col: Column) -> str:
    if not col.left:
        return ""
    return f"words {col.name}" if col.name in ("verdict", "tricks") else "words"


def cell_html(col: Column, row: ComparisonRow) -> str:
    "A cell's text; a selection of tricks may be broken after + , and :"
    text = col.cell(row)
    return Html("<wbr>").join(re.split("(?<=[+,:])(?=[a-z])", text)) if col.left else text


def runs_html(c: Outcome, base: Path | None = None) -> Html:
    "Every run with its own number, and a link to its page"
    head = ["recipe", "seed", f"{c.metric.title} {c.metric.unit}", "seconds", "run"]
    rows = [("", run_cells(c, row, run, base)) for row in c.rows for run in row.runs]
    return wide(table_element(head, rows, ["words", "", "", "", "words"]))


def run_cells(c: Outcome, row: ComparisonRow, run: FinishedRun, base: Path | None) -> list[Any]:
    value = f"{run.value(c.metric, c.split):.{c.metric.digits}f}"
    return [row.label, run.seed, value, f"{run.seconds:,.1f}", linked_name(run, base)]


def linked_name(run: FinishedRun, base: Path | None) -> str:
    "A run's name, with a link to its index.html where it has one"
    file = run.folder / "index.html"
    if not base or not file.is_file():
        return run.name
    return Html('<a href="{}">{}</a>').format(relative_address(file, base), run.name)


def relative_address(file: Path, base: Path) -> str:
    "The address of a file as seen from a folder, so that both can be moved together"
    try:
        return quote(Path(relpath(file.resolve(), base.resolve())).as_posix())
    except ValueError:
        return file.resolve().as_uri()  # Windows: on another drive

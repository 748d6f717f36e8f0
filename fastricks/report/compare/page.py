"""A Comparison as one HTML page that needs nothing from elsewhere."""
import re
from pathlib import Path
from typing import Any

from ..html import (
    EMPTY,
    TABLE_STYLE,
    Html,
    band,
    definitions,
    drawing,
    figure,
    page,
    paragraph,
    repeated,
    table_element,
    warnings,
    wide,
)
from ..links import INDEX, navigation, relative_address
from ..runs import FinishedRun
from .outcome import Outcome
from .pictures import picture_caption, picture_words, pictures
from .rows import ComparisonRow
from .table import (
    Column,
    comparison_title,
    explanation,
    headline,
    mean_sd,
    measured_facts,
    table_columns,
    verdict_groups,
)
from .words import STYLE_CLASSES, style_of


def comparison_page(c: Outcome, base: Path | None = None) -> str:
    "The whole page; `base`: the folder that it will lie in, from which it links to the runs' own pages"
    said = repeated(Html('<p class="said {}"><b>{}</b> {}</p>'),
                    [(STYLE_CLASSES.get(word, ""), word, rows) for word, rows in verdict_groups(c).items()])
    top = said or paragraph(single_words(c), "big")
    summary = band(top + paragraph(headline(c))) + warnings(n for n in c.notes if is_warning(n))
    sections = {
        "Table": wide(table_html(c)) + EMPTY.join(map(paragraph, explanation(c))) + notes_html(c),
        "Plots": EMPTY.join(plots_html(c)), "Setup": definitions(measured_facts(c)), "Runs": runs_html(c, base)}
    return page(comparison_title(c), summary, sections, links=to_the_list(c, base))


def single_words(c: Outcome) -> str:
    "The only row's number: what a reader of a table without a comparison takes along"
    return f"{c.metric.title} {mean_sd(c.baseline.summary, c.metric.digits)} {c.metric.unit}"


def plots_html(c: Outcome) -> list[Html]:
    "Each picture with its caption, and what it shows in words"
    return [figure(drawing(fig, picture_words(name, c), broad=True), picture_caption(name, c))
            for name, fig in pictures(c).items()]


def to_the_list(c: Outcome, base: Path | None) -> Html:
    "A link to the list of all runs of the folder that the runs lie in, where there is one"
    places = sorted({run.folder.parent / INDEX for run in c.runs})
    there = [file for file in places if base and file.is_file()]
    return navigation([(f"all runs in {file.parent.resolve().name}", relative_address(file, base)) for file in there])


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
    return wide(table_element(head, rows, ["words", "", "", "", "words whole"]))


def run_cells(c: Outcome, row: ComparisonRow, run: FinishedRun, base: Path | None) -> list[Any]:
    value = f"{run.value(c.metric, c.split):.{c.metric.digits}f}"
    return [row.label, run.seed, value, f"{run.seconds:,.1f}", linked_name(run, base)]


def linked_name(run: FinishedRun, base: Path | None) -> str:
    "A run's name, with a link to its page where it has one"
    file = run.folder / INDEX
    if not base or not file.is_file():
        return run.name
    return Html('<a href="{}">{}</a>').format(relative_address(file, base), run.name)

"""A Comparison as Markdown, CSV, LaTeX and HTML, written to files."""
import re
from collections.abc import Iterable
from pathlib import Path

from ...core.errors import UserError, one_of
from ...core.files import rows_to_csv, write
from .latex import latex
from .outcome import Outcome
from .table import comparison_title, explanation, headline, measured_facts, table_columns


def markdown(c: Outcome) -> str:
    cols = table_columns(c)
    facts = [f"- {k}: {v}" for k, v in measured_facts(c).items()]
    rule = "|".join(":--" if o.left else "--:" for o in cols)
    lines = [
        f"# {comparison_title(c)}",
        "",
        *([headline(c), ""] if headline(c) else []),
        markdown_row(o.head for o in cols),
        f"|{rule}|",
        *(markdown_row(o.cell(row) for o in cols) for row in c.rows),
        "",
        *explanation(c),
        "",
        *(f"- {n}" for n in c.notes),
        *facts,
    ]
    text = "\n".join(lines) + "\n"
    return re.sub("<(?=[a-zA-Z/!?])", "&lt;", text)  # a class may be called <b>, and Markdown lets HTML through


def markdown_row(texts: Iterable[str]) -> str:
    cells = [text.replace("|", "\\|") for text in texts]
    return f"| {' | '.join(cells)} |"


def csv_text(c: Outcome) -> str: return rows_to_csv(c.records())


def html(c: Outcome, base: Path | None = None) -> str:
    from .page import comparison_page
    return comparison_page(c, base)


def stored(c: Outcome) -> str:
    from ..stored import stored_text
    return stored_text(c.runs)


REPORT_FORMATS = {".md": markdown, ".csv": csv_text, ".tex": latex, ".html": html, ".json": stored}


def check_report_files(paths: Iterable[str | Path]) -> None:
    "Before any work: each --to can be written"
    for p in map(Path, paths):
        if p.suffix.lower() not in REPORT_FORMATS:
            raise UserError(f"--to {p}: a report is one of {one_of('NAME' + s for s in REPORT_FORMATS)}")
        if p.is_dir():
            raise UserError(f"--to {p} is a folder: name a file in it, as {p / ('report' + p.suffix)}")


def save_comparison(c: Outcome, path: str | Path) -> Path:
    "Write a Comparison in the format that the file's name asks for, whole or not at all"
    file = Path(path)
    check_report_files([file])
    kind = file.suffix.lower()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, html(c, file.parent) if kind == ".html" else REPORT_FORMATS[kind](c))
        link_back(c, file)
    except OSError as e:
        raise UserError(f"--to {path}: can't be written ({e.strerror})") from None
    return file


def link_back(c: Outcome, file: Path) -> None:
    "Have the runs' pages link to a comparison's"
    from ..links import relink
    if file.suffix.lower() == ".html":
        for run in c.runs:
            relink(run.folder, file)

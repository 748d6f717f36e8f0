"""A Comparison as a terminal table, Markdown, CSV and LaTeX; its words and facts for the HTML page too."""
import re
from pathlib import Path

from ...core.errors import UserError, one_of
from ...core.files import rows_to_csv, write
from .latex import latex
from .table import columns, explain, facts, title

# -- files

def markdown(c):
    cols = columns(c)
    cell = lambda text: text.replace("|", "\\|")
    lines = [f"# {title(c)}", "", "| " + " | ".join(cell(o.head) for o in cols) + " |",
             "|" + "|".join(":--" if o.left else "--:" for o in cols) + "|",
             *("| " + " | ".join(cell(o.cell(row)) for o in cols) + " |" for row in c.rows), "", *explain(c)]
    text = "\n".join([*lines, "", *(f"- {n}" for n in c.notes), *(f"- {k}: {v}" for k, v in facts(c).items())]) + "\n"
    return re.sub("<(?=[a-zA-Z/!?])", "&lt;", text)  # a class or a folder may be called <b>, and Markdown lets HTML through


def csv_text(c): return rows_to_csv(c.records())


def html(c, base=None):
    from .page import page
    return page(c, base)


FORMATS = {".md": markdown, ".csv": csv_text, ".tex": latex, ".html": html}


def check_to(paths):
    "Before any work: each --to can be written"
    for p in map(Path, paths):
        if p.suffix.lower() not in FORMATS: raise UserError(f"--to {p}: a report is one of {one_of('NAME' + s for s in FORMATS)}")
        if p.is_dir(): raise UserError(f"--to {p} is a folder: name a file in it, as {p / ('report' + p.suffix)}")


def save(c, path):
    "Write a Comparison in the format that the file's name asks for, whole or not at all"
    path = Path(path)
    check_to([path])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, html(c, path.parent) if path.suffix.lower() == ".html" else FORMATS[path.suffix.lower()](c))
    except OSError as e: raise UserError(f"--to {path}: can't be written ({e.strerror})") from None
    return path

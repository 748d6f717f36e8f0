"""A Comparison as one HTML page that needs nothing from elsewhere."""
import re
from html import escape
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from ..html import STYLE
from ..plots import svg
from ..runs import WORD
from .pictures import pictures
from .table import columns, explain, facts, title, verdicts

CAPTIONS = {
    "delta": "What each recipe gains or loses against {base}, on {n} {split} images of {data}; n: the seeds that the difference rests on.",
    "time": "{title} against training time, n seeds each. Marked is the Pareto front: no other recipe is both better and faster.",
    "curves": "Learning curves: mean over n seeds, band from the lowest to the highest seed.{loss}",
}
LOSS = (" There is no validation split, so it is the training loss: what each recipe minimises, whose levels do not compare where tricks "
        "change the loss.")


def page(c, base=None):
    "The whole page; `base`: the folder that it will lie in, from which it links to the runs' own pages"
    head = escape(title(c))
    return "\n".join([
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{head}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
        f"<h1>{head}</h1>", *(f'<p class="said"><b>{escape(w)}</b>: {escape(rows)}</p>' for w, rows in verdicts(c).items()),
        *(warning(n) for n in c.notes if is_warning(n)),
        f'<div class="wide">{table_html(c, style=False)}</div>', *(f'<p class="small">{escape(s)}</p>' for s in explain(c)), notes(c),
        "<h2>Pictures</h2>", *(figure(c, name, fig) for name, fig in pictures(c).items()),
        "<h2>Measured on and with</h2>", f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in facts(c).items())}</dl>",
        "<h2>Runs</h2>", runs_html(c, base), "</body></html>"]) + "\n"


def is_warning(note): return note.startswith("warning")


def warning(note): return f'<p class="warning">{escape(note)}</p>'


def notes(c):
    rest = [n for n in c.notes if not is_warning(n)]
    return f'<ul class="small">{"".join(f"<li>{escape(n)}</li>" for n in rest)}</ul>' if rest else ""


def table_html(c, style=True):
    "The table alone, for a notebook"
    cols = columns(c)
    kind = lambda o: f' class="words {o.name if o.name in ("verdict", "tricks") else ""}"' if o.left else ""
    head = "".join(f"<th{kind(o)}>{escape(o.head)}</th>" for o in cols)
    cell = lambda o, row: re.sub("([+,:])(?=[a-z])", r"\1<wbr>", escape(o.cell(row))) if o.left else escape(o.cell(row))
    rows = [f'<tr class="{row.verdict.replace(" ", "-")}">' + "".join(f"<td{kind(o)}>{cell(o, row)}</td>" for o in cols) + "</tr>"
            for row in c.rows]
    return ((f"<style>{STYLE[STYLE.index('table.runs'):STYLE.index('.small')]}</style>" if style else "")
            + f'<table class="runs"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>')


def figure(c, name, fig):
    loss = LOSS if "training loss" in fig.axes[0].get_ylabel() else ""
    text = CAPTIONS[name].format(base=c.baseline.label, n=f"{c.n_images:,}", split=WORD[c.split], data=c.data_name,
                                 title=c.metric.title.capitalize(), loss=loss)
    return f"<figure>{svg(fig)}<figcaption>{escape(text)}</figcaption></figure>"


def runs_html(c, base=None):
    "Every run with its own number, and a link to its page"
    m = c.metric
    row = lambda r, run: (f'<tr><td class="words">{escape(r.label)}</td><td>{run.seed}</td><td>{run.value(m, c.split):.{m.digits}f}</td>'
                          f'<td>{run.seconds:,.1f}</td><td class="words">{linked(run, base)}</td></tr>')
    head = f'<th class="words">recipe</th><th>seed</th><th>{escape(m.title)} {m.unit}</th><th>seconds</th><th class="words">run</th>'
    return (f'<div class="wide"><table class="runs"><thead><tr>{head}</tr></thead><tbody>'
            f'{"".join(row(r, run) for r in c.rows for run in r.runs)}</tbody></table></div>')


def linked(run, base):
    "A run's name, with a link to its index.html where it has one"
    file = run.folder / "index.html"
    return f'<a href="{escape(way(file, base))}">{escape(run.name)}</a>' if base and file.is_file() else escape(run.name)


def way(file, base):
    "The address of a file as seen from a folder, so that both can be moved together"
    try: return quote(Path(relpath(file.resolve(), Path(base).resolve())).as_posix())
    except ValueError: return file.resolve().as_uri()  # Windows: on another drive

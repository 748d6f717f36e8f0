"""A comparison's table in LaTeX."""
import re
from collections.abc import Iterable

from .outcome import Outcome
from .table import comparison_title, explanation, fold, headline, in_one, measured_facts, table_columns

TEX = {**{x: f"\\{x}" for x in "&%$#_{}"},
       "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$",
       "“": "``", "”": "''", "·": "$\\cdot$", "−": "$-$", "Δ": "$\\Delta$", "×": "$\\times$",
       "–": "--", "→": "$\\to$", "…": "\\ldots{}", "<": "$<$", ">": "$>$"}


def tex(text: str) -> str: return re.sub(r"(?<![\w.])-(?=\d)", "$-$", "".join(TEX.get(x, x) for x in text))


def tex_cell(text: str) -> str:
    "A cell of a line or of several"
    lines = [tex(x) for x in text.split("\n")]
    return lines[0] if len(lines) == 1 else r"\begin{tabular}[t]{@{}l@{}}" + r"\\".join(lines) + r"\end{tabular}"


def latex(c: Outcome) -> str:
    "A table for booktabs and graphicx; a page's width holds fewer columns"
    cols = [o for o in in_one(c, table_columns(c)) if o.name not in ("p", "agree", "time", "R")]
    first, *rest = (tex_row(tex_cell(fold(o, o.cell(row), 24)) for o in cols) for row in c.rows)
    said, *notes = explanation(c, agree=False)
    notes += [*c.notes, *(f"{k}: {v}" for k, v in measured_facts(c).items())]
    adjusted = "".join("l" if o.left else "r" for o in cols)
    caption = ". ".join(map(tex, (comparison_title(c), headline(c), said)))
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        r"\smallskip\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{adjusted}}}",
        r"\toprule",
        tex_row(tex(o.head) for o in cols),
        r"\midrule",
        first,
        *([r"\midrule"] if rest else []),
        *rest,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *(tex(n) + r"\par" for n in notes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def tex_row(cells: Iterable[str]) -> str: return " & ".join(cells) + r" \\"

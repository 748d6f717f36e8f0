"""A Comparison as a terminal table, Markdown, CSV and LaTeX; its words and facts for the HTML page too."""
import math
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import wrap

from .errors import UserError, one_of, plural
from .results import WORD, device
from .runs import rows_to_csv, write
from .stats import HELPS, HURTS, OPEN, PAIRED, SAME, WELCH

NONE = "–"
VERSIONS = "fastricks", "python", "torch", "torchvision", "fastai", "timm", "numpy"
STYLES = {HELPS: "green", HURTS: "red", SAME: "cyan", OPEN: "dim"}


# -- numbers as text

def none(x): return x is None or x != x


def number(x, digits): return NONE if none(x) else f"{x:.{digits}f}"


def signed(x, digits): return NONE if none(x) else f"{x:+.{digits}f}"


def interval(low, high, digits): return NONE if none(low) else f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def with_interval(x, low, high, digits): return signed(x, digits) + ("" if none(low) else " " + interval(low, high, digits))


def p_text(p): return NONE if none(p) else "<0.001" if p < .0005 else f"{p:.3f}"


def share(x): return NONE if none(x) else f"{x:.1%}"


def duration(s):
    "`4.2 s`, `43 s`, `12 min`, `1.5 h`"
    for most, unit, name in ((90, 1, "s"), (5400, 60, "min"), (math.inf, 3600, "h")):
        if s < most: return f"{s / unit:.{1 if s < 10 * unit else 0}f} {name}"


# -- the table's columns

@dataclass(frozen=True)
class Column:
    name: str            # what a narrow terminal drops it by
    head: str
    cell: object         # Row -> text
    left: bool = False   # words, not numbers


# what a narrow terminal does without, in this order; ONE: all that differs goes into one column
ONE = "one"
DROPPED = "test", "p", "agree", ONE, "images", "ratio", "time", "holm"


def columns(c):
    "The Columns of a Comparison's table"
    m, k = c.metric, c.metric.digits
    d = lambda f: lambda row: f(row.diff) if row.diff else NONE
    varies = [Column(x, x, lambda row, x=x: row.varies[x], True) for x in c.baseline.varies] or [recipe_column()]
    first = [*varies, Column("n", "n", lambda row: str(row.summary.n)),
             Column("value", f"{m.title.removesuffix(' accuracy')} {m.unit} ± sd", lambda row: mean_sd(row.summary, k))]
    time = Column("time", "time", lambda row: duration(row.seconds))
    if len(c.rows) == 1: return [*first, time]
    return [*first, Column("delta", f"Δ {m.points} [95%]", d(lambda x: with_interval(x.delta, x.low, x.high, k))),
            Column("test", "test", d(lambda x: x.test), True), Column("p", "p", d(lambda x: p_text(x.p))),
            Column("holm", "Holm p", lambda row: p_text(row.p_holm)),
            Column("images", "seeds & images", lambda row: interval(*row.images, k)),
            Column("agree", "agree", lambda row: share(row.agreement)), time,
            Column("ratio", "× time", lambda row: number(row.ratio[0], 2)), Column("verdict", "verdict", lambda row: row.words, True)]


def recipe_column(): return Column("tricks", "recipe", lambda row: row.label, True)


def mean_sd(s, k): return number(s.mean, k) + ("" if none(s.sd) else f" ± {s.sd:.{k}f}")


# -- its words

def explain(c, agree=True):
    "What the columns are (with or without `agree`) and what the intervals cover: sentences"
    m, x = c.metric, f"{c.margin:g} {c.metric.points}"
    images = plural(c.n_images, WORD[c.split] + " image")
    out = f"n seeds; {m.title} on {images} of {c.data_name}, mean ± sd over the seeds; time of training, mean over the seeds"
    if len(c.rows) == 1: return [out + ".", *mean_interval(c)]
    return [out + " (× time: geometric mean of the ratios to the baseline's).", how(c, agree),
            f"Verdicts: helps or hurts where Holm p < 0.05; no difference where the 95% interval lies within ±{x}; else about how many "
            f"seeds would settle it (80% power at {x}).", coverage(c)]


def how(c, agree):
    "`Δ: to baseline, with its 95% interval by a paired t over the seeds; …`"
    tests = " or ".join({PAIRED: "a paired t over the seeds", WELCH: "Welch's t over unpaired seeds"}[t] for t in c.tests)
    parts = [f"Δ: to {c.baseline.label}, " + (f"with its 95% interval by {tests}" if tests else "with no test: too few seeds")]
    if c.family: parts.append(f"Holm p: adjusted for {plural(c.family, 'comparison')}")
    if agree and any(not none(r.agreement) for r in c.rows[1:]):
        parts.append("agree: share of images predicted as by the baseline (baseline: as by its other seeds)")
    return "; ".join(parts) + "."


def mean_interval(c):
    s, k, u = c.baseline.summary, c.metric.digits, c.metric.unit
    if none(s.low): return []
    return [f"95% interval of the mean over {plural(s.n, 'seed')}: {s.low:.{k}f} to {s.high:.{k}f} {u}; lowest {s.min:.{k}f}, highest "
            f"{s.max:.{k}f}. It covers the choice of seeds, not of data or test images."]


def coverage(c):
    "What the intervals cover, and what they do not"
    both = any(not none(r.images[0]) for r in c.rows)
    return ("The first interval covers the choice of seeds only (order, augmentation, new weights), on this very "
            f"{WORD[c.split]} set" + ("; “seeds & images” also covers the choice of its images" if both else "") +
            ". None covers other data, another split of it, other settings or other pre-trained weights.")


def verdicts(c):
    "verdict -> `a (+1.20), b (+0.80)`"
    text = lambda r: f"{r.label} ({signed(r.diff.delta, c.metric.digits)})"
    groups = {w: [text(r) for r in c.rows if r.verdict == w] for w in (HELPS, HURTS, SAME, OPEN)}
    return {w: ", ".join(rows) for w, rows in groups.items() if rows}


def facts(c):
    "What the numbers were measured on and with: heading -> text"
    runs, e = c.runs, [r.environment for r in c.runs]
    split = {k: each(f"{r.data[k]:,}" for r in runs) for k in ("train", "valid", "test")}
    return {"data": f"{each(r.data['name'] for r in runs)} ({each(r.data['fingerprint'] for r in runs)}): {split['train']} training, "
                    f"{split['valid']} validation, {split['test']} test images",
            "network": f"{each(r.recipe.arch for r in runs)}, {each(plural(r.recipe.epochs, 'epoch') for r in runs)}, "
                       f"{each(r.recipe.size for r in runs)} pixels",
            "seeds": "; ".join(f"{row.label}: {' '.join(map(str, row.seeds))}" for row in c.rows) if len(
                {tuple(row.seeds) for row in c.rows}) > 1 else f"{' '.join(map(str, c.baseline.seeds))}, the same for all rows",
            "hardware": each(device(r) for r in runs),
            "versions": ", ".join(f"{k} {each(x.get(k, '?') for x in e)}" for k in VERSIONS),
            "code": each(revision(x.get("git") or {}) for x in e),
            "date": f"runs {span(r.date[:10] for r in runs)}; report {date.today()}"}


def each(values): return " / ".join(dict.fromkeys(str(v) for v in values))


def revision(git): return f"git {git['revision'][:12]}{' with changes' if git.get('changed') else ''}" if git.get("revision") else "no git"


def span(days):
    days = sorted({*days})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def title(c):
    if len(c.rows) == 1: return f"{c.baseline.label} on {c.data_name}"
    return f"{plural(len(c.rows) - 1, 'recipe')} against {c.baseline.label} on {c.data_name}"


# -- terminal

def table(c, width):
    "(a rich Table of as many columns as `width` holds, the heads of those left out); words are folded first"
    from rich.table import Table
    from rich.text import Text
    t = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    kept, words = fit(c, columns(c), width)
    for o in kept: t.add_column(o.head, justify="left" if o.left else "right", no_wrap=not o.left, overflow="fold", vertical="top")
    for row in c.rows:
        t.add_row(*(Text(fold(o, o.cell(row), words)) for o in kept), style="bold" if row.baseline else STYLES.get(row.verdict))
    return t, [o.head for o in columns(c) if o.name in DROPPED and o.name not in {k.name for k in kept}]


def fit(c, cols, width):
    "(columns, letters for a column of words) that `width` holds"
    for dropped in [None, *DROPPED]:
        cols = in_one(c, cols) if dropped == ONE else [o for o in cols if o.name != dropped]
        for words in (999, 40, 28, 20):
            if sum(2 + width_of(c, o, words) for o in cols) - 2 <= width: return cols, words
    return cols, 16


def in_one(c, cols): return [recipe_column(), *(o for o in cols if o.name not in c.baseline.varies and o.name != "tricks")]


def width_of(c, col, words): return max(len(line) for row in c.rows for line in [col.head, *fold(col, col.cell(row), words).split("\n")])


def fold(col, text, n): return fold_text(text, n) if col.left else text


def fold_text(text, n):
    "Lines of at most `n` letters where that can be, cut after a space, + , or :"
    lines = [""]
    for part in re.findall(r"[^ +,:]*[ +,:]+|[^ +,:]+$", text):
        if lines[-1] and len((lines[-1] + part).rstrip()) > n: lines.append("")
        lines[-1] += part
    return "\n".join(x.rstrip() for x in lines)


def terminal(c, width=None):
    "Print the table and its words: as wide as the terminal, or to a file or pipe in plain text as wide as need be"
    for line in lines(c, width): print(line)


def lines(c, width=None):
    "What `terminal` prints; styled where that goes to a terminal"
    from rich.console import Console
    con = Console(highlight=False)
    con.width = max(width or (con.width if con.is_terminal else 240), 60)
    t, left = table(c, con.width)
    with con.capture() as got: con.print(t)
    lined = lambda s, **kw: wrap(s, min(con.width, 120), break_on_hyphens=False, **kw)
    told = [*explain(c, "agree" not in left), *([f"Too narrow for: {', '.join(left)}; --to FILE has all."] if left else []), measured(c)]
    return [*(x.rstrip() for x in got.get().rstrip().split("\n")), "", *(x for s in told for x in lined(s)),
            *(x for s in c.notes for x in lined(s, initial_indent="! " if s.startswith("warning") else "- ", subsequent_indent="  "))]


def measured(c):
    f = facts(c)
    return f"Measured on {f['hardware']}; {', '.join(f['versions'].split(', ')[:3])}; {f['code']}."


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


TEX = {**{x: f"\\{x}" for x in "&%$#_{}"}, "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$",
       "Δ": "$\\Delta$", "×": "$\\times$", "–": "--", "→": "$\\to$", "…": "\\ldots{}", "<": "$<$", ">": "$>$"}


def tex(text): return re.sub(r"(?<![\w.])-(?=\d)", "$-$", "".join(TEX.get(x, x) for x in text))


def tex_cell(text):
    "A cell of a line or of several"
    lines = [tex(x) for x in text.split("\n")]
    return lines[0] if len(lines) == 1 else r"\begin{tabular}[t]{@{}l@{}}" + r"\\".join(lines) + r"\end{tabular}"


def latex(c):
    "A table for booktabs and graphicx; a page's width holds fewer columns"
    cols = [o for o in in_one(c, columns(c)) if o.name not in ("test", "p", "agree", "time")]
    line = lambda cells: " & ".join(cells) + r" \\"
    first, *rest = (line(tex_cell(fold(o, o.cell(row), 24)) for o in cols) for row in c.rows)
    said, *notes = explain(c, agree=False)
    notes += [*c.notes, *(f"{k}: {v}" for k, v in facts(c).items())]
    return "\n".join([
        r"% \usepackage{booktabs,graphicx}", r"\begin{table}", r"\centering", rf"\caption{{{tex(title(c))}. {tex(said)}}}",
        r"\smallskip\resizebox{\linewidth}{!}{%", rf"\begin{{tabular}}{{{''.join('l' if o.left else 'r' for o in cols)}}}", r"\toprule",
        line(tex(o.head) for o in cols), r"\midrule", first, *([r"\midrule"] if rest else []), *rest, r"\bottomrule", r"\end{tabular}}",
        r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize", *(tex(n) + r"\par" for n in notes), r"\end{minipage}",
        r"\end{table}"]) + "\n"


def html(c, base=None):
    from .report_html import page
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

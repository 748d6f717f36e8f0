"""A comparison's table in the terminal."""
from textwrap import wrap

from .stats import HELPS, HURTS, OPEN, SAME
from .table import DROPPED, columns, explain, facts, fit, fold

STYLES = {HELPS: "green", HURTS: "red", SAME: "cyan", OPEN: "dim"}


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

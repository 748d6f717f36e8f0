"""A comparison's table in the terminal."""
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from .ladder import AS_GOOD, FAILED, HELPS, HURTS, IDENTICAL, OPEN, SAME
from .outcome import Outcome
from .table import DROPPED, explanation, fit_columns, fold, head_text, headline, measured_facts, table_columns

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {HELPS: "green", HURTS: "red", AS_GOOD: "green", SAME: "cyan", IDENTICAL: "cyan", FAILED: "red", OPEN: "dim"}


def rich_table(c: Outcome, width: int) -> "tuple[Table, list[str]]":
    "(a rich Table of as many columns as `width` holds, the heads of those left out); words are folded first"
    from rich.table import Table
    from rich.text import Text
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    kept, letters = fit_columns(c, table_columns(c), width)
    for o in kept:
        side: Literal["left", "right"] = "left" if o.left else "right"
        table.add_column(head_text(c, o, letters), justify=side, no_wrap=not o.left, overflow="fold", vertical="top")
    for row in c.rows:
        style = "bold" if row.baseline else STYLES.get(row.verdict)
        table.add_row(*(Text(fold(o, o.cell(row), letters)) for o in kept), style=style)
    names = {o.name for o in kept}
    return table, [o.head for o in table_columns(c) if o.name in DROPPED and o.name not in names]


def terminal(c: Outcome, width: int | None = None) -> None:
    "Print the table and its words: as wide as the terminal, or to a file or pipe in plain text as wide as need be"
    for line in comparison_lines(c, width):
        print(line)


def comparison_lines(c: Outcome, width: int | None = None) -> list[str]:
    "What `terminal` prints; styled where that goes to a terminal"
    from rich.console import Console
    con = Console(highlight=False)
    con.width = max(width or (con.width if con.is_terminal else 240), 60)
    table, hidden = rich_table(c, con.width)
    with con.capture() as got:
        con.print(table)
    out = wrapped_lines(headline(c), con.width) + [line.rstrip() for line in got.get().rstrip().split("\n")] + [""]
    said = explanation(c, "agree" not in hidden)
    if hidden:
        said.append(f"Columns hidden for lack of room: {', '.join(hidden)}; --to FILE has all.")
    for text in [*said, measured_on(c)]:
        out += wrapped_lines(text, con.width)
    for note in c.notes:
        mark = "! " if note.startswith("warning") else "- "
        out += wrapped_lines(note, con.width, initial_indent=mark, subsequent_indent="  ")
    return out


def wrapped_lines(text: str, width: int, **indent: str) -> list[str]:
    return wrap(text, min(width, 120), break_on_hyphens=False, **indent)  # type: ignore[arg-type]


def measured_on(c: Outcome) -> str:
    facts = measured_facts(c)
    versions = ", ".join(facts["versions"].split(", ")[:3])
    return f"Measured on {facts['hardware']}; {versions}; {facts['code']}."

"""A grid's progress in a terminal."""
import json
import os
import pty
import select
import time
from types import SimpleNamespace as N

import pytest
from rich.console import Console
from support.forked import MODULE, Forked
from support.small import TINY

from fastricks.grid.cells import Cell
from fastricks.grid.progress import progress_table


def cell(row, seed, tmp_path, state="todo", top1=None, since=0.):
    c = Cell(row, seed, None, "", state, tmp_path / f"{row.name}-{seed}", since=since)
    if top1 is not None:
        c.folder.mkdir()
        (c.folder / "metrics.json").write_text(json.dumps({"top1": top1}))
    return c


def text(*a):
    con = Console(width=100)
    with con.capture() as got: con.print(progress_table(*a))
    return got.get()


def test_each_cell_says_what_has_become_of_it(tmp_path):
    a, b = N(name="baseline"), N(name="mixup [bold]")
    cells = [cell(a, 0, tmp_path, "done", .5), cell(a, 1, tmp_path, "found", .25), cell(b, 0, tmp_path, "failed"),
             cell(b, 1, tmp_path, since=time.monotonic() - 45)]
    head, *rows, last = text([a, b], [0, 1], cells).splitlines()
    assert head.split() == ["row", "seed", "0", "seed", "1"] and rows[0].split() == ["baseline", "50.00%", "25.00%"]
    assert rows[1].split() == ["mixup", "[bold]", "failed", "▸", "45",
                               "s"] and last.strip() == "2 of 4 finished, 1 running"


def test_many_seeds_are_counted(tmp_path):
    a = N(name="baseline")
    done = [cell(a, s, tmp_path, "done", .5) for s in range(6)]
    cells = [*done, cell(a, 6, tmp_path, "failed"), *(cell(a, s, tmp_path) for s in range(7, 12))]
    words = text([a], range(12), cells).splitlines()[1].split()
    assert words == ["baseline", "6", "of", "12,", "1", "failed", "50.00%"]


@pytest.mark.slow
def test_in_a_terminal(tmp_path):
    "A real one: the lines of single trainings are not there, the table with all of them is"
    words = [w for k, v in {**TINY, "epochs": 1, "out": tmp_path}.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    mine, theirs = pty.openpty()
    p = Forked(MODULE, "ablate", *words, "-t", "cosine", "--seeds", "1", "--jobs", "2", terminal=os.ttyname(theirs),
               env={"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"})
    assert select.select([mine], [], [], 120)[0], "it says nothing"
    os.close(theirs)  # it has opened its own by now: the end of what it says is an end here
    said = b""
    while True:
        try: part = os.read(mine, 4096)
        except OSError: break
        if not part: break
        said += part
    said = said.decode()
    assert p.wait().returncode == 0, said
    assert "▸" in said and "2 of 2 finished" in said and "[1/2]" not in said and "seed 0" in said, said

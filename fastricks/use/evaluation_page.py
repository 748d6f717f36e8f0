"""An Evaluation in the terminal, as a page, and as JSON."""
import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UserError, shorten
from ..core.files import write
from ..core.words import NONE
from ..report.html import EMPTY, Html, band, definitions, page, warnings
from ..report.links import INDEX, navigation, relative_address, relink
from ..report.pages import parts
from ..report.pages.images import heat_pictures, in_page, thumbnails
from ..report.pages.quality import Quality, Value
from ..report.runs import FinishedRun
from .evaluate import TTA, Evaluation, check_page

if TYPE_CHECKING:
    from rich.table import Table

CLASSES_SHOWN = 30  # rows that the terminal shows; of more classes those with the lowest F1
PAIRS_TOLD = 5


def default_page(e: Evaluation) -> Path:
    "Where an Evaluation goes if nobody says: into the run's folder, one file for each kind"
    words = ["evaluate"]
    if not e.own:
        words.append(e.data)
    if e.split not in ("", e.run.metrics["split"]):
        words.append(e.split)
    if e.tta:
        words.append("tta")
    safe = lambda word: "".join(c if c.isalnum() or c in "-_." else "_" for c in word)[:80]
    return e.run.folder / f"{'-'.join(map(safe, words))}.html"


def write_evaluation(e: Evaluation, to: str | PathLike[str] | None = None) -> tuple[Path, Path]:
    "Write the page, and the numbers as JSON beside it, each whole or not at all: (page, numbers)"
    check_page(to, e.run.folder)
    file = Path(to) if to else default_page(e)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UserError(f"--to {to}: can't be written ({err.strerror})") from None
    write(file.with_suffix(".json"), json.dumps(e.record(), ensure_ascii=False) + "\n")
    write(file, evaluation_document(e, file.parent))
    relink(e.run.folder, file)
    return file, file.with_suffix(".json")


# -- the page

def evaluation_document(e: Evaluation, folder: Path | None = None) -> str:
    "The whole page; `folder`: where it will lie, from which it links to the run's page"
    from ..data.source import Source
    picture = thumbnails(Source(e.data, e.items, e.quality.classes), e.run.recipe)
    q = e.quality
    numbers = parts.number_table({shorten(e.where.removeprefix("the "), 60): q})
    summary = band(parts.lead(q, e.where), numbers) + tta_line(e) + warnings([*e.notes, *parts.of_few_classes(q)])
    shown = parts.quality_sections(q, e.images, e.numbers, in_page(picture), heat_pictures(e.heat, picture))
    sections = {**shown, "The run": definitions(run_facts(e.run))}
    return page(evaluation_title(e), summary, sections, links=to_the_run(e.run, folder))


def to_the_run(run: FinishedRun, folder: Path | None) -> Html:
    "Links to the run's page and to the list of all runs, where they are"
    places = {f"run {run.name}": run.folder / INDEX, "all runs": run.folder.parent / INDEX}
    there = [(text, relative_address(file, folder)) for text, file in places.items() if folder and file.is_file()]
    return navigation(there)


def evaluation_title(e: Evaluation) -> str: return f"{e.run.name} on {e.where}" + (" (TTA)" if e.tta else "")
def tta_line(e: Evaluation) -> Html:
    if not e.tta:
        return EMPTY
    said = Html('<p class="tta"><b>Test-time augmentation</b>: {}. Not to be compared with plain numbers.</p>')
    return said.format(TTA)


def run_facts(run: FinishedRun) -> dict[str, Any]:
    m = run.metrics
    return {"folder": run.folder, "network": run.recipe.arch,
            "trained on": f"{run.data['name']}: {run.data['train']:,} images",
            "its own numbers": f"{100 * m['top1']:.2f}% of {m['n']:,} {m['split']} images, cross-entropy "
                               f"{m['loss']:.4f}", "identity": run.identity}


# -- the terminal

def print_evaluation(e: Evaluation) -> None:
    for line in evaluation_lines(e):
        print(line)


def evaluation_lines(e: Evaluation, width: int | None = None) -> list[str]:
    "What `print_evaluation` prints; styled where that goes to a terminal"
    from rich.console import Console
    from rich.text import Text
    con = Console(highlight=False)
    con.width = max(width or (con.width if con.is_terminal else 120), 60)
    q, tta = e.quality, [f"TTA: {TTA}; not to be compared with plain numbers"] if e.tta else []
    with con.capture() as got:
        con.print(Text(evaluation_title(e), style="bold"))
        for line in [*tta, *parts.of_few_classes(q)]:
            con.print(Text(line))
        con.print(terminal_number_table(q))
        con.print()
        whole = class_table(q)
        con.print(whole if con.measure(whole).maximum <= con.width else class_table(q, intervals=False))
        con.print()
        for line in [*most_confused(q), *parts.at_temperature(e.numbers)]:
            con.print(Text(line))
    return [x.rstrip() for x in got.get().rstrip().split("\n")]


def new_table(*heads: str, left: tuple[int, ...] = (0,)) -> "Table":
    from rich.table import Table
    t = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for i, h in enumerate(heads):
        t.add_column(h, justify="left" if i in left else "right", no_wrap=i not in left, overflow="fold")
    return t


def terminal_number_table(q: Quality) -> "Table":
    t = new_table("", "value", "95% interval", "")
    for what, v, f in parts.numbers(q):
        t.add_row(what, f(v.value), parts.between(v, f), f"{q.hits:,} of {q.n:,} right" if v is q.top1 else "")
    return t


def class_table(q: Quality, intervals: bool = True) -> "Table":
    "All classes that have images, or of many those with the lowest F1; a narrow terminal has no room for intervals"
    from rich.text import Text
    rows = [r for r in parts.by_f1(q) if r.n]
    kept = rows if len(rows) <= CLASSES_SHOWN else rows[:CLASSES_SHOWN // 2]
    first = "class" if kept is rows else f"class, the {len(kept)} of {len(rows)} with the lowest F1"
    heads = ["recall", "95%", "precision", "95%", "F1", "95%"]
    each = 1 if intervals else 2  # of value, interval, value, interval …
    t = new_table(first, "images", *heads[::each])
    for r in kept:
        cells = [w for v in (r.recall, r.precision, r.f1) for w in in_points(v)][::each]
        t.add_row(Text(shorten(r.name, 40)), f"{r.n:,}", *cells)
    return t


def in_points(v: Value) -> tuple[str, str]:
    f = lambda x: parts.percent(x, 1)
    return f(v.value), parts.between(v, f) if v.low == v.low else NONE


def most_confused(q: Quality) -> list[str]:
    from ..report.pages.quality import confused
    found = confused(q, PAIRS_TOLD)
    words = [f"{shorten(a)} → {shorten(b)} ({n:,})" for a, b, n in found]
    return ["most confused: " + "; ".join(words)] if words else ["no mistakes"]


def written_lines(files: tuple[Path, Path]) -> list[str]: return [f"page      {files[0]}", f"numbers   {files[1]}"]



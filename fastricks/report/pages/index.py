"""`index.html` of a folder of runs: all of them in one table that can be sorted, kept up to date by each run."""
import re
from pathlib import Path
from urllib.parse import quote

from ...core.errors import plural
from ...core.files import write
from ...core.lock import ProcessLock
from ..find import in_folder
from ..html import EMPTY, Html, document, heading, html_table, paragraph
from ..listing import line_of_run, part_or_nothing

INDEX = "index.html"
MARK = Html('<p hidden class="list-of-runs"></p>')  # by this an index of ours is known: nobody else's is written over
HEAD = "Finished", "Run", "Data, network, tricks", "Accuracy", "Training time", "Status"
SORTING = Html("""<script>
for (const [k, th] of document.querySelectorAll("table.runs th").entries()) {
  const button = document.createElement("button");
  button.textContent = th.textContent;
  th.replaceChildren(button);
  button.onclick = () => {
    const down = th.getAttribute("aria-sort") === "ascending", body = th.closest("table").tBodies[0];
    const key = row => {
      const marked = row.cells[k].querySelector("[data-sort]");
      return marked ? marked.dataset.sort : row.cells[k].textContent;
    };
    const order = (a, b) => a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b);
    for (const o of th.parentNode.cells) o.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * order(key(a), key(b))));
  };
}
</script>""")
LOOK = Html("""<style>
table.runs th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer }
th[aria-sort=ascending] button::after { content: " ▲" } th[aria-sort=descending] button::after { content: " ▼" }
</style>""")


def save_index(folder):
    """Write the index.html of a folder of runs: its path, or None where there is one that is not ours.

    One process at a time reads and writes, so that the last one to end has seen all that ended before it.
    """
    folder = Path(folder)
    file = folder / INDEX
    lock = ProcessLock(folder / ".index.lock")
    lock.take(wait=True)
    try:
        if file.exists() and not is_ours(file):
            return None
        write(file, index_page(folder))
        return file
    finally:
        lock.release()


def is_ours(file): return str(MARK) in file.read_text(errors="replace")


def index_page(folder):
    "The whole page, the newest run first"
    lines = sorted(((line_of_run(f), f) for f in in_folder(folder)), key=lambda found: found[0].when, reverse=True)
    finished = sum(line.ended == "finished" for line, _ in lines)
    reports = [Html('<a href="{}">{}</a>').format(quote(file.name), file.name) for file in reports_in(folder)]
    compared = paragraph(Html("Comparisons: {}").format(Html(" · ").join(reports))) if reports else EMPTY
    return document("Runs", heading("Runs", 1),
                    paragraph(f"{plural(len(lines), 'run')}, {finished:,} finished, in {folder.resolve().name}. "
                                                          "A click on a heading sorts."),
                    compared, html_table(HEAD, [cells(line, f) for line, f in lines], left=(0, 1, 2, 5)), LOOK, SORTING,
                    MARK)


def cells(line, folder):
    "A row: the run's page is a link where there is one"
    metrics = part_or_nothing(folder, "metrics.json")
    name = folder.name
    if (folder / INDEX).is_file():
        name = Html('<a href="{}/{}">{}</a>').format(quote(folder.name), INDEX, folder.name)
    return [line.when, name, line.what, sortable(line.well, metrics.get("top1")),
            sortable(line.time, metrics.get("train_seconds")), line.ended]


def sortable(text, number):
    "A cell that is sorted by a number; one without it comes first"
    value = number if isinstance(number, int | float) else -1
    return Html('<span data-sort="{}">{}</span>').format(value, text)


def reports_in(folder):
    "The pages in a folder of runs beside its index: comparisons that were written there"
    return sorted(file for file in folder.glob("*.html") if file.name != INDEX)


def links_of(folder):
    "What a run's page links to: the list of all runs, the same recipe with other seeds, comparisons beside them"
    links = [("all runs", f"../{INDEX}")] if may_be_index(folder.parent / INDEX) else []
    links += [(f"seed {seed_of(f)}", f"../{quote(f.name)}/{INDEX}") for f in other_seeds(folder)]
    links += [(file.name, f"../{quote(file.name)}") for file in reports_in(folder.parent)]
    if not links:
        return EMPTY
    return paragraph(Html(" · ").join(Html('<a href="{}">{}</a>').format(address, text) for text, address in links))


def may_be_index(file):
    "Is it our list of runs, or will it be when the run has ended?"
    return is_ours(file) if file.is_file() else not file.exists()


def seed_of(folder):
    "The seed that a run's name ends with, as text; None for a name of somebody's own"
    found = re.search(r"-s(\d+)(?:-\d+)?$", folder.name)
    return found and found[1]


def other_seeds(folder):
    "Folders beside this one whose names differ in the seed alone, and that have pages, by seed"
    if seed_of(folder) is None:
        return []
    base = re.sub(r"-s\d+(-\d+)?$", "", folder.name)
    beside = (f.parent for f in folder.parent.glob(f"*/{INDEX}") if seed_of(f.parent) is not None)
    same = [f for f in beside if f != folder and re.sub(r"-s\d+(-\d+)?$", "", f.name) == base]
    return sorted(same, key=lambda f: (int(seed_of(f)), f.name))

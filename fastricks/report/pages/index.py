"""`index.html` of a folder of runs: all of them in one table that can be sorted, kept up to date by each run."""
from pathlib import Path
from urllib.parse import quote

from ...core.errors import plural
from ...core.files import write
from ...core.lock import ProcessLock
from ..find import in_folder
from ..html import EMPTY, Html, band, html_table, page, paragraph
from ..links import INDEX, MARK, is_ours, navigation, reports_in
from ..listing import line_of_run, part_or_nothing

HEAD = "Run", "Accuracy", "Training time", "Data, network, tricks", "Finished", "Status"
SORTING = Html("""<script>
for (const [k, th] of document.querySelectorAll("table.runs th").entries()) {
  const button = document.createElement("button");
  button.textContent = th.textContent;
  th.replaceChildren(button);
  button.onclick = () => {
    const down = th.getAttribute("aria-sort") === "ascending", body = th.closest("table").tBodies[0];
    const value = cell => (cell.querySelector("[data-sort]") || {dataset: {sort: cell.textContent}}).dataset.sort;
    const key = row => value(row.cells[k]);
    const order = (a, b) => a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b);
    for (const o of th.parentNode.cells) o.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * order(key(a), key(b))));
  };
}
</script>""")
LOOK = Html("""<style>
table.runs td:first-child { min-width: 12em }
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


def index_page(folder):
    "The whole page, the newest run first"
    lines = sorted(((line_of_run(f), f) for f in in_folder(folder)), key=lambda found: found[0].when, reverse=True)
    table = html_table(HEAD, [cells(line, f) for line, f in lines], left=(0, 3, 4, 5))
    hint = paragraph("A click on a heading sorts. Accuracies of different data or splits do not compare.")
    links = navigation([(file.name, quote(file.name)) for file in reports_in(folder)])
    comparisons = links or paragraph("None lies here: `fastricks compare RUNS --to RUNS/compare.html` writes one.")
    sections = {"All runs": hint + table, "Comparisons": comparisons}
    return page(f"Runs in {folder.resolve().name}", summary(lines), sections, more=LOOK + SORTING + MARK)


def summary(lines):
    "How many runs there are, and how many finished"
    finished = sum(line.ended == "finished" for line, _ in lines)
    newest = next((line for line, _ in lines if line.ended == "finished"), None)
    said = paragraph(f"{plural(len(lines), 'run')}, {finished:,} finished", "big")
    last = paragraph(f"newest: {newest.name}, {newest.well}", "of") if newest else EMPTY
    return band(said + last)


def cells(line, folder):
    "A row: the run's page is a link where there is one"
    metrics = part_or_nothing(folder, "metrics.json")
    name = breakable(folder.name)
    if (folder / INDEX).is_file():
        name = Html('<a href="{}/{}">{}</a>').format(quote(folder.name), INDEX, name)
    accuracy, time = sortable(line.well, metrics.get("top1")), sortable(line.time, metrics.get("train_seconds"))
    return [name, accuracy, time, line.what, line.when, line.ended]


def breakable(name):
    "A run's name, which may be broken before a - where there is little room"
    return Html("<wbr>-").join(name.split("-"))


def sortable(text, number):
    "A cell that is sorted by a number; one without it comes first"
    value = number if isinstance(number, int | float) else -1
    return Html('<span data-sort="{}">{}</span>').format(value, text)

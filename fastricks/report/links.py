"""What pages link to: the list of all runs, a run's other seeds, comparisons, evaluations and files.

A run's page is written when the run ends. Whatever comes later and belongs to it (another seed, a comparison, an
evaluation) has its links brought up to date with `relink`.
"""
import re
from contextlib import suppress
from os.path import relpath
from pathlib import Path
from urllib.parse import quote, unquote

from ..core.files import write
from .html import EMPTY, Html, definitions

INDEX = "index.html"
MARK = Html('<p hidden class="list-of-runs"></p>')  # by this a list of ours is known: nobody else's is written over
LINKS = re.compile(r'<nav class="links".*?</nav>', re.S)
RUN_FILES = {
    "model.safetensors": "the weights, with classes and preprocessing", "metrics.json": "the final numbers",
    "predictions.csv": "a row for each image of the final numbers",
    "predictions-valid.csv": "a row for each validation image", "history.csv": "a row for each epoch",
    "recipe.json": "all settings and the data's fingerprint", "data.json": "the account of the images",
    "environment.json": "versions and the machine", "skipped.csv": "images that can't be read",
    "batch.png": "the first training batch", "targets.png": "its targets", "lr.png": "the learning rate",
    "lr_find.png": "how the learning rate was found", "heatmaps.json": "LayerCAM of the top losses",
    "log.txt": "what was printed"}


def is_ours(file): return str(MARK) in file.read_text(errors="replace")


def relative_address(file, base):
    "The address of a file as seen from a folder, so that both can be moved together"
    try:
        return quote(Path(relpath(Path(file).resolve(), Path(base).resolve())).as_posix())
    except ValueError:
        return Path(file).resolve().as_uri()  # Windows: on another drive


def run_links(folder, kept=()):
    """The links of a run's page as a <nav>; EMPTY where there are none.

    `kept`: pages that it links to besides.
    """
    folder = Path(folder)
    found = [("all runs", folder.parent / INDEX)] if may_be_index(folder.parent / INDEX) else []
    found += [(f"seed {seed_of(f)}", f / INDEX) for f in other_seeds(folder)]
    comparisons = [f for f in reports_in(folder.parent) if links_to(f, folder)]
    evaluations = sorted(folder.glob("evaluate*.html"))
    others = map(Path.resolve, (*comparisons, *evaluations, *kept))
    found += [(file.name, file) for file in dict.fromkeys(others)]
    return navigation([(text, relative_address(file, folder)) for text, file in found])


def navigation(links):
    "A <nav> of (text, address); EMPTY for none"
    if not links:
        return EMPTY
    said = Html(" ").join(Html('<a href="{}">{}</a>').format(address, text) for text, address in links)
    return Html('<nav class="links" aria-label="Related pages">{}</nav>').format(said)


def relink(folder, *more):
    "Bring the links of a run's page up to date, where it has any; `more`: pages that it is to link to from now on"
    file = Path(folder) / INDEX
    with suppress(OSError):
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        old = LINKS.search(text)
        if not old:
            return
        new = str(run_links(file.parent, [*linked_pages(old[0], file.parent), *map(Path, more)]))
        if new != old[0]:
            write(file, text[:old.start()] + new + text[old.end():])


def linked_pages(nav, folder):
    "Pages that a <nav> links to and that are no run's and no list, as paths"
    files = [folder / unquote(address) for address in re.findall(r'href="([^"#:]+)"', nav)]
    return [f for f in files if f.name != INDEX and f.is_file() and f.resolve().parent != folder.resolve()]


def may_be_index(file):
    "Is it our list of runs, or will it be when the run has ended?"
    return is_ours(file) if file.is_file() else not file.exists()


def reports_in(folder):
    "The pages in a folder of runs beside its index: comparisons that were written there"
    return sorted(file for file in Path(folder).glob("*.html") if file.name != INDEX)


def links_to(page, run):
    "Does a page, which lies beside a run's folder, link to that run's?"
    return f'"{quote(run.name)}/{INDEX}"' in page.read_text(errors="replace")


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


def file_list(folder):
    "The files that a run has, each a link, and what is in them"
    there = {name: said for name, said in RUN_FILES.items() if (folder / name).is_file()}
    return definitions({Html('<a href="{}">{}</a>').format(quote(name), name): said for name, said in there.items()})

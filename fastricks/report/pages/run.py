"""A run's `index.html`, made from its folder: what was trained, how it went, what the network saw and gets wrong."""
import shlex
import time
from functools import cache
from pathlib import Path

from ...core.errors import UserError, plural, visible
from ...core.files import read_json, write
from ...core.words import NONE, duration
from ...data.account import Account
from ...data.pixels.image import Unreadable
from ...data.sources.others import lost, own_source
from ...recipe.command import command
from ...recipe.recipe import flag_of, options
from ..compare.rows import tricks_of_run
from ..html import (
    EMPTY,
    code_block,
    data_uri,
    definitions,
    document,
    drawing,
    embedded_picture,
    figure,
    folded,
    heading,
    html_table,
    paragraph,
    warnings,
)
from ..listing import soup_words
from ..runs import SPLIT_WORD, read_finished
from . import parts
from .index import links_of
from .parts import listed, percent
from .pictures import draw_curves
from .quality import measure

SIDE = 112  # pixels of an image on a page
RUN_PICTURES = {"batch": "The first training batch after augmentation.",
                "targets": "Training targets, after label smoothing, mixup and the like.",
                "lr": "The learning rate of every step."}


def save_run_page(folder, source=None, date=None):
    """Write a run's index.html, whole or not at all: its path.

    `source`: where its images are taken from; `date`: when it was finished.
    """
    folder = Path(folder)
    run = read_finished(folder, date or time.strftime("%Y-%m-%d %H:%M:%S"))
    write(folder / "index.html", run_page(run, source))
    return folder / "index.html"


def make_again(run, say=print):
    "Write the index.html of a FinishedRun; where its data is gone there are no images of mistakes, and it says so"
    source = own_source(run, run.recipe.data)
    place = visible(run.recipe.data)
    if not source:
        say(f"{run.name}: no images of mistakes, as its data is not at {place} any more, or has changed")
    try:
        return save_run_page(run.folder, source, run.date)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise UserError(f"{run.folder} has no page: {e}") from None


def run_page(run, source=None):
    "The whole page of a FinishedRun; without `source` there are no images of mistakes"
    found = qualities(run, source.classes if source else classes_of_model(run.folder))
    split = run.metrics["split"]
    if split not in found:
        raise ValueError("its predictions can't be read, or are not those of its metrics")
    q = found[split]
    see = viewer(source, run.recipe) if source else lambda name: None
    return document(
        run.name, heading(run.name, 1), links_of(run.folder), paragraph(sentence(run)),
        parts.lead(q, f"the {SPLIT_WORD[split]} images of {run.data['name']}"), warnings(reservations(run)),
        parts.number_table({SPLIT_WORD[s]: v for s, v in found.items()}),
        *(ingredients(run.soup) if run.soup else course(run)),
        parts.mistakes(q, run.images(split), see), parts.calibration(q, run.metrics), parts.classes(q),
        heading("Reproduce this run"), commands_again(run),
        folded("Data", definitions(data_facts(run))), folded("Recipe", definitions(recipe_facts(run.recipe))),
        parts.environment_facts(run.environment))


def qualities(run, classes):
    "split -> Quality: of the final numbers' split, and of validation beside a test"
    splits = [run.metrics["split"], *(["valid"] if "valid" in run.metrics else [])]
    found = {}
    for split in splits:
        images = run.images(split)
        if images is not None:
            found[split] = measure(images, classes, run.numbers(split)["loss"])
    return found


def classes_of_model(folder):
    from ...model.weights import read_meta
    names = read_meta(folder / "model.safetensors").get("classes")
    if not names:
        raise UserError(f"{folder / 'model.safetensors'} does not say which classes it knows")
    return names


def sentence(run):
    "What was trained, on what, how long, when"
    r, m = run.recipe, run.metrics
    if run.soup:
        return (f"{r.arch}, the average of the weights of {soup_words(run.soup, r.seed).removeprefix('soup of ')}, on "
                f"{run.data['train']:,} images of {run.data['name']} at {r.size} pixels; all were trained in "
                f"{duration(m['train_seconds'])}, averaged {run.date}.")
    start = "from scratch" if r.from_scratch else "from pre-trained weights"
    tricks = f"with {tricks_of_run(run)}" if r.tricks else "without tricks"
    device = run.environment.get("device", r.device)
    images = f"{run.data['train']:,} images of {run.data['name']}"
    said = (f"{r.arch} {start} {tricks}: {plural(m['epochs'], 'epoch')} of {images} at {r.size} pixels, batch "
            f"{r.batch_size}, {r.opt}, learning rate {r.lr:g}, seed {r.seed}; trained in "
            f"{duration(m['train_seconds'])} on {device}, finished {run.date}.")
    if not m.get("skipped_steps"):
        return said
    return f"{said} {plural(m['skipped_steps'], 'step')} whose loss or gradient was not finite left out."


def without_test_set(run):
    "A line where the numbers are of validation images"
    if run.metrics["split"] != "valid":
        return
    chosen = ", on which the weights were chosen" if run.chosen_by_validation else ""
    yield f"There is no test set: these are the validation images{chosen}."


def reservations(run):
    "What a reader must know of the numbers: lines"
    yield from without_test_set(run)
    bad = lost(run.folder)
    if not bad:
        return
    yield f"Left out, as {plural(len(bad), 'image')} can't be read: {listed([*bad], 3)} (skipped.csv has the reasons)."


def course(run):
    "How a training went"
    return (heading("Training curves"), curves(run), run_picture(run, "lr"),
            heading("Training batch after augmentation"), run_picture(run, "batch"), run_picture(run, "targets"))


def ingredients(soup):
    "What a soup is made of"
    rows = [[o["run"], o["row"], percent(o["alone"]), percent(o["top1"]), "kept" if o["kept"] else "left out"]
            for o in soup["ingredients"]]
    said = ("Each run in the order of its validation accuracy, and the validation accuracy of the average with it: it "
            "is kept where that is no worse (arXiv 2203.05482). BatchNorm's averages of an average are made again on "
            "the training images.")
    return heading("What it is made of"), html_table(["run", "row", "alone", "with it", ""], rows,
                                                     left=(0, 1, 4)), paragraph(said)


def curves(run):
    said = "An epoch's numbers. Validation is plain cross-entropy and accuracy, whatever the training loss is."
    try:
        return figure(drawing(draw_curves(run.history)), said)
    except (OSError, ValueError, KeyError, TypeError):
        return paragraph("No history that can be read.")


def run_picture(run, name):
    "A picture that the run has, inside the page"
    try:
        return figure(embedded_picture(run.folder / f"{name}.png", name, lossless=name == "lr"), RUN_PICTURES[name])
    except Unreadable:
        return EMPTY


# -- how it was made

def commands_again(run):
    folder, line = shlex.quote(str(run.folder)), command(run.recipe)
    if run.soup:
        return code_block([soup_command(run), f"fastricks evaluate {folder}"])
    without_folder = [f"{line}  # the same without this folder"] if line else []
    return code_block([f"fastricks train --recipe {folder}", *without_folder, f"fastricks evaluate {folder}"])


def soup_command(run):
    "What makes a soup again, from the folder that its runs lie in"
    names = sorted({o["run"] for o in run.soup["ingredients"]})
    across = ["--across-seeds"] if run.soup.get("across_seeds") else []
    return f"cd {shlex.quote(str(run.folder.parent))} && {shlex.join(['fastricks', 'soup', *names, *across])}"


def data_facts(run):
    "The account of the data, as training gave it; nothing for a run that is older than it"
    try:
        account = Account(**read_json(run.folder / "data.json"))
    except (OSError, ValueError, TypeError):
        return {}
    return dict(line.split(": ", 1) for line in account.lines)


def recipe_facts(recipe):
    values = {flag_of(f.name): getattr(recipe, f.name) for f in options()}
    shown = {flag: NONE if v is None else v for flag, v in values.items()}
    return {**shown, "tricks and schedule": "+".join(map(str, recipe.make_tricks()))}


# -- images

def viewer(source, recipe, side=SIDE):
    "name -> the image as the network saw it in evaluation, as a data URI; None for one that is not there"
    from PIL import Image

    from ...data.pixels.canonical import from_torch
    from ...data.pixels.decoding import decoding
    from ...data.pixels.fits import eval_view
    from ...data.pixels.store import Pixels
    from ...data.pixels.views import empty
    items, pixels = {o.name: o for o in source.items}, source.pixels or Pixels(recipe.resize, how=decoding(recipe))
    view = eval_view(recipe)
    width, height = view.sides

    @cache
    def see(name):
        try:
            x = pixels[items[name]]
        except (KeyError, Unreadable):
            return None
        out = empty(1, height, width)
        view.cut(x, None, False, out)
        im = Image.fromarray(from_torch(out))
        small = side / max(width, height)
        return data_uri(im.resize((round(width * small), round(height * small)), Image.Resampling.LANCZOS) if small < 1
                        else im)
    return see

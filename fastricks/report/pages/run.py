"""A run's `index.html`, made from its folder: settings, learning curves, first batch and mistakes."""
import shlex
import time
from pathlib import Path

import numpy as np

from ...core.errors import UserError, plural, visible
from ...core.files import read_json, write
from ...core.words import NONE, duration
from ...data.account import Account
from ...data.pixels.image import Unreadable
from ...data.sources.others import lost, own_source
from ...recipe.command import command
from ...recipe.plan import schedule_of
from ...recipe.recipe import flag_of, options
from ..compare.rows import tricks_of_run
from ..html import (
    EMPTY,
    band,
    code_block,
    columns,
    definitions,
    drawing,
    embedded_picture,
    figure,
    folded,
    html_table,
    page,
    paragraph,
    warnings,
)
from ..links import INDEX, file_list, other_seeds, relink, run_links
from ..listing import soup_words
from ..runs import SPLIT_WORD, read_finished
from . import parts
from .images import heat_pictures, in_page, no_picture, read_heat, thumbnails
from .parts import listed, percent
from .pictures import curve_figures, curve_words, draw_rates
from .quality import measure

DRAWN = 400  # learning rates of a figure
CURVES = "An epoch's numbers. Validation is plain cross-entropy and accuracy, whatever the training loss is."
RUN_PICTURES = {"batch": "The first training batch after augmentation.",
                "targets": "Training targets, after label smoothing, mixup and the like.",
                "lr": "The learning rate of every step."}


def save_run_page(folder, source=None, date=None):
    """Write a run's index.html, whole or not at all: its path.

    `source`: where its images are taken from; `date`: when it was finished.
    """
    folder = Path(folder)
    run = read_finished(folder, date or time.strftime("%Y-%m-%d %H:%M:%S"))
    write(folder / INDEX, run_page(run, source))
    for other in other_seeds(folder):
        relink(other)
    return folder / INDEX


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
    picture = thumbnails(source, run.recipe) if source else no_picture
    top = parts.lead(q, f"the {SPLIT_WORD[split]} images of {run.data['name']}") + paragraph(sentence(run))
    numbers = parts.number_table({SPLIT_WORD[s]: v for s, v in found.items()})
    summary = band(top, numbers) + warnings(reservations(run))
    sections = {
        **(ingredients(run.soup) if run.soup else course(run)),
        **parts.quality_sections(q, run.images(split), run.metrics, in_page(picture),
                                 heat_pictures(read_heat(run.folder), picture)),
        "Reproduce this run": commands_again(run), "Files": file_list(run.folder), "Setup": setup(run)}
    return page(run.name, summary, sections, links=run_links(run.folder))


def setup(run):
    "Data, recipe and environment, each folded"
    return (folded("Data", definitions(data_facts(run))) + folded("Recipe", definitions(recipe_facts(run.recipe)))
            + parts.environment_facts(run.environment))


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
    "How a training went: heading -> HTML"
    drawn = [*curves(run), learning_rate(run)]
    pictures = [run_picture(run, "batch"), run_picture(run, "targets") if changes_targets(run.recipe) else EMPTY]
    return {"Learning curves": columns(*drawn, paragraph(CURVES)),
            "Training batch after augmentation": columns(*pictures)}


def ingredients(soup):
    "What a soup is made of: heading -> HTML"
    rows = [[o["run"], o["row"], percent(o["alone"]), percent(o["top1"]), "kept" if o["kept"] else "left out"]
            for o in soup["ingredients"]]
    said = ("Each run in the order of its validation accuracy, and the validation accuracy of the average with it: it "
            "is kept where that is "
            "no worse (arXiv 2203.05482). BatchNorm's averages of an average are made again on the training images.")
    table = html_table(["run", "row", "alone", "with it", ""], rows, left=(0, 1, 4))
    return {"What it is made of": table + paragraph(said)}


def curves(run):
    "Figures of losses and accuracy"
    try:
        history = run.history
        return [figure(drawing(fig, curve_words(history, name))) for name, fig in curve_figures(history).items()]
    except (OSError, ValueError, KeyError, TypeError):
        return [paragraph("No history that can be read.")]


def learning_rate(run):
    "The schedule that the recipe makes, as far as it was trained; else the picture that the run has of it"
    try:
        fig, said = schedule_figure(run)
    except (UserError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return run_picture(run, "lr")
    return figure(drawing(fig, said), RUN_PICTURES["lr"])


def schedule_figure(run):
    "(Figure of at most `DRAWN` rates, what it shows) of the schedule that a run's recipe makes"
    schedule = schedule_of(run.recipe, images=run.data["train"])
    steps = min(schedule.total, run.metrics["epochs"] * schedule.per_epoch)
    step = -(-steps // DRAWN)
    rates = [schedule(i) for i in range(0, steps, step)]
    said = (f"Learning rate over {plural(run.metrics['epochs'], 'epoch')}: from {rates[0]:.3g} to {rates[-1]:.3g}, at "
            f"most {max(rates):.3g}")
    return draw_rates(np.arange(0, steps, step) / schedule.per_epoch, rates), said


def changes_targets(recipe):
    "Is there a trick that makes a training's targets differ from the labels?"
    return any({"loss", "batch"} & {*trick.changes()} for trick in recipe.make_tricks())


def run_picture(run, name):
    "A picture that the run has, inside the page"
    try:
        picture = embedded_picture(run.folder / f"{name}.png", RUN_PICTURES[name], lossless=name == "lr")
    except Unreadable:
        return EMPTY
    return figure(picture, RUN_PICTURES[name])


# -- reproduction

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

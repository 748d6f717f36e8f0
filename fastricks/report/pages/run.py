"""A run's `index.html`: what was trained, how it went, what the network saw, what it gets wrong. Made from the run's folder."""
import shlex
import time
from functools import cache
from pathlib import Path

from ...core.errors import UserError, plural, visible
from ...core.files import write
from ...core.words import duration
from ...data.pixels.image import Unreadable
from ...data.sources.others import lost, own_source
from ...recipe.command import command
from ...recipe.recipe import flag_of, options
from ..compare.rows import tricks_text
from ..html import code, data_uri, document, facts, figure, folded, heading, paragraph, picture, warnings
from ..plots import svg
from ..runs import WORD, run_of
from . import parts
from .parts import listed
from .pictures import draw_curves
from .quality import measure

SIDE = 112  # pixels of an image on a page
PICTURES = {"batch": "The first training batch as the network saw it.", "targets": "What the loss asked for.",
            "lr": "The learning rate of every step."}


def save(folder, source=None, date=None):
    "Write a run's index.html, whole or not at all: its path. `source`: where its images are taken from; `date`: when it was finished"
    folder = Path(folder)
    run = run_of(folder, date or time.strftime("%Y-%m-%d %H:%M:%S"))
    write(folder / "index.html", page(run, source))
    return folder / "index.html"


def make_again(run, say=print):
    "Write the index.html of a finished `results.Run`; where its data is gone there are no images of mistakes, and it says so"
    source = own_source(run, run.recipe.data)
    if not source: say(f"{run.name}: no images of mistakes, as its data is not at {visible(run.recipe.data)} any more, or has changed")
    try: return save(run.folder, source, run.date)
    except (ValueError, KeyError, TypeError, AttributeError) as e: raise UserError(f"{run.folder} has no page: {e}") from None


def page(run, source=None):
    "The whole page of a `results.Run`; without `source` there are no images of mistakes"
    classes = source.classes if source else classes_of(run.folder)
    found = qualities(run, classes)
    split = run.metrics["split"]
    if split not in found: raise ValueError("its predictions can't be read, or are not those of its metrics")
    q = found[split]
    see = viewer(source, run.recipe) if source else lambda name: None
    return document(
        run.name, heading(run.name, 1), paragraph(sentence(run)), parts.lead(q, f"the {WORD[split]} images of {run.data['name']}"),
        warnings(mind(run)), parts.number_table({WORD[s]: v for s, v in found.items()}),
        heading("How it went"), curves(run), made(run, "lr"), heading("What the network saw"), made(run, "batch"),
        made(run, "targets"), parts.mistakes(q, run.images(split), see), parts.calibration(q), parts.classes(q),
        heading("How it was made"), again(run), folded("Recipe", facts(recipe_facts(run.recipe))), parts.environment(run.environment))


def qualities(run, classes):
    "split -> Quality: of the final numbers' split, and of validation beside a test"
    splits = [run.metrics["split"], *(["valid"] if "valid" in run.metrics else [])]
    return {s: measure(images, classes, run.numbers(s)["loss"]) for s in splits if (images := run.images(s)) is not None}


def classes_of(folder):
    from ...model.weights import read_meta
    names = read_meta(folder / "model.safetensors").get("classes")
    if not names: raise UserError(f"{folder / 'model.safetensors'} does not say which classes it knows")
    return names


def sentence(run):
    "What was trained, on what, how long, when"
    r, m = run.recipe, run.metrics
    left_out = f" {plural(m['skipped_steps'], 'step')} whose loss or gradient was not finite left out." if m.get("skipped_steps") else ""
    start = "from scratch" if r.from_scratch else "from pre-trained weights"
    tricks = f"with {tricks_text(run)}" if r.tricks else "without tricks"
    return (f"{r.arch} {start} {tricks}: {plural(m['epochs'], 'epoch')} of {run.data['train']:,} images of {run.data['name']} at "
            f"{r.size} pixels, batch {r.batch_size}, {r.opt}, learning rate {r.lr:g}, seed {r.seed}; trained in "
            f"{duration(m['train_seconds'])} on {run.environment.get('device', r.device)}, finished {run.date}.{left_out}")


def mind(run):
    "What a reader must know of the numbers: lines"
    if run.metrics["split"] == "valid":
        yield "There is no test set: these are the validation images" + (", on which the weights were chosen." if run.recipe.keep == "best" else ".")
    if bad := lost(run.folder): yield f"Left out, as {plural(len(bad), 'image')} can't be read: {listed([*bad], 3)} (skipped.csv has the reasons)."


def curves(run):
    said = "An epoch's numbers. Validation is plain cross-entropy and accuracy, whatever the training loss is."
    try: return figure(svg(draw_curves(run.history)), said)
    except (OSError, ValueError, KeyError, TypeError): return paragraph("No history that can be read.")


def made(run, name):
    "A picture that the run has, inside the page"
    try: return figure(picture(run.folder / f"{name}.png", name, lossless=name == "lr"), PICTURES[name])
    except Unreadable: return ""


# -- how it was made

def again(run):
    folder, line = shlex.quote(str(run.folder)), command(run.recipe)
    return code([f"python train.py --recipe {folder}", *([f"{line}  # the same without this folder"] if line else []),
                 f"fastricks evaluate {folder}"])


def recipe_facts(recipe):
    tricks = "+".join(map(str, recipe.make_tricks()))
    return {**{flag_of(f.name): "–" if (v := getattr(recipe, f.name)) is None else v for f in options()}, "tricks and schedule": tricks}


# -- images

def viewer(source, recipe, side=SIDE):
    "name -> the image as the network saw it in evaluation, as a data URI; None for one that is not there"
    from PIL import Image

    from ...data.pixels.canonical import from_torch
    from ...data.pixels.store import Pixels
    from ...data.pixels.views import CenterView, empty
    items, pixels, view = {o.name: o for o in source.items}, source.pixels or Pixels(recipe.resize), CenterView(recipe.size, recipe.resize)

    @cache
    def see(name):
        try: x = pixels[items[name]]
        except (KeyError, Unreadable): return None
        view.cut(x, None, False, out := empty(1, view.size, view.size))
        im = Image.fromarray(from_torch(out))
        return data_uri(im.resize((side, side), Image.Resampling.LANCZOS) if view.size > side else im)
    return see

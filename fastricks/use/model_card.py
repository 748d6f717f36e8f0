"""A run's model card: what the Hugging Face hub, and whoever finds the model there, must know of it. No path and no
name of a photo is in it.
"""
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import UserError, one_of, plural
from ..core.files import read_json, write
from ..core.repository import install_line, repository
from ..recipe.command import command
from ..recipe.recipe import Recipe
from ..recipe.size import sides_of
from ..report.pages.parts import by_f1, numbers, one, short_percent
from ..report.pages.run import classes_of_model, qualities, sentence, without_test_set
from ..report.runs import SPLIT_WORD, FinishedRun
from ..report.stored import without_folders
from .evaluate import finished_run
from .hub import HUB_NAME
from .saved import find_saved

if TYPE_CHECKING:
    from ..report.pages.quality import Quality

UNKNOWN_LICENCE = "unknown"   # the hub's word for a licence that nobody has stated
PLACE = "USER/NAME"   # where the card goes, until that is known
MOST_CLASSES = 50     # that the table has
FEW_TRAINING = 5               # training images of a class, below which it is named
HUB_DATA = {"food-101": "ethz/food101", "food-101-21": "ethz/food101"}
VERSIONS_ON_CARD = "fastricks", "python", "torch", "fastai", "timm"


class CardOptions(NamedTuple):
    "What a run cannot say of itself"
    licence: str = UNKNOWN_LICENCE   # the hub's identifier of the weights' licence, as mit, cc-by-4.0
    dataset: str | None = None  # the photos on the hub, as user/name
    place: str = PLACE       # where the model goes on the hub


def card_options(licence: str | None = None, dataset: str | None = None, place: str | None = None) -> CardOptions:
    return CardOptions(licence or UNKNOWN_LICENCE, dataset, place or PLACE)


def save_card(run: str | PathLike[str], out: str | PathLike[str] | None = None,
              options: CardOptions = CardOptions()) -> Path:
    """Write a finished run's model card to `out` (default: README.md in its folder), which must not be there: its path.
    Raises UserError
    """
    found = finished_run(find_saved(run))
    file = Path(out).expanduser() if out else found.folder / "README.md"
    if file.exists():
        raise UserError(f"{file} is there already, and may have been edited: remove it, or give --out another name")
    write(file, model_card(found, options))
    return file


def model_card(run: FinishedRun, options: CardOptions = CardOptions()) -> str:
    """A FinishedRun's card as Markdown with the hub's front matter. Raises UserError where its predictions are gone, or
    an option is none
    """
    require_card_options(options)
    q = quality_of(run)
    parts = [
        front_matter(run, q, options),
        f"# {escaped(run.name)}",
        escaped(sentence(run)),
        *how_good(run, q),
        *how_to_use(run, options),
        *made_from(run),
        *limits_section(run, q),
        *licences(run, options),
    ]
    return "\n\n".join(parts) + "\n"


def require_card_options(o: CardOptions) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", o.licence):
        raise UserError(f"--license {o.licence} is no identifier of the hub: as mit, apache-2.0, cc-by-4.0, other or "
                        f"{UNKNOWN_LICENCE}")
    if o.dataset is not None:
        require_place(o.dataset, "--dataset")
    require_place(o.place, "--place")


def require_place(name: str, what: str) -> None:
    if not re.fullmatch(HUB_NAME, name):
        raise UserError(f"{what} {name} is no place on the hub: as user/name")


def quality_of(run: FinishedRun) -> "Quality":
    found = qualities(run, classes_of_model(run.folder))
    if run.metrics["split"] in found:
        return found[run.metrics["split"]]
    raise UserError(f"{run.folder} has no predictions that fit its metrics.json, of which a card's intervals are made: "
                    f"`fastricks evaluate {run.folder}` looks at the model again")


# -- Markdown

def escaped(text: object) -> str:
    "A text in which nothing is Markdown or HTML, in one line"
    return re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", " ".join(str(text).split()))


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(head)
    lines = [head, ["--"] * len(head), *([str(c) for c in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts_table(facts: Mapping[str, object]) -> str: return markdown_table(["", ""], facts.items())


def fenced_code(language: str, *lines: str) -> str: return "\n".join([f"```{language}", *lines, "```"])


# -- what the hub reads

def front_matter(run: FinishedRun, q: "Quality", o: CardOptions) -> str:
    "YAML between dashes, as huggingface_hub writes it"
    from huggingface_hub import ModelCardData
    base = starting_weights(run)[0]
    data = ModelCardData(
        license=o.licence,
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", "fastricks"],
        datasets=datasets(run, o),
        metrics=["accuracy", "f1"],
        model_name=run.name,
        eval_results=results(run, q, o),
        **({"base_model": base} if base else {}))
    return f"---\n{data.to_yaml()}\n---"


def datasets(run: FinishedRun, o: CardOptions) -> list[str]:
    "The photos' place on the hub; none where nobody said it, as a folder's name there may be another's"
    known = o.dataset or HUB_DATA.get(run.recipe.data)
    return [known] if known else []


def results(run: FinishedRun, q: "Quality", o: CardOptions) -> list[Any]:
    "What the hub's own tables show"
    from huggingface_hub import EvalResult
    where = (datasets(run, o) or ["imagefolder"])[0]
    split = SPLIT_WORD[run.metrics["split"]]
    return [EvalResult("image-classification", where, run.data["name"], kind, round(v.value, 6), dataset_split=split,
                       metric_name=name)
            for kind, name, v in (("accuracy", "top-1 accuracy", q.top1), ("f1", "macro F1", q.f1))]


def starting_weights(run: FinishedRun) -> tuple[str | None, str | None]:
    "(place on the hub, licence) of the weights that training started from, as timm says them"
    if not run.recipe.pretrained or run.recipe.weights:
        return None, None
    from ..model.network import arch_cfg
    cfg = arch_cfg(run.recipe.arch)
    return getattr(cfg, "hf_hub_id", None), getattr(cfg, "license", None)


# -- what people read

def how_good(run: FinishedRun, q: "Quality") -> list[str]:
    split = SPLIT_WORD[run.metrics["split"]]
    rows = [(what, one(v, as_text), f"{q.n:,}") for what, v, as_text in numbers(q)]
    what = "soup" if run.soup else "training"
    right = f"{q.hits:,} of {q.n:,} {split} images of {escaped(run.data['name'])} are predicted correctly."
    numbers_table = markdown_table(["", "value [95% interval]", f"{split} images"], rows)
    return ["## How good it is", f"{right} n = 1 {what} (seed {run.seed}).", *without_test_set(run),
            numbers_table, escaped(q.how()), *class_section(q)]


def class_section(q: "Quality") -> list[str]:
    "The classes with the lowest F1 first"
    rows = [(escaped(r.name), f"{r.n:,}", one(r.recall, short_percent), one(r.precision, short_percent))
            for r in by_f1(q)[:MOST_CLASSES]]
    more = [] if len(q.rows) <= MOST_CLASSES else [f"The {MOST_CLASSES} classes of {len(q.rows):,} with the lowest F1."]
    return [markdown_table(["class", "images", "recall [95%]", "precision [95%]"], rows), *more]


def how_to_use(run: FinishedRun, o: CardOptions) -> list[str]:
    url = repository()
    made = f"[fastricks]({url})" if url else "fastricks"
    ours = "import fastricks as ft", "", f'ft.load("hf://{o.place}").predict("photo.jpg")'
    timms = ("import timm", "", f'model = timm.create_model("hf-hub:{o.place}", pretrained=True).eval()',
             "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))",
             "classes = model.pretrained_cfg['label_names']")
    return ["## How to use it",
            f"With {made}, which makes pixels as this model's evaluation made them:",
            fenced_code("sh", install_line(), f"fastricks predict hf://{o.place} photo.jpg"),
            fenced_code("python", *ours),
            "With timm alone:",
            fenced_code("python", *timms),
            "The weights are safetensors; nothing here is a pickle, and nothing is executed when it is loaded."]


def made_from(run: FinishedRun) -> list[str]:
    r, d = without_places(run.recipe), run.data
    words = {"train": "training", **SPLIT_WORD}
    images = ", ".join(f"{d[s]:,} {word}" for s, word in words.items() if d.get(s))
    line = None if run.soup else command(r)
    width, height = sides_of(r.size, r.shape)
    epochs = plural(run.metrics.get("epochs", r.epochs), "epoch")
    versions = ", ".join(f"{k} {run.environment[k]}" for k in VERSIONS_ON_CARD if k in run.environment)
    start = "from scratch" if r.from_scratch else escaped(starting_weights(run)[0] or "other weights")
    tricks = "+".join(map(str, r.make_tricks()))
    facts = {
        "data": f"{escaped(d['name'])}: {images} images",
        "fingerprint of the data": f"`{d['fingerprint']}` (names, sizes, labels and splits)",
        "network": escaped(r.arch),
        "start": start,
        "input": f"{width} x {height} pixels, {r.fit}, {plural(r.channels, 'channel')}",
        "training": f"{epochs}, batch {r.batch_size}, {r.opt}, learning rate {r.lr:g}, seed {r.seed}",
        "tricks": escaped(tricks),
        "identity of the run": f"`{run.identity}`",
        "versions": escaped(versions),
    }
    return ["## What it was made from", facts_table(facts), *([fenced_code("sh", line)] if line else [])]


def without_places(recipe: Recipe) -> Recipe:
    "A Recipe that does not say where on its owner's machine things lie"
    return Recipe(**without_folders(asdict(recipe)))


def limits_section(run: FinishedRun, q: "Quality") -> list[str]:
    points = [f"It predicts one of its {plural(len(q.classes), 'class', 'classes')} for every photo, also to "
              "one of something else.",
              f"Its numbers are of images as those of {escaped(run.data['name'])}; of other cameras, places or times "
              "they may be lower.",
              "It was trained once: the intervals are over the choice of images, and say nothing of another seed, "
              "split or training set."]
    if rare := few_images(run.folder):
        points.append(f"Classes with fewer than {FEW_TRAINING} training images: {escaped(one_of(rare))}.")
    if q.absent:
        points.append(f"Classes that no image of the evaluation has: {escaped(one_of(q.absent))}.")
    if q.ece.low > 0:
        points.append("How sure it is is not how often it is right (see the calibration error).")
    points.append("Not looked at: differences between groups of people, attacks, what it is used for. Whoever uses it "
                  "has to.")
    return ["## Limits", "\n".join(f"- {o}" for o in points)]


def few_images(folder: Path) -> list[str]:
    "Classes with few training images, as the run's account of its data has them; none where it can't be read"
    try:
        classes = read_json(folder / "data.json")["classes"]
        return [name for name, n in classes.items() if n.get("train", 0) < FEW_TRAINING]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def licences(run: FinishedRun, o: CardOptions) -> list[str]:
    base, of_base = starting_weights(run)
    start = f"{escaped(base)}: {of_base or UNKNOWN_LICENCE}, as timm says" if base else UNKNOWN_LICENCE
    if run.recipe.from_scratch:
        start = "none, it was trained from scratch"
    unstated = f"{UNKNOWN_LICENCE}: their owner has not stated it"
    photos = datasets(run, o) or [f"{UNKNOWN_LICENCE} to the program that wrote this"]
    facts = {"these weights": unstated if o.licence == UNKNOWN_LICENCE else o.licence,
             "start weights": start,
             "photos": escaped(photos[0]),
             "fastricks, which trained it": "mit"}
    return ["## Licence",
            facts_table(facts),
            "What the photos' and the start weights' licences allow holds for these weights too."]

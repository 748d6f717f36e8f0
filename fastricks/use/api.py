"""What `import fastricks as ft` does: each verb of the command line as one call. Light: torch comes with the first that
needs it.
"""
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..core.calls import checked_call, require_count
from ..core.errors import UserError
from ..core.words import silent
from ..recipe.given import recipe_from, text_of, with_recipe_options
from ..recipe.recipe import Recipe
from ..recipe.registry import registry
from ..trick.base import Trick

if TYPE_CHECKING:
    from pathlib import Path

    from fastai.learner import Learner
    from matplotlib.figure import Figure

    from ..callbacks.seen import Look
    from ..recipe.schedule import Schedule
    from ..report.compare.comparison import Comparison
    from ..training.training import Result
    from .cleaning import Cleaning
    from .data_report import DataReport
    from .evaluate import Evaluation
    from .run import Run

Data = str | PathLike[str] | Recipe | None
Tricks = str | Trick | Iterable[str | Trick] | None


@with_recipe_options
def make_recipe(data: Data = None, tricks: Tricks = (), *, recipe: object = None, **options: Any) -> Recipe:
    """The Recipe that `train` would train: all options with their values, checked as far as they can be without data.

    `data`: digits, food-101-21, a folder or a CSV, or a Recipe; `tricks`: "warmup+cosine+mixup:alpha=.4", or a list of
    such texts; `recipe`: a Recipe, a named one, a run, or a run's folder, which the other arguments change. Raises
    UserError.
    """
    return recipe_from(data, tricks, recipe, options)


@with_recipe_options
def train(data: Data = None, tricks: Tricks = (), *, recipe: object = None, resume: bool | str | PathLike[str] = False,
          quiet: bool = False, **options: Any) -> "Run":
    """Train a classifier and return its Run; with no arguments, on the built-in digits.

    `data`, `tricks`, `recipe`: as `make_recipe` has them; `resume`: True goes on with the last unfinished run of this
    recipe, or opens a finished one, if there is one; `quiet`: say nothing. All options of `fastricks train` are
    arguments, `--batch-size 64` is `batch_size=64`. The run's folder holds everything; `run.learn` is the fastai
    Learner that was trained, if one was. Raises UserError for what the user can mend.

        run = ft.train("PHOTOS", "warmup+cosine+mixup:alpha=.4", epochs=5)
        run.predict("photo.jpg")
    """
    asked = recipe_from(data, tricks, recipe, options)
    from .train import train as train_recipe
    result = train_recipe(asked, silent if quiet else print, resume=resume)
    return run_of(result)


def run_of(result: "Result") -> "Run":
    "The Run of a training's Result, with the Learner that was trained"
    run = load(result.folder, result.learn.dls.device.type if result.learn else "auto")
    run.learn = result.learn
    return run


@checked_call
def load(run: str | PathLike[str], device: str = "auto") -> "Run":
    """A finished run, ready to use: `predict`, `probs`, `learner()`, `metrics`, `history`, `recipe`.

    `run`: the run's folder, its model.safetensors wherever it lies, or hf://user/name on the Hugging Face hub;
    `device`: auto, cpu, cuda or mps. Nothing in these files is executed. Raises UserError for what is no such thing.

        ft.load("runs/NAME").predict("photo.jpg")
        learn = ft.load("runs/NAME").learner()
    """
    from .saved import find_saved
    saved = find_saved(text_of("run", run))
    from .predictor import open_predictor
    from .run import Run
    return open_predictor(saved, device, Run)


@with_recipe_options
def learner(data: Data = None, tricks: Tricks = (), *, recipe: object = None, cbs: Any = (), quiet: bool = False,
            **options: Any) -> "Learner":
    """The fastai Learner that `train` would fit, not yet trained and without a run folder.

    `data`, `tricks`, `recipe`: as `make_recipe` has them; `cbs`: more fastai callbacks. `learn.parts` has what the
    tricks changed: model, loss, opt, groups, schedule, cbs. `ft.fit(learn)` trains it by its recipe; `learn.fit` and
    fastai's other ways work as ever.
    """
    asked = recipe_from(data, tricks, recipe, options)
    from ..training.notebook import learner_of
    learn, parts = learner_of(asked, callback_list(cbs), silent if quiet else print)
    learn.parts = parts
    return learn


def callback_list(cbs: Any) -> list[Any]:
    "One or several callbacks, or classes of them, as a list"
    from fastai.callback.core import Callback
    found = list(cbs) if isinstance(cbs, list | tuple) else [cbs]
    for o in found:
        if not isinstance(o, Callback) and not (isinstance(o, type) and issubclass(o, Callback)):
            raise UserError(f"cbs are fastai Callbacks, one or a list of them, not {o!r}")
    return found


@checked_call
def fit(learn: "Learner") -> "Learner":
    "Train a Learner of `ft.learner` by its recipe: epochs, learning rate and schedule are the recipe's"
    parts = vars(learn).get("parts") if hasattr(learn, "__dict__") else None
    if parts is None:
        raise UserError("fit trains a Learner of ft.learner by its recipe; any other has its own fit: learn.fit(5, "
                        "1e-3)")
    from ..training.learner import fit as fit_parts
    return fit_parts(learn, parts)


@checked_call
def evaluate(run: str | PathLike[str], data: str | PathLike[str] | None = None, split: str | None = None,
             tta: bool = False,
             quiet: bool = False) -> "Evaluation":
    """What a run's model makes of its own test images, or of other `data`: numbers, intervals, the confusion matrix,
    top losses.

    `run`: a Run or its folder; `split`: train, valid or test; `tta`: the mean over each image and its mirror image.
    Raises UserError.
    """
    from .evaluate import evaluate as evaluate_run
    place = None if data is None else text_of("data", data)
    return evaluate_run(text_of("run", run), place, split, tta, silent if quiet else print)


@checked_call
def export(run: str | PathLike[str], to: str = "onnx", out: str | PathLike[str] | None = None, *, int8: bool = False,
           whole_photo: bool = False, margin: float = .5, quiet: bool = False) -> "Path":
    """Write a run's model in another format, check that it computes the same, and return the path of what was written.

    `to`: onnx, timm or torch-export; `out`: where it goes (default: into the run's folder). Of onnx: `int8`, 8-bit
    weights and activations, refused where they lose more than `margin` points of accuracy on the run's own test images;
    `whole_photo`: resizing and cropping inside. Raises UserError.
    """
    from .export import export as export_run
    from .exporters.variants import Variant
    written = export_run(text_of("run", run), to, out, Variant(int8, whole_photo, margin))
    if not quiet:
        print(*written.lines, sep="\n")
    return written.path


@checked_call
def model_card(run: str | PathLike[str], out: str | PathLike[str] | None = None, *, license: str | None = None,
               dataset: str | None = None,
               place: str | None = None) -> "Path":
    """Write a finished run's model card (Markdown, with what the Hugging Face hub reads at its top) and return its
    path.

    `out`: default README.md in the run's folder; `license`: of the weights, as the hub names it; `dataset`: the photos'
    user/name on the hub; `place`: the model's. Raises UserError.
    """
    from .model_card import card_options, save_card
    return save_card(text_of("run", run), out, card_options(license, dataset, place))


@checked_call
def push(run: str | PathLike[str], place: str, *, public: bool = False, license: str | None = None,
         dataset: str | None = None,
         quiet: bool = False) -> str:
    """Send a finished run to the Hugging Face hub as user/name, private unless `public`, and return its address.

    Weights, configuration, numbers and model card go there: safetensors, JSON and Markdown. `license`, `dataset`: as
    `model_card` has them. The token is huggingface_hub's own. Raises UserError.
    """
    from .model_card import card_options
    from .push import push as push_run
    return push_run(text_of("run", run), card_options(license, dataset, place), public, silent if quiet else print)


@with_recipe_options
def clean(data: Data = None, tricks: Tricks = (), *, recipe: object = None, folds: int = 5, decide: str = "keep",
          to: str | PathLike[str] | None = None, quiet: bool = False, **options: Any) -> "Cleaning":
    """Find wrong labels: a Cleaning with `.suspects`, the most suspicious first, `.page` and `.table`.

    Each of `folds` trainings is made without its part of the photos, whose labels its network then looks at. The table
    has a column decision (keep, drop or relabel), with which suspects begin as `decide`; `data` takes it as it is.
    `to`: a folder (default: clean-DATA in `out`). `data`, `tricks`, `recipe` and options as `train` has them. Raises
    UserError.

        found = ft.clean("PHOTOS", decide="drop")
        ft.train(found.table)
    """
    require_count("clean: folds=", folds, 2)
    asked = recipe_from(data, tricks, recipe, options)
    from .cleaning import CleanOptions, clean_labels
    return clean_labels(asked, CleanOptions(folds, decide, to), silent if quiet else print)


@checked_call
def compare(runs: Any = "runs", baseline: Any = None, *, margin: float | None = None, metric: str = "top1",
            by: str | None = None, once: bool = False, anyway: bool = False) -> "Comparison":
    """The Comparison of finished runs: which recipes help, by how much, and how sure that is.

    `runs`: a folder of runs, or several runs, their folders or globs; `baseline`: a row's tricks, a run or a named
    recipe (default: the row without tricks); `margin`: the difference that matters, in points; `metric`: top1, top5,
    loss, loss_t, macro_f1, balanced_accuracy ece or ece_t; `by`: test or valid; `once`: one look at 5% over all seeds
    instead of looks at 5, 8, 12, 16 and 24; `anyway`: compare what is not comparable, with a warning. Raises UserError.
    """
    from ..report.compare.comparison import compare as compare_runs
    row = None if baseline is None else text_of("baseline", baseline)
    return compare_runs(places_of(runs), row, margin, metric, by, anyway, once=once)


@checked_call
def soup(runs: Any = "runs", *, across_seeds: bool = False, quiet: bool = False) -> "list[Run]":
    """The soups of an ablation's finished runs, a Run for each seed: their weights averaged, each kept where the
    average is no worse on validation.

    `runs`: a folder of runs, or several runs, their folders or globs; `across_seeds`: one of all seeds. `ft.compare`
    shows them as the row `soup`. Raises UserError where networks, classes, data or start differ, and without a
    validation split.
    """
    from .soup import soups
    return [load(o.folder) for o in soups(places_of(runs), across_seeds, silent if quiet else print)]


def places_of(runs: Any) -> list[str]:
    "Paths of one or several runs, folders or globs"
    several = isinstance(runs, list | tuple | set)
    found = [text_of("runs", o) for o in (runs if several else [runs])]
    if not found:
        raise UserError("there are no runs to compare: give a folder of runs, or two runs")
    return found


@with_recipe_options
def show_data(data: Data = None, *, recipe: object = None, quiet: bool = False, **options: Any) -> "DataReport":
    """What images are there, before a training: classes, sizes, copies across splits, unreadable files.

    Returns a DataReport: it shows itself in a notebook, `.files` is a data frame with a row an image, `.picture()`
    draws samples. Nothing is changed. Raises UserError.
    """
    asked = recipe_from(data, (), recipe, options)
    from ..data.survey import survey
    from .data_report import DataReport
    return DataReport(survey(asked, silent if quiet else print))


@with_recipe_options
def first_batch(data: Data = None, tricks: Tricks = (), *, recipe: object = None, epoch: int = 1,
                **options: Any) -> "Look":
    """An epoch's first training batch as the network sees it: `.batch` has x, y and, under mixup, the partners' labels
    y1 and lam; `.target` [n, K] is what the loss asks for (None where it has no such target). Nothing is trained.
    """
    asked = recipe_from(data, tricks, recipe, options)
    from .first_batch import look_at_batch
    return look_at_batch(asked, epoch)[1]


@with_recipe_options
def show_batch(data: Data = None, tricks: Tricks = (), *, recipe: object = None, n: int = 8, epoch: int | None = None,
               **options: Any) -> "Figure":
    """`n` images of a training batch as the network sees them, as a matplotlib Figure.

    The batch is the first, or with mixup and the like one whose λ is near ½; `epoch` keeps to one epoch.
    """
    require_count("show_batch: n=", n)
    asked = recipe_from(data, tricks, recipe, options)
    from .first_batch import batch_figure as draw
    return draw(asked, n, epoch)


@with_recipe_options
def show_targets(data: Data = None, tricks: Tricks = (), *, recipe: object = None, n: int = 4, epoch: int | None = None,
                 **options: Any) -> "Figure":
    """What the loss asks the network for, of `n` images of the batch that `show_batch` shows, as a matplotlib Figure.

    With a teacher also its soft labels for these images; a teacher that is not there yet is a UserError.
    """
    require_count("show_targets: n=", n)
    asked = recipe_from(data, tricks, recipe, options)
    from .first_batch import targets_figure as draw
    return draw(asked, n, epoch)


@checked_call
def show_lr(recipes: Any, steps: int | None = None) -> "Figure":
    """The learning rate of every step of a Recipe, or of several as {name: Recipe}, as a matplotlib Figure; `steps` an
    epoch (default: the data's)
    """
    for o in recipes.values() if isinstance(recipes, dict) else [recipes]:
        require_recipe("show_lr", o)
    if steps is not None:
        require_count("show_lr: steps=", steps)
    from .schedules import rates_figure as draw
    return draw(recipes, steps)


@checked_call
def schedule(recipe: Recipe, steps: int = 100) -> "Schedule":
    "The learning rate of a Recipe as a function of the optimizer step, `steps` an epoch; `.trace()` is all of it"
    require_recipe("schedule", recipe)
    require_count("schedule: steps=", steps)
    from ..recipe.plan import schedule_of
    return schedule_of(recipe, steps)


def require_recipe(name: str, o: object) -> None:
    if not isinstance(o, Recipe):
        raise UserError(f"{name} takes a Recipe, as ft.make_recipe makes one, not {o!r}")


@checked_call
def draw_delta(comparison: "Comparison") -> "Figure | None":
    "Each row's gain with its 95% interval, as a matplotlib Figure; None where there is nothing to draw"
    from ..report.compare.comparison import Comparison
    from ..report.compare.pictures import draw_delta as draw
    if not isinstance(comparison, Comparison):
        raise UserError(f"draw_delta takes a Comparison, as ft.compare makes one, not {comparison!r}")
    return draw(comparison)


@checked_call
def list_tricks() -> list[str]:
    "Names of the tricks, as `-t` takes them"
    return list(registry())


@checked_call
def card(trick: str) -> "Card":
    "What a trick is: formula, source, cost, keys with their ranges, how it is used"
    from ..report.cards import card_lines as lines_of
    return Card("\n".join(lines_of(trick)))


class Card(str):
    "A text that a notebook shows as it is"
    def __repr__(self) -> str: return str(self)

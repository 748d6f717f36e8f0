"""The learning rate of every step of a training, as a picture. Light."""
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UserError, plural
from ..core.words import Say, silent
from ..data.checked import open_data
from ..recipe.names import tricks_text
from ..recipe.plan import STEPS, schedule_of
from ..recipe.recipe import FIND, Recipe, resolve
from ..recipe.schedule import Schedule
from ..report.plots import save_to
from ..training.lr_find import TO_COME

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DataFields = tuple[str, str | None, int | None, float]  # the fields of a recipe that say which images


def rates_figure(recipes: Recipe | Mapping[str, Recipe], steps: int | None = None, say: Say = silent) -> "Figure":
    """The learning rate of every step, name -> Recipe (or one Recipe), as a matplotlib Figure; and momentum where it
    moves.

    `steps`: optimizer steps an epoch, instead of what each recipe's data makes.
    """
    return draw_schedules(schedules_of(recipes, steps, say))


def schedules_of(recipes: Recipe | Mapping[str, Recipe], steps: int | None = None,
                 say: Say = silent) -> dict[str, Schedule]:
    "name -> Schedule; data that several recipes share is opened once"
    if isinstance(recipes, Recipe):
        recipes = {tricks_text(recipes): recipes}
    if any(r.lr == FIND for r in recipes.values()):
        say(f"learning rate {TO_COME}")
    counts = {} if steps else count_images(recipes.values(), say)
    return {name: schedule_of(r, steps, counts.get(data_of(r))) for name, r in recipes.items()}


def data_of(r: Recipe) -> DataFields: return r.data, r.classes, r.per_class, r.valid


def count_images(recipes: Iterable[Recipe], say: Say) -> dict[DataFields, int | None]:
    "data -> how many training images, or None where the data can't be opened"
    return {key: n_training_images(r, say) for key, r in {data_of(r): r for r in recipes}.items()}


def n_training_images(recipe: Recipe, say: Say) -> int | None:
    from ..data.sources.download import find_food
    from ..data.sources.food import NAMES
    try:
        if recipe.data in NAMES and not find_food(recipe.data):
            raise UserError(f"{recipe.data} is not on this machine")
        return len(open_data(recipe, check=False, say=silent).of("train"))
    except UserError as e:
        say(f"drawn with {STEPS} steps an epoch, not counted ({e}); --steps-per-epoch gives another number")
    return None


def draw_schedules(schedules: Mapping[str, Schedule]) -> "Figure":
    from ..report.plots import draw_lr
    moms = {k: [s.mom(i, s) for i in range(s.total)] for k, s in schedules.items() if s.mom}
    return draw_lr({k: s.trace() for k, s in schedules.items()}, {k: s.per_epoch for k, s in schedules.items()}, moms)


def schedule_line(name: str, s: Schedule) -> str:
    lrs = s.trace()
    return (f"{name}: {plural(s.epochs, 'epoch')} of {plural(s.per_epoch, 'step')}, "
            f"learning rate from {lrs[0]:.3g} to {lrs[-1]:.3g}, highest {max(lrs):.3g}")


def tell_lr(schedules: Mapping[str, Schedule], to: str, terminal: bool, say: Say = print) -> None:
    "A line of text for each schedule, on a terminal its curve too, and the picture of all"
    from ..report.plots import print_curve
    for name, s in schedules.items():
        for line in print_curve(s.trace(), s.per_epoch, name) if terminal else ():
            say(line)
        say(schedule_line(name, s))
    say(f"picture    {save_to(draw_schedules(schedules), to)}")


def recipes_of_lines(given: Mapping[str, Any], names: Sequence[str] = (), rows: Sequence[str] = (),
                     recipe: str | None = None) -> dict[str, Recipe]:
    """name -> Recipe of a command line: `names` are recipes or run folders, `rows` are -t selections, each a line of
    its own.

    A row stands on `recipe`, else on the first of `names`.
    """
    base = recipe or next(iter(names), None)
    lines = {label(n): resolve(given, (), n) for n in names}
    for row in rows:
        name = f"{label(base)} -t {row}" if base else row
        lines[name] = resolve(given, [row], base)
    return lines or {label(recipe or "baseline"): resolve(given, (), recipe)}


def label(name: str) -> str: return Path(name).parent.name if name.endswith("recipe.json") else Path(name).name

"""What a training would do, as pictures: its learning rate, its first batch, its targets. Nothing is trained."""
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import UserError, plural
from .plan import batches_an_epoch, make_plan, make_schedule, settings
from .recipe import Recipe, resolve
from .runs import trick_words
from .train import describe, open_data, settle_machine
from .trick import Plan

STEPS = 100  # an epoch's, where there is no data to count


def silent(line): "For notebooks, where the picture says enough"


# -- learning rate

def show_lr(recipes, steps=None, say=silent):
    """The learning rate of every step, name -> Recipe (or one Recipe), as a matplotlib Figure; and momentum where it moves.

    `steps`: optimizer steps an epoch, instead of what each recipe's data makes.
    """
    return draw_schedules(schedules_of(recipes, steps, say))


def schedules_of(recipes, steps=None, say=silent):
    "name -> Schedule; data that several recipes share is opened once"
    if isinstance(recipes, Recipe): recipes = {title_of(recipes): recipes}
    counts = {} if steps else count_images(recipes.values(), say)
    return {name: schedule_of(r, steps, counts.get(data_of(r))) for name, r in recipes.items()}


def data_of(r): return r.data, r.classes, r.per_class, r.valid


def count_images(recipes, say):
    "data -> how many training images, or None where the data can't be opened"
    return {key: images_of(r, say) for key, r in {data_of(r): r for r in recipes}.items()}


def images_of(recipe, say):
    from .data.food import NAMES, find_food
    try:
        if recipe.data in NAMES and not find_food(recipe.data): raise UserError(f"{recipe.data} is not on this machine")
        return len(open_data(replace(recipe, keep="last", patience=None), check=False, say=silent).of("train"))
    except UserError as e: say(f"drawn with {STEPS} steps an epoch, as there is no data to count ({e}); --steps-per-epoch sets another number")


def schedule_of(recipe, steps=None, images=None):
    "A recipe's Schedule, of `steps` optimizer steps an epoch or as many as `images` make"
    n = images or recipe.batch_size * (steps or STEPS)
    plan = Plan(recipe, recipe.make_tricks(), n_train=n, batches=batches_an_epoch(n, recipe.batch_size))
    opt = settings(recipe, plan)
    if not images: plan = replace(plan, batches=(steps or STEPS) * opt.batches)
    return make_schedule(recipe, plan, opt)


def draw_schedules(schedules):
    from .plots import draw_lr
    moms = {k: [s.mom(i, s) for i in range(s.total)] for k, s in schedules.items() if s.mom}
    return draw_lr({k: s.trace() for k, s in schedules.items()}, {k: s.per_epoch for k, s in schedules.items()}, moms)


def schedule_line(name, s):
    return f"{name}: {plural(s.epochs, 'epoch')} of {plural(s.per_epoch, 'step')}, learning rate from {s(0):.3g} to {s(s.total - 1):.3g}, " \
           f"highest {max(s.trace()):.3g}"


def lines_of(given, names=(), rows=(), recipe=None):
    """name -> Recipe of a command line: `names` are recipes or run folders, `rows` are -t selections, each a line of its own.

    A row stands on `recipe`, else on the first of `names`.
    """
    base = recipe or next(iter(names), None)
    lines = {label(n): resolve(given, (), n) for n in names}
    lines |= {" -t ".join(filter(None, (base and label(base), row))): resolve(given, [row], base) for row in rows}
    return lines or {label(recipe) if recipe else "baseline": resolve(given, (), recipe)}


def label(name): return Path(name).parent.name if name.endswith("recipe.json") else Path(name).name


# -- the first batch

@dataclass(frozen=True)
class View:
    "The first training batch of an epoch, and what it is to be learned from it"
    recipe: Recipe
    source: object
    batch: object          # callbacks.seen.Batch
    target: object         # [n, K], what the loss of the labels asks for
    epoch: int             # from 1

    @property
    def title(self): return f"{self.source.name}, epoch {self.epoch}, {title_of(self.recipe)}"


def title_of(recipe):
    "The tricks that are on, as they are selected"
    return "+".join(str(t) for t in recipe.make_tricks() if t.name in recipe.tricks) or trick_words(recipe)[0]


def look(recipe, epoch=1, say=silent):
    "The View of a recipe: its own Learner trains a blank network, and stops before it would learn anything"
    from .model import check_arch
    from .rand import seeded
    recipe = settle_machine(replace(recipe, workers=0))  # just one batch is loaded
    check_arch(recipe.arch)
    if not 1 <= epoch <= recipe.epochs: raise UserError(f"--epoch {epoch} is none of this training's {plural(recipe.epochs, 'epoch')}")
    source = open_data(recipe, say=say)
    say(describe(source))
    with seeded(0): seen = stopped(recipe, source, epoch - 1)
    return View(recipe, source, seen.batch, seen.target, epoch)


def stopped(recipe, source, epoch):
    "Seen of an epoch's first batch, whose target came with it"
    from .callbacks.seen import Blank, SeenAlone
    from .learner import make_learner
    from .train import prepare
    parts, dls = prepare(recipe, source, load=False)
    seen = SeenAlone(epoch)
    learn = make_learner(dls, replace(parts, model=Blank(len(source.classes))), recipe, [seen])
    learn.fit(recipe.epochs, start_epoch=epoch)
    return seen


def show_batch(recipe, n=8, epoch=1, say=silent):
    "The first `n` images of an epoch's first training batch as the network sees them, as a matplotlib Figure"
    v = look(recipe, epoch, say)
    return draw_view(v.batch, v.recipe, v.source, n, epoch)


def draw_view(batch, recipe, source, n=8, epoch=1):
    from .plots import draw_batch
    title = f"first training batch of epoch {epoch}: {min(n, len(batch.x))} of {plural(batch.size, 'image')}\n{source.name}, {title_of(recipe)}"
    return draw_batch(pixels(batch.x[:n], recipe), captions(batch, source.classes)[:n], wrapped(title))


def pixels(x, recipe):
    "Images [n, h, w, 3] from 0 to 1 of a normalised batch"
    from .model import stats
    mean, std = (x.new_tensor(o)[:, None, None] for o in stats(recipe))
    return (x * std + mean).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()

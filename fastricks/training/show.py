"""What a training would do, as pictures: its learning rate, its first batch, its targets. Nothing is trained."""
from dataclasses import replace
from pathlib import Path

from ..core.errors import UserError, plural
from ..core.words import silent
from ..data.checked import open_data
from ..recipe.plan import batches_an_epoch, chain, make_plan, make_schedule, settings
from ..recipe.recipe import FIND, Recipe, resolve
from ..report.batch import View, draw_seen, draw_view_targets, tricks_text
from ..report.plots import save_to
from ..trick.base import Plan
from .lr_find import TO_COME
from .prepare import prepare
from .room import Room
from .settle import settle_machine

STEPS = 100  # an epoch's, where there is no data to count


# -- learning rate

def show_lr(recipes, steps=None, say=silent):
    """The learning rate of every step, name -> Recipe (or one Recipe), as a matplotlib Figure; and momentum where it moves.

    `steps`: optimizer steps an epoch, instead of what each recipe's data makes.
    """
    return draw_schedules(schedules_of(recipes, steps, say))


def schedules_of(recipes, steps=None, say=silent):
    "name -> Schedule; data that several recipes share is opened once"
    if isinstance(recipes, Recipe): recipes = {tricks_text(recipes): recipes}
    if any(r.lr == FIND for r in recipes.values()): say(f"learning rate {TO_COME}")
    counts = {} if steps else count_images(recipes.values(), say)
    return {name: schedule_of(r, steps, counts.get(data_of(r))) for name, r in recipes.items()}


def data_of(r): return r.data, r.classes, r.per_class, r.valid


def count_images(recipes, say):
    "data -> how many training images, or None where the data can't be opened"
    return {key: images_of(r, say) for key, r in {data_of(r): r for r in recipes}.items()}


def images_of(recipe, say):
    from ..data.sources.download import find_food
    from ..data.sources.food import NAMES
    try:
        if recipe.data in NAMES and not find_food(recipe.data): raise UserError(f"{recipe.data} is not on this machine")
        return len(open_data(recipe, check=False, say=silent).of("train"))
    except UserError as e: say(f"drawn with {STEPS} steps an epoch, not counted ({e}); --steps-per-epoch gives another number")


def schedule_of(recipe, steps=None, images=None):
    "A recipe's Schedule, of `steps` optimizer steps an epoch or as many as `images` make"
    n = images or recipe.batch_size * (steps or STEPS)
    plan = Plan(recipe, recipe.make_tricks(), n_train=n, batches=batches_an_epoch(n, recipe.batch_size))
    opt = settings(recipe, plan)
    if not images: plan = replace(plan, batches=(steps or STEPS) * opt.batches)
    return make_schedule(recipe, plan, opt)


def draw_schedules(schedules):
    from ..report.plots import draw_lr
    moms = {k: [s.mom(i, s) for i in range(s.total)] for k, s in schedules.items() if s.mom}
    return draw_lr({k: s.trace() for k, s in schedules.items()}, {k: s.per_epoch for k, s in schedules.items()}, moms)


def schedule_line(name, s):
    lrs = s.trace()
    return (f"{name}: {plural(s.epochs, 'epoch')} of {plural(s.per_epoch, 'step')}, learning rate from {lrs[0]:.3g} to {lrs[-1]:.3g}, "
            f"highest {max(lrs):.3g}")


def tell_lr(schedules, to, terminal, say=print):
    "A line of text for each schedule, on a terminal its curve too, and the picture of all"
    from ..report.plots import curve
    for name, s in schedules.items():
        for line in curve(s.trace(), s.per_epoch, name) if terminal else (): say(line)
        say(schedule_line(name, s))
    say(f"picture    {save_to(draw_schedules(schedules), to)}")


def lines_of(given, names=(), rows=(), recipe=None):
    """name -> Recipe of a command line: `names` are recipes or run folders, `rows` are -t selections, each a line of its own.

    A row stands on `recipe`, else on the first of `names`.
    """
    base = recipe or next(iter(names), None)
    lines = {label(n): resolve(given, (), n) for n in names}
    lines |= {" -t ".join(filter(None, (base and label(base), row))): resolve(given, [row], base) for row in rows}
    return lines or {label(recipe or "baseline"): resolve(given, (), recipe)}


def label(name): return Path(name).parent.name if name.endswith("recipe.json") else Path(name).name


def look(recipe, epoch=1, say=silent):
    "(View of a recipe, the Look it was seen by): its own Learner is given a blank network, and stopped before that would learn anything"
    from ..core.rand import seeded
    from ..model.network import check_arch
    recipe = settle_machine(replace(recipe, workers=0, compile=False))  # just one batch is loaded
    check_arch(recipe.arch)
    if not 1 <= epoch <= recipe.epochs: raise UserError(f"epoch {epoch} is none of this training's {plural(recipe.epochs, 'epoch')}")
    source = open_data(recipe, say=say)
    with seeded(0): seen = stopped(recipe, source, epoch - 1)
    return View(recipe, source, seen.batch, None), seen


def stopped(recipe, source, epoch):
    "The Look of an epoch's first batch"
    from ..callbacks.seen import Blank, Look
    from .learner import make_learner
    parts, dls = prepare(recipe, source, load=False)
    learn = make_learner(dls, replace(parts, model=Blank(len(source.classes))), recipe, [seen := Look(epoch)])
    learn.fit(recipe.epochs, start_epoch=epoch)
    return seen


def show_batch(recipe, n=8, epoch=1, say=silent):
    "The first `n` images of an epoch's first training batch as the network sees them, as a matplotlib Figure"
    v, _ = look(recipe, epoch, say)
    return draw_seen(v.batch, v.recipe, v.source, n)


# -- targets

def show_targets(recipe, n=4, epoch=1, say=silent):
    """The training targets of the first `n` images of an epoch's first batch, as a matplotlib Figure.

    With distill also the teacher's softened answers to these very images; a teacher that is not there yet is a UserError.
    """
    v, seen = look(recipe, epoch, say)
    targets = targets_of(v.recipe, v.source, seen, facts_of(v.recipe, v.source, say) if seen.target is not None else {}, n)
    return draw_view_targets(replace(v, targets=targets), n)


def targets_of(recipe, source, seen, facts, n):
    """What the loss asks for of the first `n` images of a batch, title -> [n, K]; None where the loss has no target.

    `facts`: trick -> what it settled.
    """
    if seen.target is None: return None
    plan = make_plan(recipe, source, 0, facts=facts)
    return chain(plan.tricks, "targets", {"target": seen.target[:n]}, seen.batch.x[:n], plan)


def facts_of(recipe, source, say):
    "Facts of the tricks that need another network; one that is not there yet is a UserError"
    return {t.name: t.settle(recipe, source, Room(say))[1] for t in recipe.make_tricks() if t.needs()}

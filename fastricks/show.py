"""What a training would do, as pictures: its learning rate, its first batch, its targets. Nothing is trained."""
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill

from .errors import UserError, plural, shorten
from .lr_find import TO_COME
from .plan import batches_an_epoch, make_plan, make_schedule, settings
from .recipe import FIND, Recipe, resolve
from .runs import trick_words
from .train import open_data, prepare, settle_machine, silent
from .trick import Plan

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
    from .data.food import NAMES, find_food
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
    from .plots import draw_lr
    moms = {k: [s.mom(i, s) for i in range(s.total)] for k, s in schedules.items() if s.mom}
    return draw_lr({k: s.trace() for k, s in schedules.items()}, {k: s.per_epoch for k, s in schedules.items()}, moms)


def schedule_line(name, s):
    lrs = s.trace()
    return (f"{name}: {plural(s.epochs, 'epoch')} of {plural(s.per_epoch, 'step')}, learning rate from {lrs[0]:.3g} to {lrs[-1]:.3g}, "
            f"highest {max(lrs):.3g}")


def tell_lr(schedules, to, terminal, say=print):
    "A line of text for each schedule, on a terminal its curve too, and the picture of all"
    from .plots import curve
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


# -- the first batch

@dataclass(frozen=True)
class View:
    "The first training batch of an epoch, and what is to be learned from it"
    recipe: Recipe
    source: object
    batch: object     # a callbacks.seen.Batch
    target: object    # [n, K]: what the loss of the labels asks for


def look(recipe, epoch=1, say=silent):
    "The View of a recipe: its own Learner is given a blank network, and stopped before that would learn anything"
    from .model import check_arch
    from .rand import seeded
    recipe = settle_machine(replace(recipe, workers=0, compile=False))  # just one batch is loaded
    check_arch(recipe.arch)
    if not 1 <= epoch <= recipe.epochs: raise UserError(f"epoch {epoch} is none of this training's {plural(recipe.epochs, 'epoch')}")
    source = open_data(recipe, say=say)
    with seeded(0): seen = stopped(recipe, source, epoch - 1)
    return View(recipe, source, seen.batch, seen.target)


def stopped(recipe, source, epoch):
    "The Look of an epoch's first batch"
    from .callbacks.seen import Blank, Look
    from .learner import make_learner
    parts, dls = prepare(recipe, source, load=False)
    learn = make_learner(dls, replace(parts, model=Blank(len(source.classes))), recipe, [seen := Look(epoch)])
    learn.fit(recipe.epochs, start_epoch=epoch)
    return seen


def show_batch(recipe, n=8, epoch=1, say=silent):
    "The first `n` images of an epoch's first training batch as the network sees them, as a matplotlib Figure"
    v = look(recipe, epoch, say)
    return draw_seen(v.batch, v.recipe, v.source, n)


def draw_seen(batch, recipe, source, n=8):
    from .plots import draw_batch
    return draw_batch(pixels(batch.x[:n], recipe), captions(batch, source.classes)[:n],
                      title("what the network sees", batch, recipe, source, n))


def title(what, batch, recipe, source, n):
    "What it is, of which images, with which tricks"
    which = f"{min(n, len(batch.x))} of the {plural(batch.size, 'image')} of epoch {batch.epoch + 1}'s first training batch"
    return f"{what}: {which}\n" + fill(f"{source.name}, {tricks_text(recipe)}", 90)


def tricks_text(recipe):
    "The tricks that are on, as they are selected"
    return "+".join(str(t) for t in recipe.make_tricks() if t.name in recipe.tricks) or trick_words(recipe)[0]


def pixels(x, recipe):
    "Images [n, h, w, 3] from 0 to 1 of a normalised batch"
    from .model import stats
    mean, std = (x.new_tensor(o)[:, None, None] for o in stats(recipe))
    return (x * std + mean).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()


def captions(batch, classes):
    "`waffles`, or under mixup `83% waffles` above `+ 17% ramen`"
    names = [shorten(classes[i]) for i in batch.y.tolist()]
    if batch.lam is None: return names
    partners = [shorten(classes[i]) for i in batch.y1.tolist()]
    return [f"{l:.0%} {a}\n+ {1 - l:.0%} {b}" for a, b, l in zip(names, partners, batch.lam.tolist(), strict=True)]


# -- targets

def show_targets(recipe, n=4, epoch=1, say=silent):
    """The training targets of the first `n` images of an epoch's first batch, as a matplotlib Figure.

    With distill also the teacher's softened answers to these very images; a teacher that is not there yet is a UserError.
    """
    return draw_view_targets(look(recipe, epoch, say), n, say)


def draw_view_targets(v, n, say=silent):
    from .plots import draw_targets
    return draw_targets(pixels(v.batch.x[:n], v.recipe), captions(v.batch, v.source.classes)[:n], series(v, n, say), v.source.classes,
                        title("what the loss asks for", v.batch, v.recipe, v.source, n))


def series(view, n, say=silent):
    "title -> [n, K]: the labels' target, and under distill the teacher's"
    if view.target is None: raise UserError("the training loss is no cross-entropy with a target, so there is none to show")
    trick = next((t for t in view.recipe.make_tricks() if t.name == "distill"), None)
    if not trick: return {"target": view.target[:n].numpy()}
    weights = [f"\nweight {o:.3g}" if trick.form == "convex" else "" for o in (1 - trick.alpha, trick.alpha)]
    return {f"labels{weights[0]}": view.target[:n].numpy(), f"teacher, T = {trick.T:g}{weights[1]}": softened(trick, view, n, say).numpy()}


def softened(trick, view, n, say=silent):
    "softmax(r/T) [n, K] of a teacher that is there already"
    import torch

    from .teacher import find_teacher, load_teacher
    _, facts = find_teacher(trick, view.recipe, view.source, say, may_train=False)
    teacher = load_teacher(make_plan(view.recipe, view.source, 0, facts={"distill": facts}))
    with torch.no_grad(): return (teacher(view.batch.x[:n].cpu()).float() / trick.T).softmax(1)


# -- files

def check_to(to):
    "Before any work: --to can be written"
    path = Path(to)
    if path.suffix.lower() != ".png": raise UserError(f"--to {to}: pictures are PNG files, so give a name that ends in .png")
    if path.is_dir(): raise UserError(f"--to {to} is a folder: name a file in it, as {path / path.name}")


def save_to(fig, to):
    from .plots import save
    try: return save(fig, to)
    except OSError as e: raise UserError(f"--to {to}: can't be written ({e.strerror})") from None

"""`--explain`: all that a training would do, without training."""
from pathlib import Path

from ..core.errors import UserError, plural
from ..core.words import Say
from ..data.account import account_of
from ..data.checked import open_data
from ..data.source import Source, describe
from ..recipe.names import base_name
from ..recipe.plan import batches_an_epoch, make_plan
from ..recipe.recipe import FIND, Recipe, flag_of, options
from ..recipe.registry import schedules
from ..report.plots import print_curve, save_figure
from ..training.lr_find import TO_COME
from ..training.outline import GroupSize, Outline, outline_of
from ..training.settle import absolute, settle, settle_machine
from ..trick.base import Opt, Plan, Trick
from .schedules import draw_schedules


def explain(recipe: Recipe, say: Say = print) -> None:
    "Print the resolved recipe, what each trick changes, the arithmetic and the LR curve; write the curve as a PNG"
    settled = settle_machine(recipe)
    job = settle(settled, source=open_data(settled, check=False, say=say))
    recipe, source = job.recipe, job.source
    plan = make_plan(recipe, source, batches_an_epoch(len(source.of("train")), recipe.whole_batch), recipe.device)
    outline = outline_of(recipe, plan)
    for section in (recipe_lines(recipe), data_lines(source), trick_lines(plan), warning_lines(recipe, plan),
                    group_lines(outline), arithmetic(recipe, plan, outline)):
        for line in [*section, ""]:
            say(line)
    for line in print_curve(outline.schedule.trace(), outline.schedule.per_epoch):
        say(line)
    name = base_name(recipe, source.name)
    file = Path(recipe.out) / "explain" / f"{name}-lr.png"
    try:
        say(f"picture    {save_figure(draw_schedules({name: outline.schedule}), absolute(file))}")
    except UserError as e:
        say(f"no picture ({e})")


def recipe_lines(recipe: Recipe) -> list[str]:
    values = [(flag_of(f.name), getattr(recipe, f.name)) for f in options()]
    named = f" ({recipe.recipe})" if recipe.recipe else ""
    return [f"recipe{named}", *(f"  {k:14} {'–' if v is None else v}" for k, v in values)]


def data_lines(source: Source) -> list[str]:
    account = (f"  {line}" for line in account_of(source).lines)
    return ["data", f"  {describe(source)}", *account, f"  final numbers are of the {source.eval_split} split"]


def trick_lines(plan: Plan) -> list[str]:
    lines = [f"  {t.name:16} {', '.join(t.changes()):10} {t.explain(plan)} [{settings_text(t)}]" for t in plan.tricks]
    own = [t for t in plan.tricks if t.name in schedules() and t.name not in plan.recipe.tricks]
    if own and len(plan.tricks) == 1:
        lines.append(f"  ({own[0].name} is the recipe's own schedule; no other trick is on)")
    return ["tricks", *lines]


def settings_text(t: Trick) -> str: return ", ".join(f"{k}={v}" for k, v in t.keys().items()) or "no parameters"


def warning_lines(recipe: Recipe, plan: Plan) -> list[str]:
    said = [o for t in plan.tricks for o in t.advice(recipe, plan.tricks)]
    return ["warnings", *(f"  {o}" for o in said)] if said else ["warnings", "  none"]


def group_lines(outline: Outline) -> list[str]:
    return ["parameters", *map(group_line, outline.groups)]


def group_line(g: GroupSize) -> str:
    parameters = plural(g.parameters, "parameter")
    return f"  {g.name:28} {parameters:>24} in {g.tensors:>4} tensors, weight decay {g.wd:g}{rate_of(g)}"


def rate_of(g: GroupSize) -> str: return "" if g.rate == 1 else f", learning rate × {g.rate:.3g}"


def rate_text(recipe: Recipe, opt: Opt) -> str:
    if recipe.lr == FIND:
        return TO_COME
    return f"{recipe.lr:g}" + (f" scaled to {opt.lr:g}" if opt.lr != recipe.lr else "")


def arithmetic(recipe: Recipe, plan: Plan, outline: Outline) -> list[str]:
    "Images, batches, steps; the effective batch; where the learning rate comes from"
    return ["steps", images_line(recipe, plan), batch_line(recipe, outline), rate_line(recipe, outline)]


def images_line(recipe: Recipe, plan: Plan) -> str:
    last = plan.n_train - (plan.batches - 1) * recipe.whole_batch
    processes = recipe.processes or 1
    shared = f"(of {processes} processes, {recipe.batch_size} each) " if processes > 1 else ""
    batches = plural(plan.batches, "batch", "batches")
    return (f"  {plural(plan.n_train, 'image')} / batch {recipe.whole_batch} {shared}= {batches} an epoch (the last "
            f"of {last})")


def batch_line(recipe: Recipe, outline: Outline) -> str:
    s, n = outline.schedule, outline.opt.batches
    steps = f"{plural(s.per_epoch, 'step')} an epoch, {s.total:,} in {plural(s.epochs, 'epoch')}"
    return f"  {plural(n, 'batch', 'batches')} a step: effective batch {recipe.whole_batch * n}, {steps}"


def rate_line(recipe: Recipe, outline: Outline) -> str:
    s = outline.schedule
    line = f"  learning rate {rate_text(recipe, outline.opt)}"
    if s.warm:
        line += f"; warm-up {s.warm:,} steps"
    if s.hold:
        line += f"; hold {s.hold:,} steps"
    return f"{line}; first step {s(0):.3g}, last step {s(s.total - 1):.3g}"

"""A training told without its network: what the tricks make of optimizer, schedule and parameter groups. Light."""
from dataclasses import asdict, dataclass
from types import SimpleNamespace

from ..core.errors import UserError
from ..core.imports import uncollected
from ..model.known import of_network
from ..recipe.plan import make_schedule, optimizer_settings
from ..recipe.schedule import Schedule
from ..trick.base import Opt

OF_NETWORK = {"arch", "model", "groups"}  # hooks that a network may not fit
SEEN = "arch", "arch_option", "channels", "size", "image_size"  # fields that those of a remembered network may read


@dataclass(frozen=True)
class GroupSize:
    "A parameter group in numbers"
    name: str
    parameters: int
    tensors: int
    wd: float    # weight decay
    rate: float  # factor of the learning rate


@dataclass(frozen=True)
class Outline:
    "What `Parts` has that can be said in numbers"
    opt: Opt
    schedule: Schedule
    groups: list


def outline_of(recipe, plan):
    """The Outline of a plan. It raises what `make_parts` would, in its order; the network is built where this one's
    groups are not remembered.
    """
    opt = optimizer_settings(recipe, plan)
    schedule = make_schedule(recipe, plan, opt)
    groups = sizes_of_groups(recipe, plan, opt)
    require_rest(plan)
    return Outline(opt, schedule, groups)


def network_tricks(plan): return [t for t in plan.tricks if OF_NETWORK & {*t.hooks()}]


def sizes_of_groups(recipe, plan, opt):
    """[GroupSize] of a network with the tricks applied.

    It is remembered by what the hooks may read, and they are handed nothing else: a trick that goes by more of the plan
    has its network built each time, and so has one from outside, whose code may be another tomorrow.
    """
    tricks = network_tricks(plan)
    if any(t.origin for t in tricks):
        return count_groups(recipe, plan, opt)
    known = {k: getattr(recipe, k) for k in SEEN}
    counts = plan.counts if tricks else ()
    seen = SimpleNamespace(recipe=SimpleNamespace(**known), tricks=tricks, classes=plan.classes, counts=counts)
    what = ["groups", known, plan.classes, counts, opt.wd, [[t.name, t.keys()] for t in tricks]]
    try:
        found = of_network(recipe.arch, what, lambda: [asdict(g) for g in count_groups(recipe, seen, opt)])
    except AttributeError:
        return count_groups(recipe, plan, opt)
    return [GroupSize(**g) for g in found]


def count_groups(recipe, plan, opt):
    with uncollected():
        from .learner import make_groups, make_model
    model, _ = make_model(recipe, plan, load=False)
    return [size_of_group(g) for g in make_groups(plan, model, opt)]


def size_of_group(g):
    return GroupSize(g.name, sum(p.numel() for p in g.params), len(g.params), g.wd, g.rate)


def require_rest(plan):
    """Raise UserError where loss or callbacks of a trick refuse the plan: our own say so without being made, others
    are; what is refused is made too, for the first error in its order.
    """
    if any(t.origin for t in plan.tricks) or refused_by_plan(plan):
        with uncollected():
            from .learner import make_callbacks, make_loss
        make_callbacks(plan)
        make_loss(plan)


def refused_by_plan(plan):
    try:
        for t in plan.tricks:
            t.check_plan(plan)
    except UserError:
        return True
    return False

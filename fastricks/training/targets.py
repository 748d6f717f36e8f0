"""What a training asks its network for, batch by batch."""
from ..recipe.plan import chain, make_plan
from .room import Room


def targets_of(job, seen, n):
    "What the loss asks for of the first `n` images of a batch, title -> [n, K]; None where the loss has no target"
    if seen.target is None:
        return None
    plan = make_plan(job.recipe, job.source, 0, facts=job.facts)
    return chain(plan.tricks, "targets", {"target": seen.target[:n]}, seen.batch.x[:n], plan)


def needed_facts(job, say):
    "Facts of the tricks that need another network; one that is not there yet is a UserError"
    tricks = [t for t in job.recipe.make_tricks() if t.needs()]
    return {t.name: t.settle(job.recipe, job.source, Room(say))[1] for t in tricks}

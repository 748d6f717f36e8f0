"""`--lr find`: the learning rate that fastai's lr_find suggests, before a training and outside of it; remembered.
Light.
"""
from dataclasses import asdict, dataclass, replace

from ..core.cache import cache_dir, recall, remember
from ..core.errors import UserError, plural
from ..recipe.recipe import FIND
from ..recipe.registry import build_tricks

START, END, MOCK_STEPS = 1e-7, 10., 100  # fastai's
RULE, LEAST, FALL = "valley", 20, .02  # fastai's rule; it needs so many steps, and a loss that falls by this share
TO_COME = (f"is found before the training, in at most {MOCK_STEPS} steps from {START:g} to {END:g} "
           f"(fastai's {RULE}); 1 stands for it here")


@dataclass(frozen=True)
class FoundRate:
    "A learning rate, and the curve that it was taken from"
    lr: float
    rule: str
    lrs: list      # of each step
    losses: list   # smoothed, as fastai does

    @property
    def line(self):
        return (f"lr find: {self.lr:g}, by fastai's {self.rule} on {len(self.lrs)} steps from {self.lrs[0]:.0e} to "
                f"{self.lrs[-1]:.0e} (loss {self.losses[0]:.3g}, at best {min(self.losses):.3g})")


def settle_lr(job, say, dry=False):
    """The Job with a number where its recipe says find, and the FoundRate that it is from.

    It is found once for a recipe and its data, and kept in the user's cache; `dry` only looks there.
    The Learner and loaders are of its own, and random state is put back: the training is the one that `--lr NUMBER`
    makes, bit for bit.
    """
    if job.recipe.lr != FIND:
        return job
    file = cache_dir()/"lr"/f"{job.identity}.json"
    found = known_rate(recall(file))
    if not found:
        if dry:
            return job
        say(f"lr find: up to {MOCK_STEPS} steps, at learning rates from {START:g} to {END:g}")
        found = suggest(*rate_curve(job))
        remember(file, asdict(found))
    say(found.line)
    return replace(job, recipe=replace(job.recipe, lr=found.lr), found=found)


def known_rate(kept):
    "The FoundRate of a cache file, or None: anybody may have written it"
    try:
        f = FoundRate(**kept)
        ok = START <= f.lr <= END and f.rule == RULE and len(f.lrs) == len(f.losses) >= LEAST and all(
            isinstance(x, float) and x == x for x in (*f.lrs, *f.losses))
        return f if ok else None
    except TypeError:
        return None


def rate_curve(job):
    "(learning rates, smoothed losses) of each optimizer step of a mock training"
    from ..callbacks.cleanup import leave_all
    from ..callbacks.finder import Finder
    from ..core.rand import seeded
    from .learner import make_learner
    from .prepare import prepare
    job = replace(job, recipe=mock(job.recipe))
    with seeded(0):
        parts, dls = prepare(job)
        learn, n, rates = make_learner(dls, parts, job.recipe), parts.opt.batches, [g.rate for g in parts.groups]
        try:
            learn.fit(MOCK_STEPS * n // len(dls.train) + 1, cbs=Finder(START, END, MOCK_STEPS * n, rates))
        finally:
            leave_all(learn)
    lrs = [lr / rates[-1] for lr in learn.recorder.lrs]  # which are the last group's
    return tuple([float(x) for x in xs[n - 1::n]] for xs in (lrs, learn.recorder.losses))


def mock(recipe):
    """What is tried out: not compiled, which would take longer than it saves, and the tricks as they are for steps that
    do not count
    """
    tricks = {t.name: t.rehearsal().keys() for t in build_tricks(recipe.tricks)}
    return replace(recipe, compile=False, tricks=tricks)


def suggest(lrs, losses):
    """The FoundRate of a curve: fastai's valley, in three digits so that it can be typed. UserError where the curve
    says nothing
    """
    from fastai.callback.schedule import valley
    last, n = lrs[-1] if lrs else START, len(lrs)
    lrs, losses = lrs[MOCK_STEPS // 10:-5], losses[MOCK_STEPS // 10:-5]  # fastai's cuts
    if len(lrs) < LEAST:
        raise UserError(f"--lr find: the loss went beyond all bounds after {plural(n, 'step')}, "
                        f"at a learning rate of {last:.0e}, too early to tell a good one: give --lr a number")
    if min(losses) > (1 - FALL) * losses[0]:
        rates = f"{lrs[0]:.0e} to {lrs[-1]:.0e}"
        best = f"from {losses[0]:.4g} to {min(losses):.4g} at best"
        raise UserError(f"--lr find: no learning rate from {rates} made the loss fall ({best}): give --lr a number")
    lr, _ = valley(lrs, losses, len(lrs))
    return FoundRate(float(f"{lr:.3g}"), RULE, lrs, losses)

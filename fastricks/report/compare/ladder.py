"""Verdicts: one look at all seeds, or a ladder of looks at fixed numbers of seeds that together spend 5%.

The rungs are fixed and each spends its own part of the 5%, so that the sum bounds the error however one stops or goes
on. Nothing is stored: what was called at a rung is found again from the seeds in their order.
"""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .effects import ALPHA, FEWEST_SEEDS, LEVEL, Effect, effects_of, sources_with_images, widest_half
from .holm import holm
from .samples import NAN, Moments
from .times import TimeRatio

RUNGS = 5, 8, 12, 16, 24
SPEND = .025, .01, .005, .005, .005

HELPS, HURTS, AS_GOOD, SAME = "helps", "hurts", "as good, in less time", "no difference that matters"
IDENTICAL, FAILED, OPEN = "the same model", "failed", "open"
MEAN_SURE = HELPS, HURTS     # verdicts that leave Holm's count: their hypotheses are rejected


@dataclass(frozen=True)
class Terms:
    "What verdicts are asked by"
    margin: float = .5         # the difference that matters
    sign: int = 1              # +1: more is better
    as_good_in: float = 1.     # a row as good as the baseline must take less than this × its time
    plain: bool = False        # plain t: no variance is steadied by the images' luck


@dataclass(frozen=True)
class Call:
    "What a look says of a row"
    verdict: str
    rung: int | None = None    # seeds at which it was called, or last looked at without one; None: never
    p: float = NAN             # at that look
    p_holm: float = NAN
    p_good: float = NAN        # of "as good, in less time", adjusted
    failed: int = 0            # of the seeds looked at


@dataclass(frozen=True)
class SeenRow:
    "What there is of a row at a look"
    moments: Moments | None    # None where all seeds diverged
    time: TimeRatio | None = None
    failed: int = 0            # of its first seeds: a diverged seed is a result


# (row, n) -> the first n seeds of it, or all; None where it has fewer
RowLook = Callable[[str, int | None], SeenRow | None]


@dataclass
class Climb:
    "Rows and what has been called of them so far"
    names: Sequence[str]
    terms: Terms
    calls: dict[str, Call] = field(default_factory=dict)

    @property
    def open(self) -> list[str]: return [n for n in self.names if not self.settled(n)]
    @property
    def sure(self) -> list[str]:
        "Called helps or hurts: they leave Holm's count"
        return [n for n, c in self.calls.items() if c.verdict in MEAN_SURE]
    @property
    def good(self) -> list[str]: return [n for n, c in self.calls.items() if c.verdict == AS_GOOD]

    def settled(self, name: str) -> bool:
        call = self.calls.get(name)
        return call is not None and call.verdict not in (OPEN, IDENTICAL, FAILED)

    def look(self, seen: Mapping[str, SeenRow], alpha: float, rung: int | None) -> None:
        "Call what can be called of open rows, at `alpha` for the whole family; all rows that are not sure yet count"
        for name in [n for n, s in seen.items() if s.failed]:
            self.calls[name] = Call(FAILED, rung, failed=seen[name].failed)
        seen = {n: s for n, s in seen.items() if not s.failed}
        moments_of = {n: s.moments for n, s in seen.items() if s.moments}
        effects = effects_of(moments_of, self.terms.plain, len(self.names) - len(self.sure))
        good = as_good_p(seen, effects, self.terms, len(self.names) - len(self.good))
        for name, effect in effects.items():
            at = rung if rung else min(effect.n, effect.n_base)
            said = verdict_of(effect, alpha, good[name], self.terms)
            self.calls[name] = Call(said, at, effect.p, effect.p_holm, good[name])


def as_good_p(seen: Mapping[str, SeenRow], effects: Mapping[str, Effect], terms: Terms, count: int) -> dict[str, float]:
    """name -> Holm's p of: not worse by the margin or more, and faster. Both must be sure, so the larger p stands for
    them
    """
    p = [max_p(effects[n].p_above(-terms.margin, terms.sign),
               t.p_below(terms.as_good_in) if (t := seen[n].time) else NAN) for n in seen]
    return dict(zip(seen, map(float, holm(p, count)), strict=True))


def max_p(*p: float) -> float: return NAN if any(x != x for x in p) else max(p)


def verdict_of(e: Effect, alpha: float, p_good: float, terms: Terms) -> str:
    "The verdict of a look that spends `alpha`"
    if e.same:
        return IDENTICAL if e.n > 1 else OPEN
    if min(e.n, e.n_base) < FEWEST_SEEDS:
        return OPEN
    if e.p_holm <= alpha:
        return HELPS if terms.sign * e.delta > 0 else HURTS
    if p_good <= alpha / 2:
        return AS_GOOD
    return SAME if within_margin(e, alpha, terms.margin) else OPEN


def within_margin(e: Effect, alpha: float, margin: float) -> bool:
    """Is the difference surely smaller than the margin? The interval of 1 − 2·alpha, and never less than the one that
    is printed
    """
    low, high = e.interval(max(LEVEL, 1 - 2 * alpha))
    return -margin < low and high < margin


def look_once(names: Sequence[str], look: RowLook, terms: Terms) -> dict[str, Call]:
    "name -> Call of one look at 5% over all seeds that there are"
    climb = Climb(names, terms)
    climb.look({n: s for n in names if (s := look(n, None))}, ALPHA, None)
    return {n: climb.calls.get(n, Call(OPEN)) for n in names}


def climb_ladder(names: Sequence[str], look: RowLook, terms: Terms, rungs: Sequence[int] = RUNGS,
                 spend: Sequence[float] = SPEND) -> dict[str, Call]:
    """name -> Call of the highest rung that a row was looked at; what is called stays called.

    A row that stopped below a rung stays in the count there unless it was called helps or hurts.
    """
    climb = Climb(names, terms)
    for rung, alpha in zip(rungs, spend, strict=True):
        seen = {n: s for n in climb.open if (s := look(n, rung))}
        if seen:
            climb.look(seen, alpha, rung)
    return {n: climb.calls.get(n, Call(OPEN)) for n in names}


def next_rung(n: int, rungs: Sequence[int] = RUNGS) -> int | None:
    "The first rung above n seeds"
    return next((r for r in rungs if r > n), None)


@lru_cache
def bar(n: int, rows: int, alpha: float, df_more: int) -> float:
    "How many s̃ a mean difference must reach at a rung, at Holm's first step"
    from scipy.special import stdtrit
    return float(stdtrit(n - 1 + df_more, 1 - alpha / rows / 2) / n ** .5)


def chances_to_settle(
    effects: Mapping[str, Effect], rung: int, alpha: float, count: int, margin: float
) -> dict[str, float]:
    """name -> chance_to_settle of open rows: Holm multiplies the p of the surest one by `count`, of the next by one
    less, …
    """
    order = sorted(effects, key=lambda name: effects[name].p if effects[name].p == effects[name].p else 1.0)
    return {name: chance_to_settle(effects[name], rung, alpha, count - k, margin) for k, name in enumerate(order)}


def chance_to_settle(e: Effect, rung: int, alpha: float, count: int, margin: float) -> float:
    """The chance that a row with this Effect is called helps, hurts or no difference at a rung: predictive t.

    The next mean is t-distributed about today's, with the variance that new seeds move it by: s̃² (1/n − 1/rung).
    `count`: by what Holm multiplies its p there. nan where nothing is known of its spread.
    """
    from scipy.special import stdtr
    n = min(e.n, e.n_base)
    arms = 1 if e.paired else 2
    moved = e.sd ** 2 * arms * (1 / n - 1 / rung)
    if not moved > 0:
        return NAN
    sources = sources_with_images(e.sd ** 2 * arms / rung, e.df + rung - n, e.own, e.images)
    sure = widest_half(sources, 1 - alpha / count)
    small = margin - widest_half(sources, max(LEVEL, 1 - 2 * alpha))
    inner = max(0., min(small, sure))

    def below(x: float) -> float: return float(stdtr(e.df, (x - e.delta) / moved ** .5))
    return 1 - below(sure) + below(-sure) + below(inner) - below(-inner)

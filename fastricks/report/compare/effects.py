"""Effects of a family of rows: variances that the images' luck steadies, seeds and images in every p and interval.

A row's variance over a few seeds is itself known badly. How much of it the images' own luck explains is known well, as
it is an average over thousands of images: independent flips of single images between seeds. What seeds do to all images
together comes on top of it. So each row's variance s² is drawn towards c·v, v the images' luck and c the family's own
ratio of both, as Smyth's moderated t (2004) draws variances of genes towards their common one.
"""
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .holm import holm
from .samples import NAN, Moments

LEVEL, ALPHA = .95, .05
PRIOR_R, PRIOR_WEIGHT = 2., 8.  # what c is drawn to before there are rows, and degrees of freedom that this counts as
PRIOR_DF = 4                    # degrees of freedom that c·v is worth, at most one a row
MOST_R = 5.                     # mean R above which images explain too little of the spread: plain t
FEWEST_DISAGREE = 30            # (image, seed) pairs below which v is not known
FEWEST_SEEDS = 3                # from which on a verdict or a steadied variance can be

# why there is no interval
ONE_SEED = "one seed says nothing of the spread"
FEW_UNPAIRED = "unpaired seeds need at least 3 an arm"
EQUAL = "the differences of all seeds are equal"
IDENTICAL_PREDICTIONS = "identical predictions"


Sources = tuple[tuple[float, float], ...]  # (variance of delta, degrees of freedom)


@dataclass(frozen=True)
class Pool:
    "What a family says of how its spreads relate to the images' luck"
    rows: int         # that it rests on: m
    mean_R: float     # of s² / v; nan without rows
    c: float          # what v is multiplied with
    df: int           # degrees of freedom of c·v; 0: plain t

    @property
    def steadies(self) -> bool: return self.df > 0


NO_POOL = Pool(0, NAN, 1., 0)


def ratio_to_luck(m: Moments) -> float:
    "R: how many times the images' luck a row's spread is; nan where one of them is not known"
    return m.spread / m.luck if m.luck > 0 else NAN


def can_pool(m: Moments) -> bool: return m.luck > 0 and m.df >= FEWEST_SEEDS - 1 and m.disagree >= FEWEST_DISAGREE


def pool_of(family: Mapping[str, Moments]) -> Pool:
    "The Pool of a family's rows: those whose luck is known; it steadies nothing where mean R is above MOST_R"
    rows = [m for m in family.values() if can_pool(m)]
    if not rows:
        return NO_POOL
    ratios = np.array([ratio_to_luck(m) for m in rows])
    df = np.array([m.df for m in rows])
    mean = float(ratios.mean())
    c = max(1., (PRIOR_R * PRIOR_WEIGHT + float(df @ ratios)) / (PRIOR_WEIGHT + float(df.sum())))
    return Pool(len(rows), mean, c, min(PRIOR_DF, len(rows)) if mean <= MOST_R else 0)


@dataclass(frozen=True)
class Effect:
    """A row's difference to the baseline and how sure it is, in the metric's unit; nan where seeds and images say
    nothing
    """
    n: int
    n_base: int
    paired: bool
    images: int             # that `own` rests on; 0: the seeds speak alone
    delta: float
    sd: float               # s̃ of one pair's difference, steadied or not
    df: float               # degrees of freedom of it
    R: float                # s² / v
    own: float              # variance of delta by the choice of images
    low: float              # 95%, seeds and images
    high: float
    p: float                # two-sided, seeds and images
    seeds_low: float        # 95%, seeds alone
    seeds_high: float
    p_seeds: float
    sources: Sources        # of seeds alone, of seeds and images
    steadied: bool = False
    same: bool = False      # identical predictions in all seeds
    why: str = ""           # there is no interval, or no spread over seeds
    p_holm: float = NAN

    def half(self, level: float) -> float:
        "Half of the interval of a level: the wider of seeds alone and of seeds and images"
        return widest_half(self.sources, level)

    def interval(self, level: float) -> tuple[float, float]:
        return self.delta - self.half(level), self.delta + self.half(level)

    def p_above(self, bound: float, sign: int = 1) -> float:
        "One-sided p of sign · delta ≤ bound: small where the effect is surely above it"
        if not self.sources:
            return float(self.same and bound >= 0) if self.same else NAN
        return max(upper_tail(df, (sign * self.delta - bound) / v ** .5) for v, df in self.sources)


def upper_tail(df: float, t: float) -> float:
    from scipy.special import stdtr
    return float(stdtr(df, -t))


def widest_half(sources: Sources, level: float) -> float:
    "Half of the widest t-interval of (variance, df) pairs; nan without any"
    from scipy.special import stdtrit
    return max((float(stdtrit(df, (1 + level) / 2)) * v ** .5 for v, df in sources), default=NAN)


def two_sided(sources: Sources, delta: float) -> float:
    "The largest two-sided p of delta = 0; nan without any source"
    return max((2 * upper_tail(df, abs(delta) / v ** .5) for v, df in sources), default=NAN)


def effect_of(m: Moments, pool: Pool = NO_POOL) -> Effect:
    "The Effect of a row's Moments, its variance steadied by the family's Pool where that can be"
    if m.same:
        return no_spread(m)
    steadied = pool.steadies and can_pool(m)
    spread, df = steadied_spread(m, pool) if steadied else (m.spread, float(m.df))
    known = spread > 0 and not too_few(m)
    if known:
        sources = sources_with_images(spread, df, m.own, m.images)
    else:
        sources = images_alone(m) if spread == 0 else ()
    seeds = sources[:1] if known else ()
    half, of_seeds = widest_half(sources, LEVEL), widest_half(seeds, LEVEL)
    sd = (spread / m.share) ** .5
    why = "" if known else why_nothing(m)
    return Effect(m.n, m.n_base, m.paired, m.images, m.delta, sd, df, ratio_to_luck(m), m.own,
                  m.delta - half, m.delta + half, two_sided(sources, m.delta),
                  m.delta - of_seeds, m.delta + of_seeds, two_sided(seeds, m.delta),
                  sources, steadied, False, why)


def too_few(m: Moments) -> bool: return m.df < (1 if m.paired else FEWEST_SEEDS - 1)


def why_nothing(m: Moments) -> str:
    if m.df < 1:
        return ONE_SEED
    return FEW_UNPAIRED if too_few(m) else EQUAL


def no_spread(m: Moments) -> Effect:
    "Of identical predictions: no difference, whatever seeds and images are drawn; one seed is none to say so by"
    low, p = (0., 1.) if m.n > 1 else (NAN, NAN)
    return Effect(m.n, m.n_base, m.paired, m.images, m.delta, 0., m.df, NAN, 0., low, low, p, low, low, p, (), False,
                  True,
                  IDENTICAL_PREDICTIONS if m.n > 1 else ONE_SEED)


def steadied_spread(m: Moments, pool: Pool) -> tuple[float, float]:
    "(variance of delta, degrees of freedom): s̃² = (d₀·c·v + df·s²) / (d₀ + df)"
    df = pool.df + m.df
    return (pool.df * pool.c * m.luck + m.df * m.spread) / df, float(df)


def sources_with_images(spread: float, df: float, own: float, images: int) -> Sources:
    """Sources of seeds alone, and of seeds and images together with Satterthwaite's degrees of freedom; the first alone
    without images
    """
    seeds = (spread, df)
    if images < 2:
        return (seeds,)
    total = spread + own
    return seeds, (total, total ** 2 / (spread ** 2 / df + own ** 2 / (images - 1)))


def images_alone(m: Moments) -> Sources:
    """Where seeds have no spread at all, the images' part is taken whole: nothing of it can be told to be the seeds'
    luck
    """
    return ((m.effect, m.images - 1.),) if m.images > 1 and m.effect > 0 and not too_few(m) else ()


def effects_of(family: Mapping[str, Moments], plain: bool = False, count: int | None = None) -> dict[str, Effect]:
    "name -> Effect of a family's rows, with Holm's p over all of it (`count`: rows that are not here included)"
    pool = NO_POOL if plain else pool_of(family)
    found = {name: effect_of(m, pool) for name, m in family.items()}
    adjusted = holm([e.p for e in found.values()], count)
    return {name: replace(e, p_holm=float(p)) for (name, e), p in zip(found.items(), adjusted, strict=True)}

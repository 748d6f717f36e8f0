"""What seeds and images say of a row and its baseline: the moments that every test and interval is made of.

Values are in the metric's own unit (accuracy: points, a hit is 100), so that variances are in that unit squared.
"""
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TINY = 1e-9  # values that are equal come out as far apart as this
NAN = float("nan")


@dataclass(frozen=True)
class Sample:
    """The metric's values of a row and of its baseline, a seed each, in the order of seeds.

    With `row_images` [n, I] and `base_images` [m, I], whose means over I are those values, the images' part is known
    too. Without them (macro-F1, ECE, runs without predictions) the seeds speak alone.
    """
    row: Floats                        # [n]
    base: Floats                       # [m]; paired: m = n, the same seeds
    row_images: Floats | None = None
    base_images: Floats | None = None
    paired: bool = True

    @property
    def seeds(self) -> int:
        "Of the shorter arm"
        return min(len(self.row), len(self.base))

    def first(self, n: int) -> "Sample":
        "The same of the first n seeds of each arm"
        cut = [x if x is None else x[:n] for x in (self.row_images, self.base_images)]
        return replace(self, row=self.row[:n], base=self.base[:n], row_images=cut[0], base_images=cut[1])


@dataclass(frozen=True)
class Moments:
    "What a Sample says before its family is known; nan where it says nothing"
    n: int
    n_base: int
    paired: bool
    images: int        # I; 0: not known
    delta: float       # row − baseline
    spread: float      # variance of delta by its seeds: s² / n; unpaired: the sum of both arms'
    luck: float        # what of it the images' own luck explains: v / n, or the sum of both arms'
    own: float         # variance of delta by the choice of images, the seeds' luck taken out
    effect: float      # variance of delta by the choice of images as it is, nothing taken out
    disagree: int      # (image, seed) pairs in which row and baseline differ
    same: bool         # identical values of every image and seed

    @property
    def df(self) -> int: return min(self.n, self.n_base) - 1
    @property
    def share(self) -> float:
        "variance of one pair's difference × share = variance of delta"
        return 1 / self.n if self.paired else 1 / self.n + 1 / self.n_base


def image_sample(row: ArrayLike, base: ArrayLike, scale: float = 1., paired: bool = True) -> Sample:
    "The Sample of values per seed and image, [n, I] and [m, I], times `scale`"
    a, b = (scale * np.asarray(x, float) for x in (row, base))
    return Sample(a.mean(1), b.mean(1), a, b, paired)


def moments(s: Sample) -> Moments:
    "The Moments of a Sample"
    n, m = len(s.row), len(s.base)
    delta = float(s.row.mean() - s.base.mean())
    spread = spread_of(s)
    if s.row_images is None or s.base_images is None:
        return Moments(n, m, s.paired, 0, delta, spread, NAN, 0., NAN, 0, False)
    images = s.row_images.shape[1]
    luck, effect = image_luck(s), NAN
    if images > 1:
        gains = s.row_images.mean(0) - s.base_images.mean(0)
        effect = float(np.var(gains, ddof=1)) / images
    differ = s.row_images[:s.seeds] - s.base_images[:s.seeds]
    own = max(0., effect - luck) if luck == luck else effect
    n_other = int(np.count_nonzero(differ))
    same = s.paired and not n_other
    return Moments(n, m, s.paired, images, delta, spread, luck, own, effect, n_other, same)


def spread_of(s: Sample) -> float:
    "Variance of the mean difference by its seeds; 0 where all differences are equal, nan for one seed"
    if s.seeds < 2:
        return NAN
    if s.paired:
        return variance(s.row - s.base) / len(s.row)
    return variance(s.row) / len(s.row) + variance(s.base) / len(s.base)


def variance(x: Floats) -> float:
    "With n − 1; 0 where all are equal but for rounding"
    return float(x.var(ddof=1)) if np.ptp(x) > TINY else 0.


def image_luck(s: Sample) -> float:
    """Variance of the mean difference if each image's luck were independent of the others': mean over images of the
    seeds' variance, / I
    """
    if s.seeds < 2 or s.row_images is None or s.base_images is None:
        return NAN
    arms = [s.row_images - s.base_images] if s.paired else [s.row_images, s.base_images]
    return sum(float(x.var(0, ddof=1).mean()) / len(x) for x in arms) / int(s.row_images.shape[1])


def unit_of(*arrays: ArrayLike) -> float:
    "100 for hits (0 or 1), which are told in points of accuracy; 1 for all else"
    return 100. if all(np.isin(a, (0, 1)).all() for a in map(np.asarray, arrays)) else 1.

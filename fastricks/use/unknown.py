"""Which photos a model calls unknown: those with less energy than photos of its classes have, or that no class is
probable enough for. Light.

Energy is log Σ exp of the logits (Liu et al., arXiv 2010.03759): unlike the highest probability it is low where the
network finds little of any class. Its threshold is conformal (Bates et al., arXiv 2104.08279): of photos like the
validation images the stated share is above it.
"""
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..core.conformal import COVERAGES, images_needed
from ..core.errors import UserError

UNKNOWN = "unknown"


class Judged(NamedTuple):
    "What a Rule says of a photo"
    among: list[str]   # its set of classes
    unknown: bool


@dataclass(frozen=True)
class Rule:
    """A class is in a photo's set where its probability is at least `least`; a photo is unknown whose energy is below
    `least_energy`, or, where that is None, whose set is empty
    """
    least: float   # 0 to 1
    words: str     # where it comes from
    least_energy: float | None = None

    def judge(self, labels: list[str], probabilities: list[float], energy: float) -> Judged:
        "Of all classes and their probabilities, and the photo's energy"
        among = [c for c, p in zip(labels, probabilities, strict=True) if p >= self.least]
        return Judged(among, not among if self.least_energy is None else energy < self.least_energy)


def check_rule(coverage: float | None, below: float | None, raw: bool) -> None:
    "Before anything is opened: can the options be meant?"
    if coverage is not None and below is not None:
        raise UserError("--unknown and --unknown-below are two rules for the same: give one of them")
    if coverage is not None and raw:
        raise UserError(
            "--unknown goes by probabilities at the fitted temperature: leave out --raw, or give --unknown-below")
    if coverage is not None:
        percent_of(coverage)
    if below is not None and not 0 < below <= 1:
        raise UserError(f"--unknown-below {below:g} is not a probability above 0, at most 1")


def percent_of(coverage: float) -> int:
    "A coverage in whole percent; UserError where a model keeps none of it"
    percent = round(100 * coverage) if 0 < coverage < 1 else 0
    if percent in COVERAGES and abs(100 * coverage - percent) < 1e-6:
        return percent
    raise UserError(f"--unknown {coverage:g} is not a coverage of whole percents "
                    f"from .{COVERAGES[0]} to .{COVERAGES[-1]}, as in --unknown .9")


def rule_of(meta: dict[str, Any], coverage: float | None, below: float | None) -> Rule | None:
    "The Rule that the options ask for, by what a model keeps of its validation images; None where they ask for none"
    if below is not None:
        return Rule(below, f"no class has a probability of {below:g}")
    return None if coverage is None else rule_of_coverage(meta, coverage)


def rule_of_coverage(meta: dict[str, Any], coverage: float) -> Rule:
    "The Rule that keeps this share of images like the validation images"
    n, least = conformal(meta, percent_of(coverage))
    like = f"{coverage:.0%} of photos like the {n:,} validation images"
    energies = meta.get("least_energy")
    if energies is None:  # of a model that was trained before it was kept
        return Rule(least, f"no class has a probability of {least:.4g}, as the true class of {like} has")
    energy = energies[percent_of(coverage) - COVERAGES[0]]
    return Rule(least, f"their energy is below {energy:.4g}, which that of {like} is not", energy)


def conformal(meta: dict[str, Any], percent: int) -> tuple[int, float]:
    "(number of validation images, least probability of a class in a set of this coverage)"
    kept = meta.get("conformal")
    if not kept:
        raise UserError("this model keeps nothing of validation images, which --unknown goes by: train it again, or "
                        "give --unknown-below")
    if kept["n"] < images_needed(percent):
        raise UserError(
            f"--unknown .{percent} needs {images_needed(percent)} validation images, and this model had {kept['n']}: "
            "ask for less, or give --unknown-below")
    return kept["n"], kept["least_p"][percent - COVERAGES[0]]

"""Sets of classes with a stated coverage, on plain arrays: split-conformal prediction with the score 1 − p of the true
class.

Sadinle, Lei and Wasserman, arXiv 1609.00451. Of all sets with the coverage these are the smallest on average, and they
may be empty: an image that no class is probable enough for. The promise is of images that come as the validation images
came, over both: P(true class in set) ≥ c.
"""
import numpy as np

COVERAGES = range(50, 100)  # coverages, in percent, that a model keeps its least probability of


def least_probabilities(p):
    """[len(LEVELS)] floats: of each coverage the least probability with which a class is in an image's set.

    `p` [n]: probabilities of the true classes of images that the model was not trained on, or any other score of which
    much speaks for an image. 0 (all classes) where n is too small.
    """
    falling = np.sort(np.asarray(p, float))[::-1]
    places = [rank_of(c, len(falling)) for c in COVERAGES]
    return [float(falling[k - 1]) if k <= len(falling) else 0. for k in places]


def rank_of(percent, n):
    "⌈(n + 1) c⌉: which of n sorted scores the sets of coverage c end at"
    return -(-(n + 1) * percent // 100)


def images_needed(percent):
    "The least n for which sets of this coverage are not of all classes"
    return -(-percent // (100 - percent))

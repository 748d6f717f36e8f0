"""Numbers of all predictions together, on plain arrays: macro F1, balanced accuracy, calibration."""
import numpy as np

Z95 = 1.959964  # of the normal distribution, two-sided
BINS = 15  # of equal width, as Guo et al. (ICML 2017, arXiv 1706.04599) have them


def macro_f1(y, k, K):
    "Mean F1 of the classes that have images: class numbers y (true) and k (predicted) [n] of K"
    return float(np.mean(f1s(y, k, K)))


def f1s(y, k, K):
    "2 TP / (n + predicted) of each class that has images"
    n, predicted, hits = (np.bincount(o, minlength=K) for o in (y, k, y[y == k]))
    there = n > 0
    return 2 * hits[there] / (n + predicted)[there]


def balanced_hits(labels, hit):
    "Values [n] whose mean is the mean over classes of the share of hits: an image of a rare class counts for more"
    _, at, n = np.unique(labels, return_inverse=True, return_counts=True)
    return hit * (len(at) / len(n) / n)[at]


def balanced_accuracy(y, k):
    """Mean over the classes that have images of the share of theirs that is right: class numbers y (true) and k
    (predicted) [n]
    """
    return float(balanced_hits(y, y == k).mean())


def paired_difference(hit, base):
    """(mean of hit − base; its 95% interval), of what two models get right of the same n images, booleans [n].

    Bonett and Price, doi 10.3102/1076998611411915: Wald's interval with an image more on either side, which holds for
    few images and where none differs.
    """
    n, gained, lost = len(hit), int((hit & ~base).sum()), int((base & ~hit).sum())
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z95 * ((up + down - (up - down) ** 2) / (n + 2)) ** .5
    return (gained - lost) / n, max(-1., up - down - half), min(1., up - down + half)


def bin_of(p): return np.clip(np.ceil(np.asarray(p) * BINS).astype(int) - 1, 0, BINS - 1)


def ece(p, hit):
    "Σ over bins of |Σ (hit − p)| / n of probabilities p [n] of the predicted classes: eq. 3 of Guo et al."
    return float(np.abs(np.bincount(bin_of(p), hit - p, BINS)).sum() / len(p))

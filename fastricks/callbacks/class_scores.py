"""Numbers of the validation split in which a rare class counts as much as a frequent one, as fastai's metrics."""
import torch
from fastai.learner import Metric

from ..core import ranks
from ..core.scores import balanced_accuracy, macro_f1
from ..core.tensors import plain


class ClassScore(Metric):
    """`f(y, k)` of the true and the predicted class numbers [n] of all images of all processes; None where there are
    none.

    scikit-learn's metrics, as fastai wraps them, are of one process's images, and count classes that have none.
    """
    def __init__(self, name, f): self._name, self.f = name, f

    def reset(self): self.pairs = []

    def accumulate(self, learn):
        "Nobody waits for the device: class numbers stay there until `value`"
        y = plain(*learn.yb).flatten().long()
        self.pairs.append(torch.stack([y, plain(learn.pred).detach().argmax(-1).flatten()]))

    @property
    def value(self):
        own = torch.cat([p.cpu() for p in self.pairs], 1) if self.pairs else torch.zeros(2, 0, dtype=torch.long)
        y, k = pairs_of_all(own).numpy()
        return self.f(y, k) if len(y) else None

    @property
    def name(self): return self._name


def pairs_of_all(own):
    "Pairs [2, n] of class numbers of every process, side by side"
    if ranks.alone():
        return own
    longest, = ranks.most(own.shape[1])
    table = torch.zeros(ranks.here.world, 2, longest, dtype=torch.long)
    table[ranks.here.rank, :, :own.shape[1]] = own + 1  # 0: no image
    table = ranks.add(table).transpose(0, 1).flatten(1)
    return table[:, table[0] > 0] - 1


def f1_of_classes(y, k): return macro_f1(y, k, max(y.max(), k.max()) + 1)  # classes without images do not count


def class_scores(): return [ClassScore("macro_f1", f1_of_classes), ClassScore("balanced_accuracy", balanced_accuracy)]

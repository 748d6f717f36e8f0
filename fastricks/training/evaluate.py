"""Plain numbers of a model on a set of images: correct/total and cross-entropy in fp32, whatever tricks trained it."""
import torch
import torch.nn.functional as F
from fastai.callback.fp16 import MixedPrecision

from ..callbacks.data_parallel import share_losses
from ..callbacks.screen import counting
from ..core.conformal import least_probabilities
from ..core.ranks import add, alone, most
from ..core.scores import balanced_accuracy, ece, macro_f1
from ..core.tensors import plain
from ..data.loader.sturdy import item_name


def logits_and_labels(learn, dl):
    "(logits [n, K] float32, labels [n]) on the CPU, in the order of `dl`, which must not shuffle"
    with learn.removed_cbs(learn._grab_cbs(MixedPrecision)):
        cbs = counting(learn, "evaluation", len(dl))
        # it reorders by place, which a lost image shifts
        logits, labels = learn.get_preds(dl=dl, act=plain, reorder=False, cbs=cbs)
    if not alone():
        return logits_of_all(learn, dl, logits, labels)
    return plain(logits).float(), plain(labels).long()


def logits_of_all(learn, dl, logits, labels):
    "What each of several processes found on its own batches, together and in the order of `dl`"
    share_losses(learn.dls)
    lost = learn.dls.losses.found
    own = [i for b in dl.own_places() for i in b if item_name(dl.items[i]) not in lost]
    K, = most(logits.shape[1] if own else 0)
    rows = torch.zeros(dl.n, K + 2)  # the label and whether there is a row at all, beside the logits
    if own:
        columns = plain(logits).float(), plain(labels).float()[:, None], torch.ones(len(own), 1)
        rows[own] = torch.cat(columns, 1)
    rows = add(rows)
    rows = rows[rows[:, -1] > 0]
    return rows[:, :K].contiguous(), rows[:, K].long()


def ranks(logits, labels):
    """How many classes got a higher logit than the true one: 0 is a hit; ties go to the lower class number, as argmax
    has it
    """
    true = logits.gather(1, labels[:, None])
    before = torch.arange(logits.shape[1])[None] < labels[:, None]
    return ((logits > true) | ((logits == true) & before)).sum(1)


def metrics(logits, labels):
    """{"top1", "top5": shares of n, "correct": count, "loss": mean plain cross-entropy in nats, "n"}

    A hit is counted where the true class has the highest logit (is among the five highest).
    """
    r, n = ranks(logits, labels), len(labels)
    correct = int((r == 0).sum())
    return {
        "top1": correct / n,
        "top5": int((r < 5).sum()) / n,
        "correct": correct,
        "n": n,
        "loss": float(F.cross_entropy(logits.double(), labels)),
    }


def only_class(logits, labels, classes):
    "Where all images got one class and are of several, {'only_class': its name}; else {}"
    got = logits.argmax(1)
    alike = len(got) > 0 and bool((got == got[0]).all()) and bool((labels != labels[0]).any())
    return {"only_class": classes[int(got[0])]} if alike else {}


def scores_by_class(logits, labels):
    "{\"macro_f1\", \"balanced_accuracy\"} of the classes that have images: a rare one counts as much as a frequent one"
    y, k = labels.numpy(), logits.argmax(1).numpy()
    return {"macro_f1": macro_f1(y, k, logits.shape[1]), "balanced_accuracy": balanced_accuracy(y, k)}


COLDEST, HOTTEST = .05, 20.  # temperatures that are tried


def temperature(logits, labels):
    """T in COLDEST … HOTTEST whose cross-entropy of logits [n, K] / T is least: Guo et al., arXiv 1706.04599, §4.2.

    The loss is convex in 1/T, so that a bounded search finds it. 1 where every image is right: the colder the better
    then, to certainty.
    """
    if (ranks(logits, labels) == 0).all():
        return 1.
    from scipy.optimize import minimize_scalar
    z = logits.double()
    found = minimize_scalar(lambda b: float(F.cross_entropy(b * z, labels)), bounds=(1 / HOTTEST, 1 / COLDEST),
                            method="bounded",
                            options={"xatol": 1e-6})
    return 1 / float(found.x)


def tempered(logits, labels, T):
    """{"temperature", "loss_t": mean cross-entropy of the logits over it, in nats, "ece_t": calibration error of their
    probabilities, 0 to 1}; {} without a temperature"""
    if T is None:
        return {}
    z = logits.double() / T
    p, k = z.softmax(1).max(1)
    return {"temperature": T, "loss_t": float(F.cross_entropy(z, labels)),
            "ece_t": ece(p.numpy(), (k == labels).numpy())}


def calibrate(logits, labels):
    """What a model keeps of its validation images: {"temperature", "conformal": {"n", "least_p": of each coverage of
    `conformal.COVERAGES` the least probability of a class in the set}, at that temperature; "least_energy": of each the
    least log Σ exp of the logits of an image that is not unknown}
    """
    T = temperature(logits, labels)
    p = (logits.double() / T).softmax(1).gather(1, labels[:, None])[:, 0]
    energy = logits.double().logsumexp(1)
    return {"temperature": T, "conformal": {"n": len(labels), "least_p": least_probabilities(p.numpy())},
            "least_energy": least_probabilities(energy.numpy())}


def prediction_rows(items, logits, labels, classes, T=None):
    """A row an image: name, true and predicted class, its probability, the true class's rank (0 = hit) and loss, also
    at a temperature T
    """
    p, k = logits.double().softmax(1).max(1)
    loss = F.cross_entropy(logits.double(), labels, reduction="none")
    columns = labels.tolist(), k.tolist(), p.tolist(), ranks(logits, labels).tolist(), loss.tolist()
    rows = []
    for o, y, k, p, rank, loss in zip(items, *columns, strict=True):
        rows.append({
            "image": o.name,
            "label": classes[y],
            "predicted": classes[k],
            "p": f"{p:.4f}",
            "rank": int(rank),
            "loss": f"{loss:.4f}",
        })
    if T is None:
        return rows
    cooled = F.cross_entropy(logits.double() / T, labels, reduction="none").tolist()
    return [{**row, "loss_t": f"{c:.4f}"} for row, c in zip(rows, cooled, strict=True)]

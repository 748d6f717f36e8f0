"""Training losses that are made of another, and binary cross-entropy: what `TrainLoss` takes, and mixing mixes."""
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.callback.mixup import MixHandler, reduce_loss
from fastai.layers import NoneReduce

from ..core.errors import UserError
from ..core.tensors import plain


class OfLabels:
    """Base of losses (logits [n, K], labels [n]) -> a scalar, or with `reduction` none one an image [n]; `consts`
    follow the logits' device
    """
    y_int, reduction = True, "mean"  # labels are class numbers: fastai's mixing then mixes losses, not labels

    def on(self, device, name):
        "A tensor of this loss by its attribute's name, on a device"
        setattr(self, name, getattr(self, name).to(device))
        return getattr(self, name)

    def __call__(self, z, y):
        z, y = plain(z), plain(y)
        return reduce_loss(self.each(z, y), self.reduction)


def each_loss(loss, z, y):
    "One loss an image [n]"
    with NoneReduce(loss) as one:
        return plain(one(z, y))


class Weighted(OfLabels):
    "The mean over the batch of w_y · loss: not torch's, which divides by the batch's Σ w_y. `weights` [K]"
    def __init__(self, loss, weights): self.loss, self.weights = loss, torch.as_tensor(weights, dtype=torch.float32)
    def each(self, z, y): return each_loss(self.loss, z, y) * self.on(z.device, "weights")[y]


class Shifted(OfLabels):
    "A loss of z + `shift`, shift [K]"
    def __init__(self, loss, shift): self.loss, self.shift = loss, torch.as_tensor(shift, dtype=torch.float32)
    def each(self, z, y): return each_loss(self.loss, z + self.on(z.device, "shift"), y)


class BinaryCrossEntropy(OfLabels):
    """Binary cross-entropy of every class, the mean over classes and batch. arXiv 2110.00476 §3.

    `eps`: share of the target that goes to all K classes alike; `threshold`: targets above it count as 1, others as 0;
    None leaves them soft.
    """
    def __init__(self, eps=0., threshold=None): self.eps, self.threshold = eps, threshold

    def target(self, y, K):
        "[n, K] of labels [n]"
        return F.one_hot(y, K).float() * (1 - self.eps) + self.eps / K

    def of(self, z, q):
        "One loss an image [n] of logits and targets [n, K]"
        if self.threshold is not None:
            q = (q > self.threshold).float()
        return F.binary_cross_entropy_with_logits(z.float(), q, reduction="none").mean(1)

    def each(self, z, y): return self.of(z, self.target(y, z.shape[1]))

    def mixed(self, z, y, y1, lam):
        """The loss of targets λ q(y) + (1−λ) q(y1), which a threshold makes another than the mixed losses; λ a number
        or one an image
        """
        a, b = (self.target(plain(o), z.shape[1]) for o in (y, y1))
        return self.of(plain(z), torch.lerp(b, a, plain(lam).reshape(-1, 1).to(a))).mean()


class MixedTargets(Callback):
    """Gives the mixed target itself to a loss that has `mixed`, in place of each label's loss mixed: for those that are
    not linear in it
    """
    order, run_valid = MixHandler.order + 1, False  # before_train: the mixing has put its own loss in place

    def before_train(self):
        self.mixer = next((cb for cb in self.learn.cbs if isinstance(cb, MixHandler)), None)
        if self.mixer is None:
            raise UserError("MixedTargets: nothing mixes the images of this Learner")
        self.learn.loss_func = self.lf

    def lf(self, pred, y): return self.mixer.old_lf.mixed(pred, y, self.mixer.yb1[0], self.mixer.lam)

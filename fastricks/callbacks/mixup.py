"""Mixup with one λ a batch, as the paper and LearnOpenCV's tutorial have it; and one of several ways to mix, by
a draw.
"""
import torch
from fastai.callback.mixup import MixHandler, MixUp

from ..core.errors import UserError
from ..trick.range import Range


class BatchMixUp(MixHandler):
    """Blend each image with a partner: x̂ = λ x_i + (1−λ) x_j, loss λ L(y_i) + (1−λ) L(y_j), λ ~ Beta(α, α) a batch.

    `partner`: `batch` is a permutation of the batch, `previous` a permutation of the unmixed batch before (an epoch's
    first uses itself, a shorter one is wrapped). Draws from torch's generator. The loss function needs fastai's `y_int`
    and `reduction`, as CrossEntropyLossFlat has. arXiv 1812.01187 §5.4, eq. 7 and 8.
    """
    def __init__(self, alpha=.2, partner="batch"):
        Range(above=0).require("BatchMixUp: alpha=", alpha)
        Range(choices=("batch", "previous")).require("BatchMixUp: partner=", partner)
        super().__init__(alpha)
        self.partner, self.previous = partner, None

    @property
    # a training that goes on in mid-epoch shows the batch before again
    def looks_back(self): return self.partner == "previous"

    def before_fit(self):
        others = [cb.name for cb in self.learn.cbs if isinstance(cb, MixHandler) and cb is not self]
        if others:
            raise UserError(f"BatchMixUp: {others[0]} mixes the images of this Learner too: leave one of the two out")

    def before_train(self):
        super().before_train()
        self.previous = None

    def pass_by(self):
        "A batch that another way of mixing takes, which may write into it"
        if self.looks_back:
            self.previous = self.x.clone(), self.y

    def before_batch(self):
        self.lam = self.distrib.sample().to(self.x.device)
        x, y = self.x, self.y
        px, py = self.previous if self.partner == "previous" and self.previous is not None else (x, y)
        if self.partner == "previous":
            self.previous = x, y
        idx = partner_index(len(y), len(py)).to(x.device)
        self.yb1 = (py[idx],)
        self.learn.xb = (mix(x, px[idx], self.lam),)


class EitherMix(MixHandler):
    """Each batch is mixed by one of `handlers`, fastai MixHandlers, as a draw from torch's generator has it: all are as
    likely.

    They are no callbacks of the Learner's own: this one has the λ and the partners' labels of the batch.
    """
    def __init__(self, handlers): self.handlers = list(handlers)

    @property
    def looks_back(self): return any(getattr(h, "looks_back", False) for h in self.handlers)

    def before_train(self):
        super().before_train()
        for h in self.handlers:
            h.learn, h.stack_y, h.previous = self.learn, self.stack_y, None

    def before_batch(self):
        chosen = self.handlers[int(torch.randint(len(self.handlers), (1,)))]
        for h in self.handlers:
            if h is not chosen and hasattr(h, "pass_by"):
                h.pass_by()
        chosen.before_batch()
        self.chosen, self.lam, self.yb1 = chosen, chosen.lam, chosen.yb1


def mix(x1, x2, lam):
    "λ x1 + (1−λ) x2; `lam` a scalar tensor or one a sample"
    return torch.lerp(x2, x1, lam.to(x1.dtype))


def partner_index(n, n_partner):
    "For each of n images its partner among the first n of `n_partner`, in random order, wrapped where those are fewer"
    return torch.arange(n)[torch.randperm(n)] % n_partner


def mixup_callback(alpha, partner, per): return MixUp(alpha) if per == "sample" else BatchMixUp(alpha, partner)

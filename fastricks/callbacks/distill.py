"""Knowledge distillation on any fastai Learner."""
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback

from ..tensors import plain


def kl_term(z, r, T):
    """T² · KL(softmax(r/T) ‖ softmax(z/T)), mean over the batch: arXiv 1812.01187 eq. 6 with Hinton's T².

    `z` student and `r` teacher logits, both [n, K]. The T² keeps its gradient's size the same for every T.
    """
    p, q = (F.log_softmax(plain(t).float() / T, 1) for t in (r, z))
    return F.kl_div(q, p, reduction="batchmean", log_target=True) * T**2


def distill_loss(loss, z, r, alpha=.5, T=20., form="convex"):
    "`loss` of the labels joined with the teacher's term: (1−α)·L + α·T²·KL, or with `form='sum'` L + T²·KL"
    kl = kl_term(z, r, T)
    return (1 - alpha) * loss + alpha * kl if form == "convex" else loss + kl


class Distill(Callback):
    """Learn from `teacher`, a module from images to logits [n, K], as well as from the labels.

    The teacher sees the very tensor that the student sees (mixed by mixup, cast by amp), in eval mode and without
    gradient; it joins neither the student's state nor its optimizer. `learn.loss_parts` has the two terms of each batch.
    """
    order, run_valid = 5, False  # after mixup (0), before accumulation (6) and before mixed precision (10) leaves autocast

    def __init__(self, teacher, alpha=.5, T=20., form="convex"):
        self.teacher, self.alpha, self.T, self.form = teacher, alpha, T, form

    def before_fit(self): self.teacher.to(next(self.learn.model.parameters()).device, memory_format=torch.channels_last).eval().requires_grad_(False)

    def after_loss(self):
        with torch.no_grad(): r = self.teacher(*self.learn.xb)
        label = self.learn.loss_grad
        self.learn.loss_grad = distill_loss(label, self.learn.pred, r, self.alpha, self.T, self.form)
        self.learn.loss = self.learn.loss_grad.detach().clone()
        self.learn.loss_parts = {"loss_label": label.detach(), "loss_teacher": kl_term(self.learn.pred.detach(), r, self.T)}

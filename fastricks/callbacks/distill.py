"""Knowledge distillation on any fastai Learner."""
from itertools import zip_longest
from os import PathLike

import numpy as np
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.callback.mixup import MixHandler
from torch import nn

from ..core import ranks
from ..core.errors import UserError, one_of, plural
from ..core.tensors import plain
from ..model.layout import lay_out, layout_of
from ..model.teacher_facts import differing_facts
from ..trick.range import Range
from .answers import half
from .sam import is_second
from .screen import tell_screen

MIXED = ("stored answers are a teacher's to what the recipe shows, and a MixUp that is none of its tricks blends "
         "that: leave out one of the two")


def kl_term(z, r, T):
    """T² · KL(softmax(r/T) ‖ softmax(z/T)), mean over the batch: arXiv 1812.01187 eq. 6 with Hinton's T².

    `z` student and `r` teacher logits, both [n, K]. The T² keeps its gradient's size the same for every T.
    """
    p, q = (F.log_softmax(plain(t).float() / T, 1) for t in (r, z))
    return F.kl_div(q, p, reduction="batchmean", log_target=True) * T**2


def combine_losses(loss, kl, alpha=.5, form="convex"):
    return (1 - alpha) * loss + alpha * kl if form == "convex" else loss + kl


def distill_loss(loss, z, r, alpha=.5, T=20., form="convex"):
    "`loss` of the labels joined with the teacher's term: (1−α)·L + α·T²·KL, or with `form='sum'` L + T²·KL"
    return combine_losses(loss, kl_term(z, r, T), alpha, form)


def teacher_network(teacher):
    "The module that a teacher is, or has as its `model`; None stays None"
    if teacher is None or isinstance(teacher, nn.Module):
        return teacher  # a module's own `model` is a part of it
    if isinstance(found := getattr(teacher, "model", None), nn.Module):
        return found
    if isinstance(teacher, str | PathLike):
        raise UserError(
            f"Distill: the teacher is a network, and {str(teacher)!r} is a text: give fastricks.load({str(teacher)!r})")
    what = f"the class {teacher.__name__}" if isinstance(teacher, type) else f"a {type(teacher).__name__}"
    raise UserError(f"Distill: the teacher is a network (a torch module, a run or a Learner), not {what}")


def teacher_classes(teacher):
    "Names of the classes in the order of its outputs, where the teacher is a run or a Learner; else None"
    if isinstance(teacher, nn.Module):
        return None
    vocab = getattr(getattr(teacher, "dls", None), "vocab", None)
    return [str(o) for o in getattr(teacher, "classes", None) or vocab or ()] or None


def require_same_classes(theirs, ours):
    if theirs == ours:
        return
    odd = next((a for a, b in zip_longest(theirs, ours) if a != b), None)
    raise UserError(f"Distill: the teacher's {plural(len(theirs), 'class', 'classes')} are not the {len(ours)} of the "
                    f"data in their order (the first that differs: {odd!r})")


def other_shape(r, z):
    return (f"Distill: the teacher answers {tuple(r.shape)}, the network {tuple(z.shape)}: both must know the same "
            "classes")


def accuracy_line(right, n, facts):
    "`teacher: 81.2% of the 40 validation images right, as it is shown them (its own record: 83.0% of 40 valid)`"
    own, r = differing_facts(facts), facts.get("record")
    how = f", at its own {one_of(own)}" if own else ""
    record = f" (its own record: {r['top1']:.1%} of {r['n']} {r['split']})" if r else ""
    return f"teacher: {right / n:.1%} of the {n} validation images right as it is shown them{how}{record}"


class Distill(Callback):
    """Learn from `teacher`, a module from images to logits [n, K], as well as from the labels.

    A teacher may also be what has one as its `model`: a run of `fastricks.load`, whose classes must then be the
    student's, or a Learner. It sees the very tensor that the student sees (mixed by mixup, cast by amp), in eval mode
    and without gradient; it joins neither the student's state nor its optimizer. `learn.loss_parts` has the two terms
    of each batch. `alpha`: the teacher's weight, 0 to 1 (`form="convex"`); `T`: the temperature, above 0. Raises
    UserError for what is none of this.
    """
    # after mixup (0), before accumulation (6) and before mixed precision (10) leaves autocast
    order, run_valid = 5, False

    def __init__(self, teacher, alpha=.5, T=20., form="convex", facts=None):
        Range(above=0).require("Distill: T=", T)
        Range(least=0, most=1).require("Distill: alpha=", alpha)
        Range(choices=("convex", "sum")).require("Distill: form=", form)
        self.teacher, self.classes = teacher_network(teacher), teacher_classes(teacher)
        self.alpha, self.T, self.form, self.facts = alpha, T, form, facts

    def before_fit(self):
        if self.classes:
            require_same_classes(self.classes, [str(o) for o in getattr(self.learn.dls, "vocab", self.classes)])
        student = self.learn.model
        device = next(student.parameters()).device
        lay_out(self.teacher, device, layout_of(student)).eval().requires_grad_(False)
        if self.facts:
            self.say_accuracy()

    @torch.no_grad()
    def say_accuracy(self):
        "What the teacher makes of the student's validation images as it is shown them, beside its own record: once"
        facts, self.facts = self.facts, None
        rows = [torch.stack([(plain(self.teacher(plain(x))).argmax(1) == plain(y)).sum(),
                             torch.tensor(len(y), device=y.device)])
                for x, y in self.learn.dls.valid] if self.learn.dls.valid.n else []
        right, n = ranks.add(sum(rows).cpu() if rows else torch.zeros(2, dtype=torch.long)).tolist()
        if n:
            tell_screen(self.learn, accuracy_line(int(right), int(n), facts))

    def after_loss(self):
        if not is_second(self.learn):
            self.take_answer()
        label, kl = self.learn.loss_grad, kl_term(self.learn.pred, self.r, self.T)
        self.learn.loss_grad = combine_losses(label, kl, self.alpha, self.form)
        self.learn.loss = self.learn.loss_grad.detach().clone()
        self.learn.loss_parts = {"loss_label": label.detach(), "loss_teacher": kl.detach()}

    @torch.no_grad()
    def take_answer(self):
        self.r = self.ask()
        if self.r.shape != self.learn.pred.shape:
            raise UserError(other_shape(self.r, self.learn.pred))

    def ask(self): return self.teacher(*self.learn.xb)


class StoredDistill(Distill):
    """Distill with the teacher's answers in float16, read from `answers` where an epoch is stored, else asked for and
    stored.

    `load()` makes the teacher when it is first needed. Both ways the same bits. The loaders must be the recipe's: the
    batches' images are known by a KeyedDL's `batch_places`.
    """
    name = "distill"

    def __init__(self, load, answers, alpha=.5, T=20., form="convex", lines=(), facts=None):
        super().__init__(None, alpha, T, form, facts)
        self.load, self.answers, self.lines, self.told = load, answers, lines, False

    def before_fit(self):
        if not self.answers.fit(self.dls.train):
            raise UserError("distill:store=true needs the loaders of its recipe")
        if not self.answers.mixed and any(isinstance(cb, MixHandler) for cb in self.learn.cbs):
            raise UserError(MIXED)
        if self.teacher is not None:
            super().before_fit()

    def before_train(self):
        "This epoch's rows in the order of its batches: those that are stored, or room for them"
        places = self.dl.batch_places()
        self.places, self.starts = torch.from_numpy(np.concatenate(places)), np.cumsum([0, *map(len, places)])
        old = self.answers.read(self.learn.epoch)
        self.found, self.asked = old is not None, 0
        if self.found:
            self.rows = old[self.places]
        else:
            self.rows = torch.empty(len(self.places), self.answers.K, dtype=torch.float16)
        if self.x_device.type == "cuda":
            self.rows = self.rows.pin_memory()  # so that no step waits for a copy
        if not self.found and self.teacher is None:
            self.teacher = self.load()
            super().before_fit()

    @property
    def x_device(self): return next(self.learn.model.parameters()).device

    def ask(self):
        i = self.learn.iter
        rows = self.rows[self.starts[i]:self.starts[i + 1]]
        if self.found:
            return rows.to(self.x_device, non_blocking=True)
        r = half(plain(super().ask()))
        rows.copy_(r, non_blocking=True)
        self.asked += 1
        return r

    def after_train(self):
        if self.found or self.asked < self.learn.n_iter:
            return  # an epoch that was cut short is not stored
        if self.x_device.type != "cpu":
            torch.accelerator.synchronize()
        rows = torch.empty(self.answers.n, self.answers.K, dtype=torch.float16)
        rows[self.places] = self.rows
        try:
            self.answers.write(self.learn.epoch, rows)
        except OSError as e:
            self.cannot(e)

    def cannot(self, e):
        "A cache that cannot be written is no error: said once"
        if not self.told:
            where = f"{self.answers.folder} ({e.strerror})"
            tell_screen(self.learn, f"distill: the teacher's answers can't be stored in {where}")
        self.told = True

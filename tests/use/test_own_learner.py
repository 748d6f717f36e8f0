"""The tricks on anybody's own Learner, and the mistakes that are made there."""
from functools import partial

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import OptimWrapper
from support.own_dls import small_dls
from torch import nn

import fastricks as ft


@pytest.fixture
def dls(tmp_path): return small_dls(tmp_path)


def own(dls, model=None, **kwargs):
    "A user's Learner"
    model = model or nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                                   nn.Flatten(), nn.Linear(4, dls.c))
    return Learner(dls, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy,
                   **kwargs).remove_cbs(ProgressCallback)


def rates(learn, epochs, cbs, lr=.01):
    with learn.no_logging(): learn.fit(epochs, lr, cbs=cbs)
    return np.array(learn.recorder.hps["lr"])


# -- schedules

def test_cosine_is_the_papers(dls):
    "arXiv 1812.01187 §5.1: (1 + cos(tπ/T))·η/2, at every step"
    total = 3 * len(dls.train)
    want = (1 + np.cos(np.pi * np.arange(total) / total)) / 2 * .01
    assert np.allclose(rates(own(dls), 3, ft.scheduler("cosine")), want)


def test_warmup_before_cosine_and_the_rate_of_the_fit(dls):
    n = len(dls.train)
    got = rates(own(dls), 3, ft.scheduler(["warmup:epochs=1", "cosine"]), lr=.2)
    assert np.allclose(got[:n], .2 * np.arange(1, n + 1) / n) and got[n] == .2 and got[-1] < got[n]


def test_it_is_new_in_each_fit(dls):
    "A cell that runs twice, with another rate and another number of epochs"
    learn, cb = own(dls), ft.scheduler("cosine")
    first, second = rates(learn, 1, cb), rates(learn, 2, cb, lr=.5)
    assert first[0] == .01 and second[0] == .5 and len(second) == 2 * len(first) and cb.schedule.epochs == 2


def test_one_cycle_is_fastais(dls):
    a, b = own(dls), own(dls)
    with a.no_logging(): a.fit_one_cycle(2, .01)
    assert np.allclose(rates(b, 2, ft.scheduler("one_cycle")), a.recorder.hps["lr"])
    assert np.allclose(b.recorder.hps["mom"], a.recorder.hps["mom"])


def test_accumulation_makes_fewer_steps(dls):
    got = rates(own(dls, cbs=ft.Accumulate(2)), 2, ft.scheduler("cosine"))
    n = len(dls.train)
    steps = -(-n // 2)
    want = [(1 + np.cos(np.pi * (e * steps + i // 2) / (2 * steps))) / 2 * .01 for e in range(2) for i in range(n)]
    assert np.allclose(got, want)


def test_groups_keep_their_own_rates(dls):
    learn = own(dls, splitter=ft.decay_splitter)
    with learn.no_logging(): learn.fit(1, slice(.001, .01), cbs=ft.scheduler("cosine"))
    low, high = (h["lr"] for h in learn.opt.hypers)
    assert np.isclose(high / low, 10)


@pytest.mark.parametrize("tricks, says", [
    ("mixup", "mixup does not change the learning rate"), ("cosin", "did you mean 'cosine'?"),
    ((), "scheduler needs a trick"),
    ("cosine+step", "both schedules"), (5, "tricks are a text")])
def test_what_is_no_schedule(tricks, says):
    with pytest.raises(ft.UserError) as e: ft.scheduler(tricks)
    assert says in str(e.value)


# -- loss, groups, networks

@pytest.mark.parametrize("form", ["paper", "uniform"])
def test_label_smoothing_is_the_equation(form):
    "arXiv 1812.01187 eq. 4: q_i = 1 − ε if i = y, else ε/(K−1)"
    torch.manual_seed(0)
    K, eps, z, y = 7, .2, torch.randn(9, 7), torch.randint(7, (9,))
    right, wrong = (1 - eps, eps / (K - 1)) if form == "paper" else (1 - eps + eps / K, eps / K)
    q = torch.full_like(z, wrong).scatter(1, y[:, None], right)
    assert torch.allclose(ft.label_smoothing(K, eps, form)(z, y), -(q * z.log_softmax(1)).sum(1).mean(), atol=1e-6)


def test_validation_stays_plain(dls):
    learn = own(dls, cbs=ft.TrainLoss(ft.label_smoothing(dls.c)))
    with learn.no_logging(), learn.no_bar(): learn.fit(1, .01)
    z, y = learn.get_preds(act=lambda z: z)
    assert np.isclose(learn.recorder.values[-1][-2], float(F.cross_entropy(z, y)), rtol=1e-4)


def test_no_bias_decay():
    model = timm.create_model("test_convnext", num_classes=3)
    weights, others = ft.param_groups(model, wd=.1)
    names = {id(p): n for n, p in model.named_parameters()}
    assert weights["weight_decay"] == .1 and others["weight_decay"] == 0.
    assert len(weights["params"]) + len(others["params"]) == len(names)
    is_weight = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert {names[id(p)] for p in weights["params"]} == is_weight
    torch.optim.AdamW(ft.param_groups(model, wd=.1), lr=.1)


def test_no_bias_decay_on_a_learner(dls):
    learn = own(dls, opt_func=partial(OptimWrapper, opt=torch.optim.AdamW), splitter=ft.decay_splitter, wd=[.1, 0.])
    learn.create_opt()
    learn.opt.set_hypers(lr=.1, wd=learn.wd)
    for p in learn.model.parameters():
        p.data.fill_(1.)
        p.grad = torch.zeros_like(p)
    learn.opt.step()
    moved = {n for n, p in learn.model.named_parameters() if not (p == 1).all()}
    assert moved == {"0.weight", "5.weight"}


def zeros(model): return sum(isinstance(m, nn.BatchNorm2d) and not m.weight.any() for m in model.modules())


def test_networks_have_no_hidden_trick():
    assert zeros(timm.create_model("test_resnet")) > 0 == zeros(ft.create_model("test_resnet", 3))
    assert zeros(ft.create_model("test_resnet", 3,
                                 "zero_gamma")) == zeros(ft.zero_gamma(ft.create_model("test_resnet", 3))) == 4
    deep = ft.create_model("resnet18", 3, "resnet_d")
    assert isinstance(deep.conv1, nn.Sequential) and deep.num_classes == 3
    a, b, c = (ft.create_model("test_resnet", 3, seed=s).state_dict()["fc.weight"] for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


# -- mistakes

WRONG = {
    "a teacher that is a text": (lambda: ft.Distill("runs/teacher"), "give fastricks.load('runs/teacher')"),
    "a teacher that is a class": (lambda: ft.Distill(nn.Linear), "not the class Linear"),
    "a teacher that is a number": (lambda: ft.Distill(3), "not a int"),
    "T": (lambda: ft.Distill(nn.Linear(3, 3), T=0), "Distill: T=0 is out of range: it must be above 0"),
    "a word for T": (lambda: ft.Distill(nn.Linear(3, 3), T="hot"), "Distill: T=hot is not a number"),
    "alpha": (lambda: ft.Distill(nn.Linear(3, 3), alpha=2), "Distill: alpha=2 is out of range"),
    "form": (lambda: ft.Distill(nn.Linear(3, 3), form="convx"), "did you mean 'convex'?"),
    "mixup's alpha": (lambda: ft.BatchMixUp(0), "BatchMixUp: alpha=0 is out of range: it must be above 0"),
    "a partner": (lambda: ft.BatchMixUp(partner="prevous"), "did you mean 'previous'?"),
    "a loss that is a class": (lambda: ft.TrainLoss(nn.CrossEntropyLoss), "give one of it, CrossEntropyLoss()"),
    "a loss that is a number": (lambda: ft.TrainLoss(.1),
                                "TrainLoss: the loss is a function of (predictions, targets), not 0.1"),
    "no batches": (lambda: ft.Accumulate(0), "Accumulate: n=0 is not a whole number of at least 1"),
    "half a batch": (lambda: ft.Accumulate(1.5), "Accumulate: n=1.5 is not a whole number"),
    "classes": (lambda: ft.label_smoothing("ten"), "label_smoothing: classes='ten' is not a whole number"),
    "eps": (lambda: ft.label_smoothing(10, eps=1.5), "label_smoothing:eps=1.5 is out of range"),
    "no network": (lambda: ft.zero_gamma("resnet18"), "zero_gamma takes a network"),
    "no branch": (lambda: ft.zero_gamma(nn.Linear(2, 2)), "has no residual branch"),
    "no groups": (lambda: ft.param_groups(None), "param_groups takes a network"),
    "no classes": (lambda: ft.create_model("test_resnet", 0),
                   "create_model: classes=0 is not a whole number of at least 1"),
    "decay": (lambda: ft.param_groups(nn.Linear(2, 2), wd="x"), "param_groups: wd='x' is not a number"),
    "an architecture": (lambda: ft.create_model("resnet81", 3), "timm has no model 'resnet81'"),
    "no trick of a network": (lambda: ft.create_model("resnet18", 3, "mixup"), "mixup does not change the network"),
    "16 bits": (lambda: ft.amp("cpu", "bf61"), "did you mean 'bf16'?"),
    "fp16 on a CPU": (lambda: ft.amp("cpu", "fp16"), "fp16 needs CUDA"),
    "a keyword": (lambda: ft.scheduler(trick="cosine"), "scheduler has no argument 'trick'; did you mean 'tricks'?"),
}


@pytest.mark.parametrize("call, says", WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_one_sentence(call, says):
    with pytest.raises(ft.UserError) as e: call()
    assert says in str(e.value) and "\n" not in str(e.value)


def test_a_teacher_of_other_classes(dls):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, dls.c + 1))
    learn = own(dls, cbs=ft.Distill(own(dls, net).model))
    with pytest.raises(ft.UserError, match="both must know the same classes"), learn.no_logging(): learn.fit(1, .01)

    class Teacher:
        classes = [*map(str, dls.vocab)][::-1]
        model = nn.Linear(3, 3)
    learn = own(dls, cbs=ft.Distill(Teacher()))
    with pytest.raises(ft.UserError, match="in their order"), learn.no_logging(): learn.fit(1, .01)


def test_a_module_is_taken_whole():
    "One that does something before or after its own `model`, as a normalisation"
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Linear(3, 3)

    scaled = Scaled()
    assert ft.Distill(scaled).teacher is scaled


def test_classes_that_are_numbers(dls):
    "fastai's vocab may have numbers, a run's classes are texts"
    class Teacher:
        classes = [*map(str, dls.vocab)]
        model = own(dls).model
    dls.vocab = [int(o) for o in dls.vocab]
    learn = own(dls, cbs=ft.Distill(Teacher()))
    with learn.no_logging(): learn.fit(1, .01)
    assert learn.loss_parts["loss_teacher"] >= 0


def test_a_learner_may_be_the_teacher(dls):
    teacher, student = own(dls), own(dls)
    with student.no_logging(): student.fit(1, .01, cbs=ft.Distill(teacher, T=4))
    assert student.loss_parts["loss_teacher"] >= 0


def test_two_that_mix(dls):
    from fastai.callback.mixup import MixUp
    learn = own(dls)
    with pytest.raises(ft.UserError, match="mixes the images of this Learner too"), learn.no_logging():
        learn.fit(1, .01, cbs=[ft.BatchMixUp(), MixUp()])

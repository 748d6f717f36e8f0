"""The Learner is an ordinary fastai one."""

import matplotlib.pyplot as plt
import pytest
import torch
from fastai.callback.core import Callback
from fastai.interpret import ClassificationInterpretation
from fastai.optimizer import OptimWrapper
from support.batches import Batches
from support.marks import slow
from support.small import learner, recipe_of, same, trained, weights
from torch import nn

from fastricks.cli.screens import kept_epoch
from fastricks.model.network import build_network
from fastricks.training.finish import kept_epochs
from fastricks.training.learner import fit


@pytest.fixture
def no_figures():
    yield
    plt.close("all")


@pytest.mark.filterwarnings("ignore:.*FigureCanvasAgg is non-interactive.*")
# fastai's tensors
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_fastais_own_tools_work_on_the_learner(no_figures):
    learn = trained(per_class=20, valid=.3)
    learn.dls.show_batch()
    learn.dls.valid.show_batch()
    learn.show_results()
    interp = ClassificationInterpretation.from_learner(learn)
    assert interp.confusion_matrix().sum() == len(learn.dls.valid_ds)
    interp.plot_confusion_matrix()
    interp.plot_top_losses(4)
    interp.most_confused()
    p = learn.tta(n=2)[0]
    assert p.shape == (len(learn.dls.valid_ds), 10) and torch.allclose(p.sum(1), torch.ones(len(p)))
    assert learn.predict(learn.dls.valid_ds.items[0])[0] in learn.dls.vocab
    before = [dict(r) for r in learn.history.rows]
    assert learn.validate()[1] == pytest.approx(before[-1]["accuracy"]) and learn.history.rows == before
    learn.recorder.plot_sched()


def test_tta_views_differ():
    "Each of learn.tta()'s rounds sees another view of an image"
    learn = trained(valid=.3)
    views = []
    for k in range(2):
        dl = learn.dls.valid.new()
        dl.epoch = k
        with dl.dataset.set_split_idx(0):
            dl.before_iter()
            views.append(dl.do_item(0)[0])
    assert not torch.equal(*views)


def test_lr_find_leaves_no_rows(no_figures):
    learn, _ = learner(per_class=20)
    learn.lr_find(num_it=5, show_plot=False)
    assert learn.history.rows == []


def test_nothing_is_frozen_and_the_optimizer_is_torchs():
    learn, _ = learner(wd=.1)
    learn.create_opt()
    assert isinstance(learn.opt, OptimWrapper) and isinstance(learn.opt.opt, torch.optim.Adam)
    assert all(p.requires_grad for p in learn.model.parameters())
    g = learn.opt.opt.param_groups[0]
    assert (g["betas"], g["eps"]) == ((.9, .999), 1e-8)


@pytest.mark.parametrize("opt, make", [("adam", lambda p: torch.optim.Adam(p, 1e-3, weight_decay=.1)),
                                       ("adamw", lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=.1)),
                                       ("sgd", lambda p: torch.optim.SGD(p, 1e-3, .9, weight_decay=.1, nesterov=True))])
def test_training_equals_a_hand_written_loop(opt, make):
    "The same batches through a plain PyTorch loop give the same weights: no hidden trick, no hidden state"
    cb = Batches()
    learn, parts = learner(opt=opt, lr=1e-3, wd=.1, cbs=[cb])
    model = build_network("test_resnet", 10, 0)[0]
    fit(learn, parts)
    o = make(model.parameters())
    for i, (x, y) in enumerate(cb.seen):
        for g in o.param_groups: g["lr"] = parts.schedule(i)
        nn.functional.cross_entropy(model(torch.Tensor(x)), torch.Tensor(y).long()).backward()
        o.step()
        o.zero_grad()
    for (k, a), b in zip(learn.model.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5, rtol=1e-4), k


def test_history_means_and_counts():
    learn = trained(valid=.2, per_class=20)
    rows = learn.history.rows
    assert [r["epoch"] for r in rows] == [1, 2] and all(r["images_per_s"] > 0 for r in rows)
    rates = learn.recorder.hps["lr"]
    assert rows[-1]["lr"] == pytest.approx(sum(rates[len(rates) // 2:]) / (len(rates) // 2))
    n = len(learn.dls.valid_ds)
    assert rows[-1]["accuracy"] * n == pytest.approx(round(rows[-1]["accuracy"] * n), abs=1e-3)


def test_without_validation_images_training_goes_on():
    learn = trained(valid=0.)
    assert learn.history.rows[-1]["valid_loss"] is None and learn.history.rows[-1]["train_loss"] > 0


class AsGoodAsTheSecond(Callback):
    """From the third epoch on the second's weights, but for a head that is twice as large every time: other weights,
    the same accuracy
    """
    def after_epoch(self):
        if self.epoch == 1: self.second = weights(self.learn)

    def after_train(self):
        if self.epoch < 2: return
        scale = 2.**(self.epoch - 1)
        self.learn.model.load_state_dict({k: v * scale if k.startswith("fc.") else v for k, v in self.second.items()})


@pytest.fixture
def best_is_the_second(capsys):
    """Train so that the second epoch is better than the first, and as good as all that follow: (Learner, accuracies,
    the second's weights)
    """
    def train(**given):
        cb = AsGoodAsTheSecond()
        learn = trained(lr=3e-3, valid=.3, per_class=20, cbs=[cb], **given)
        accuracies = [r["accuracy"] for r in learn.history.rows]
        assert accuracies[0] < accuracies[1] and set(accuracies[1:]) == {accuracies[1]}
        return learn, accuracies, cb.second
    return train


def test_keep_best_keeps_the_first_best_epoch_of_the_validation_split(best_is_the_second):
    learn, accuracies, second = best_is_the_second(keep="best", epochs=4)
    assert len(accuracies) == 4 and same(weights(learn), second)
    learn, _, second = best_is_the_second(epochs=4)
    assert not same(weights(learn), second)


@pytest.mark.parametrize("patience", [1, slow(3)])
def test_patience_is_the_number_of_epochs_that_are_no_better(best_is_the_second, patience):
    _, accuracies, _ = best_is_the_second(patience=patience, epochs=30)
    assert len(accuracies) == 2 + patience


@pytest.mark.parametrize("given, epoch, words", [
    ({"keep": "best", "patience": 2}, 2, "epoch 2 of 4, stopped after 2 without a better one: the best on the "
                                         "validation split"),
    slow({"patience": 2}, 4, "epoch 4 of 4, stopped after 2 without a better one: epoch 2 was better on the validation "
                         "split, and --keep best keeps"),
    ({"keep": "best", "epochs": 3}, 2, "epoch 2 of 3: the best on the validation split")])
def test_it_is_said_which_epoch_was_kept(best_is_the_second, given, epoch, words):
    given = {"epochs": 30, **given}
    learn, accuracies, second = best_is_the_second(**given)
    recipe = recipe_of(**given)
    found = kept_epochs(learn, recipe)
    assert found == {"kept_epoch": epoch, "best_epoch": 2} and same(weights(learn), second) == (epoch == 2)
    assert words in kept_epoch(recipe, {**found, "epochs": len(accuracies)})[0]
    assert kept_epochs(learn, recipe_of()) == {} and kept_epoch(recipe_of(), {"epochs": 4}) == []


def test_recipe_of_helper_is_the_resolved_one(): assert recipe_of(seed=3).seed == 3

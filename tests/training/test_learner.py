"""The Learner is an ordinary fastai one, and the model a plain timm one."""
import json

import matplotlib.pyplot as plt
import pytest
import timm
import torch
from fastai.interpret import ClassificationInterpretation
from fastai.optimizer import OptimWrapper
from safetensors.torch import load_file, save_file
from support.batches import Batches
from support.small import learner, recipe_of, trained, weights
from torch import nn

from fastricks.core.errors import UserError
from fastricks.model.network import build, check_arch, hub_file
from fastricks.model.weights import read_meta
from fastricks.training.learner import fit


@pytest.fixture
def no_figures():
    yield
    plt.close("all")


@pytest.mark.filterwarnings("ignore:.*FigureCanvasAgg is non-interactive.*")
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")  # fastai's tensors
def test_fastais_own_tools_work_on_the_learner(no_figures):
    learn = trained(per_class=20, valid=.3)
    learn.dls.show_batch()
    learn.dls.valid.show_batch()
    learn.show_results()
    interp = ClassificationInterpretation.from_learner(learn)
    assert interp.confusion_matrix().sum() == len(learn.dls.valid_ds)
    interp.plot_confusion_matrix(); interp.plot_top_losses(4); interp.most_confused()
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
    model = build("test_resnet", 10, 0)[0]
    fit(learn, parts)
    o = make(model.parameters())
    for i, (x, y) in enumerate(cb.seen):
        for g in o.param_groups: g["lr"] = parts.schedule(i)
        nn.functional.cross_entropy(model(torch.Tensor(x)), torch.Tensor(y).long()).backward()
        o.step(); o.zero_grad()
    for (k, a), b in zip(learn.model.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5, rtol=1e-4), k


def test_history_means_and_counts():
    learn = trained(valid=.2, per_class=20)
    rows = learn.history.rows
    assert [r["epoch"] for r in rows] == [1, 2] and all(r["images_per_s"] > 0 for r in rows)
    assert rows[-1]["lr"] == learn.recorder.hps["lr"][-1]
    n = len(learn.dls.valid_ds)
    assert rows[-1]["accuracy"] * n == pytest.approx(round(rows[-1]["accuracy"] * n), abs=1e-3)


def test_without_validation_images_training_goes_on():
    learn = trained(valid=0.)
    assert learn.history.rows[-1]["valid_loss"] is None and learn.history.rows[-1]["train_loss"] > 0


def test_keep_best_keeps_the_first_best_epoch_of_the_validation_split():
    learn = trained(keep="best", epochs=6, lr=3e-3, valid=.3, per_class=20)
    best = max(learn.history.rows, key=lambda r: r["accuracy"])
    assert learn.validate()[1] == pytest.approx(best["accuracy"], abs=1e-6)
    short = trained(epochs=6, lr=3e-3, valid=.3, per_class=20)
    if best["epoch"] != 6: assert not all(torch.equal(a, b) for a, b in zip(weights(learn).values(), weights(short).values(), strict=True))


def test_patience_stops_early(capsys):
    learn = trained(patience=1, epochs=30, lr=1e-6, valid=.3)
    rows = learn.history.rows
    assert len(rows) < 30 and rows[-1]["accuracy"] <= max(r["accuracy"] for r in rows[:-1])


# -- models

def test_no_hidden_zero_gamma():
    "timm zeroes the last γ of a residual block unless told otherwise; here it must be asked for"
    hidden = [m for m in timm.create_model("resnet18").modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.any()]
    assert len(hidden) == 8
    for arch in ("resnet18", "resnet50", "regnetx_002", "test_convnext"):
        assert all(p.any() for n, p in build(arch, 10)[0].named_parameters() if n.endswith("weight")), arch


def test_the_head_is_plain_and_new_weights_are_the_seeds():
    a, b, c = (build("resnet18", 7, s)[0] for s in (0, 0, 1))
    assert type(a.fc) is nn.Linear and a.fc.out_features == 7
    assert torch.equal(a.fc.weight, b.fc.weight) and not torch.equal(a.fc.weight, c.fc.weight)


def test_weights_of_another_class_count_make_only_the_head_new(tmp_path):
    src = build("test_resnet", 7, 5)[0]
    save_file(src.state_dict(), tmp_path / "w.safetensors")
    model, lines = build("test_resnet", 10, 0, tmp_path / "w.safetensors")
    own, old = model.state_dict(), src.state_dict()
    assert all(torch.equal(own[k], old[k]) for k in old if not k.startswith("fc.")) and own["fc.weight"].shape[0] == 10
    assert "made new for 10 classes (the file's is of 7 classes)" in lines[1] and f"of {len(own)}" in lines[0]
    same_count, lines = build("test_resnet", 7, 0, tmp_path / "w.safetensors")
    assert torch.equal(same_count.fc.weight, src.fc.weight) and len(lines) == 1


def test_a_backbone_without_head_loads(tmp_path):
    src = build("test_resnet", 7, 5)[0]
    save_file({k: v for k, v in src.state_dict().items() if not k.startswith("fc.")}, tmp_path / "w.safetensors")
    model, lines = build("test_resnet", 10, 0, tmp_path / "w.safetensors")
    assert torch.equal(model.conv1[0].weight, src.conv1[0].weight) and "the file has none" in lines[1]


@pytest.mark.parametrize("make, words", [
    (lambda f: f.with_suffix(".pth").write_bytes(b"x") and f.with_suffix(".pth"), "is a pickle"),
    (lambda f: f.write_bytes(b"not safetensors at all") and f, "is not a safetensors file"),
    (lambda f: f, "there is no such file"),
    (lambda f: save_file({"conv1.weight": torch.zeros(3)}, f) or f, "does not fit test_resnet"),
    (lambda f: save_file({k: v for k, v in build("test_resnet", 7)[0].state_dict().items() if "layer2" not in k}, f) or f,
     "tensors missing"),
])
def test_weights_that_do_not_fit_are_one_sentence(tmp_path, make, words):
    file = make(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=words) as e: build("test_resnet", 10, 0, file)
    assert "\n" not in str(e.value)


def test_unknown_arch_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'resnet18'"): check_arch("resnet8")
    with pytest.raises(UserError, match=r"no weights tagged 'tv_in2k'; did you mean 'tv_in1k'"): check_arch("resnet18.tv_in2k")
    check_arch("resnet18"); check_arch("resnet18.tv_in1k")


def test_offline_without_weights_is_one_sentence_within_seconds():
    with pytest.raises(UserError, match=r"not on this machine and .* can't be reached: give --weights"): hub_file("resnet18.tv_in1k")


def test_metadata_of_foreign_weights_is_ignored(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {"fastricks": "not json"})
    assert read_meta(tmp_path / "w.safetensors") == {}
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {"fastricks": json.dumps({"mean": [1, 2, 3]})})
    assert read_meta(tmp_path / "w.safetensors") == {"mean": [1, 2, 3]}
    assert len(load_file(tmp_path / "w.safetensors")) == 1


def test_recipe_of_helper_is_the_resolved_one(): assert recipe_of(seed=3).seed == 3

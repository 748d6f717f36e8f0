"""The pictures before a training say what the training then does."""
import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from PIL import Image
from support.marks import slow
from support.paths import ROOT
from support.small import TINY, learner, recipe_of, same, trained, weights

from fastricks.callbacks.seen import Seen, implied_target
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.data.checked import open_data
from fastricks.recipe.plan import batches_an_epoch
from fastricks.report import plots
from fastricks.report.batch import View, captions, draw_view_targets, pixels_of_batch
from fastricks.training.targets import needed_facts, targets_of
from fastricks.use import first_batch, schedules

ARGS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]


def is_png(data):
    with Image.open(io.BytesIO(data)) as im: return im.format == "PNG" and im.size[0] > 200


def texts(fig): return [t.get_text() for ax in fig.axes for t in (ax.title, *ax.texts, *ax.get_yticklabels())]


# -- learning rate

SCHEDULES = ["none", "cosine", "warmup+step:at=.5", "warmup:by=epoch,epochs=2+cosine:hold=.2", "one_cycle",
             "accumulate:n=3+linear_scaling", "warmup:by=keras,epochs=1+cosine"]


@pytest.mark.parametrize("selection", SCHEDULES)
def test_the_drawn_rates_are_those_of_the_training(selection):
    given = dict(epochs=4, per_class=7)
    learn, parts = learner(selection, **given)
    s = schedules.schedules_of({"it": recipe_of(selection, **given)})["it"]
    assert s.trace() == parts.schedule.trace() and s.per_epoch == -(-len(learn.dls.train) // parts.opt.batches)
    line = schedules.draw_schedules({"it": s}).axes[0].lines[0]
    assert line.get_ydata().tolist() == [*s.trace(), s(s.total - 1)] and line.get_drawstyle() == "steps-post"
    assert line.get_xdata() == pytest.approx(np.arange(s.total + 1) / s.per_epoch)


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 32, 33, 34, 70])
def test_batches_are_counted_as_the_loader_makes_them(n):
    from fastricks.data.loader.loaders import make_dls
    from fastricks.data.source import Item, Source
    items = tuple(Item(f"{s}/{i}", "ab"[i % 2], s, np.zeros((8, 8), np.uint8)) for s in ("train", "valid")
                  for i in range(n))
    dls = make_dls(Source("s", items, ("a", "b")), recipe_of(batch_size=16), (.5,) * 3, (.5,) * 3)
    assert batches_an_epoch(n, 16) == len(dls.train) == sum(1 for _ in dls.train)


def test_figure_3_of_the_tutorial():
    lines = schedules.recipes_of_lines({}, ["blog"], ["warmup:by=epoch,epochs=6"])
    assert list(lines) == ["blog", "blog -t warmup:by=epoch,epochs=6"]
    fig = schedules.rates_figure(lines, steps=493)
    plain, warm = (line.get_ydata()[:-1] for line in fig.axes[0].lines)
    rest = [1e-4] * 9 + [1e-5] * 15 + [1e-6] * 10
    assert plain == pytest.approx(np.repeat([1e-4] * 6 + rest, 493))
    assert warm == pytest.approx(np.repeat([1e-4 * i / 6 for i in range(1, 7)] + rest, 493))
    assert [t.get_text() for t in fig.legends[0].get_texts()] == list(lines) and fig.axes[0].get_xlim() == (0, 40)


def test_momentum_has_a_panel_where_it_moves():
    r = recipe_of("one_cycle")
    s = schedules.schedules_of(r)["one_cycle"]
    fig = schedules.rates_figure({"one": r, "cosine": recipe_of("cosine")})
    lr, mom = fig.axes
    assert len(lr.lines) == 2 and mom.lines[0].get_ydata()[:-1].tolist() == [s.mom(i, s) for i in range(s.total)]
    assert mom.lines[0].get_color() == lr.lines[0].get_color()
    assert len(schedules.rates_figure(recipe_of("cosine")).axes) == 1


def test_rates_of_very_different_sizes_are_all_visible():
    for highest, scale in ((.1, "log"), (1e-3, "linear")):
        fig = schedules.rates_figure({"a": recipe_of(lr=1e-4), "b": recipe_of(lr=highest)}, steps=5)
        assert fig.axes[0].get_yscale() == scale


def test_shared_data_is_opened_once_and_missing_data_is_said(monkeypatch, tmp_path):
    opened, said, real = [], [], open_data
    monkeypatch.setattr(schedules, "open_data", lambda r, **kw: opened.append(r.data) or real(r, **kw))
    got = schedules.schedules_of({"a": recipe_of(), "b": recipe_of("cosine"), "c": recipe_of(per_class=12)},
                                 say=said.append)
    assert opened == ["digits"] * 2 and not said and {s.per_epoch for s in got.values()} == {5, 7}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path))
    for data in ("food-101-21", "nowhere/photos"):
        s = schedules.schedules_of({"a": recipe_of("accumulate:n=4", data=data, pretrained=False)},
                                   say=said.append)["a"]
        assert s.per_epoch == 100 and "100 steps an epoch" in said.pop() and not said
    assert list(tmp_path.iterdir()) == []


def test_rows_stand_on_recipe_or_the_first_name(tmp_path):
    lines = schedules.recipes_of_lines({"lr": .5}, (), ["cosine", "warmup"], "blog")
    assert list(lines) == ["blog -t cosine", "blog -t warmup"]
    assert all(r.lr == .5 and r.epochs == 40 for r in lines.values())
    assert list(schedules.recipes_of_lines({}, (), ["cosine"])) == ["cosine"]
    assert list(schedules.recipes_of_lines({})) == ["baseline"]
    assert list(schedules.recipes_of_lines({}, (), (), "paper")) == ["paper"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "recipe.json").write_text(json.dumps({"recipe": {"epochs": 3, "tricks": {"cosine": {}}}}))
    lines = schedules.recipes_of_lines({}, [str(tmp_path / "mine"), "blog"], ["warmup"])
    assert list(lines) == ["mine", "blog", "mine -t warmup"]
    assert lines["mine -t warmup"].tricks.keys() == {"cosine", "warmup"}


# -- the first batch

class Spy(Callback):
    "The first batch of each epoch as the network got it"
    order = 90

    def __init__(self): self.rows = []

    def after_pred(self):
        if not self.training or self.learn.iter: return
        m = next((cb for cb in self.learn.cbs if hasattr(cb, "lam")), None)
        self.rows.append(dict(x=self.x.clone(), y=self.y.clone(), lam=m and m.lam.clone(), y1=m and m.yb1[0].clone()))


BATCHES = ["none", "mixup:alpha=1", "mixup:alpha=1,partner=previous+label_smoothing", "mixup:per=sample",
           "accumulate:n=2+mixup+zero_gamma+one_cycle"]


@pytest.mark.parametrize("selection", BATCHES)
def test_the_batch_is_bit_for_bit_what_training_sees(selection):
    spy = Spy()
    trained(selection, cbs=[spy])
    for epoch, row in enumerate(spy.rows):
        b = first_batch.look_at_batch(recipe_of(selection), epoch + 1)[1].batch
        assert torch.equal(b.x, row["x"]) and torch.equal(b.y, row["y"].long()) and b.size == 16 and b.epoch == epoch
        assert (b.lam is None) == (row["lam"] is None) == ("mixup" not in selection)
        if b.lam is not None: assert torch.equal(b.lam, row["lam"].expand(16)) and torch.equal(b.y1, row["y1"].long())
    assert len(spy.rows) == 2


def test_under_mixed_precision_too():
    spy, given = Spy(), dict(size=32, resize=32, per_class=4)
    trained("amp:dtype=bf16+mixup", cbs=[spy], **given)
    _, v = first_batch.look_at_batch(recipe_of("amp:dtype=bf16+mixup", **given))
    assert torch.equal(v.batch.x, spy.rows[0]["x"]) and not torch.is_autocast_enabled("cpu")
    assert v.target == pytest.approx(mixed(v.batch), abs=1e-5)


def test_flips_and_crops_are_in_the_picture():
    "The picture is the normalised batch turned back, not the file"
    r = recipe_of(flip=True, min_scale=.3)
    _, v = first_batch.look_at_batch(r)
    px = pixels_of_batch(v.batch.x, r)
    assert px.shape == (16, 16, 16, 3) and px.min() >= 0 and px.max() <= 1
    clean = pixels_of_batch(first_batch.look_at_batch(recipe_of(flip=False, min_scale=1.))[1].batch.x, r)
    assert not np.allclose(px, clean)
    fig = first_batch.batch_figure(r, n=5)
    assert [np.asarray(ax.images[0].get_array()) for ax in fig.axes if ax.images][0] == pytest.approx(px[0])
    assert sum(bool(ax.images) for ax in fig.axes) == 5


def test_captions_are_labels_and_shares():
    job, v = first_batch.look_at_batch(recipe_of("mixup:alpha=1"))
    a, b, l = (o[3].item() for o in (v.batch.y, v.batch.y1, v.batch.lam))
    assert captions(v.batch, job.source.classes)[3] == f"{l:.0%} {a}\n+ {1 - l:.0%} {b}"
    assert captions(first_batch.look_at_batch(recipe_of())[1].batch, list("abcdefghij"))[0] in "abcdefghij"


def test_looking_leaves_the_random_state_alone_and_trains_nothing():
    torch.manual_seed(3)
    np.random.seed(3)
    want = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    first_batch.look_at_batch(recipe_of("mixup"))
    assert (torch.rand(1), np.random.rand()) == want


def test_an_epoch_that_there_is_not():
    with pytest.raises(UserError, match="epoch 3 is none of this training's 2 epochs"):
        first_batch.batch_figure(recipe_of(), epoch=3)


@pytest.mark.parametrize("selection", [slow("mixup"), "cutmix", "mixup:partner=previous", slow("mixup+cutmix"),
                                       slow("mixup:per=sample")])
def test_what_is_shown_is_mixed(selection):
    "A batch of the training itself, whose λ is near ½, and the picture says which; `epoch` is kept to"
    spy, r = Spy(), recipe_of(selection, epochs=12, per_class=20)
    _, seen = first_batch.look_for_mixed(r, None, silent)
    b = seen.batch
    assert b.mixed_by < (.15 if selection != "mixup:per=sample" else .5)
    trained(selection, cbs=[spy], epochs=12, per_class=20)
    if b.step == 0:
        assert torch.equal(b.x, spy.rows[b.epoch]["x"]) and torch.equal(b.y, spy.rows[b.epoch]["y"].long())
    assert first_batch.look_for_mixed(r, 2, silent)[1].batch.epoch == 1
    order = first_batch.telling(b)
    assert ((b.lam - .5).abs()[order].diff() >= 0).all()
    said = " ".join(first_batch.batch_figure(r).get_suptitle().split())
    assert "λ = 0." in said and ("the nearest to ½" in said) == bool(b.step or b.epoch)


def test_erased_images_are_shown_first():
    _, seen = first_batch.look_for_mixed(recipe_of("random_erasing"), None, silent)
    order = first_batch.telling(seen.batch)
    erased = (seen.batch.x[order] == 0).all(1).flatten(1).any(1)
    assert 0 < erased.sum() < 16 and erased[:erased.sum()].all() and seen.batch.step == seen.batch.epoch == 0


def test_curves_that_coincide_are_told_apart():
    fig = plots.draw_lr({"a": [1., 2.], "b": [1., 2.], "c": [2., 1.]}, {"a": 1, "b": 1, "c": 1})
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["a", "b (same as a)", "c"]
    looks = [(o.get_color(), o.get_linestyle(), o.get_linewidth()) for o in fig.axes[0].lines]
    assert len({*looks}) == 3 and len({style for _, style, _ in looks}) == 3


# -- targets

def smoothed(y, form, eps=.1, K=10):
    q = torch.full((len(y), K), {"paper": eps / (K - 1), "uniform": eps / K, None: 0.}[form])
    q[range(len(y)), y] = {"paper": 1 - eps, "uniform": 1 - eps + eps / K, None: 1.}[form]
    return q


def mixed(b, form=None):
    q = smoothed(b.y, form)
    return q if b.lam is None else b.lam[:, None] * q + (1 - b.lam[:, None]) * smoothed(b.y1, form)


@pytest.mark.parametrize("mix", ["", "mixup:alpha=1", "mixup:alpha=1,per=sample", "mixup:partner=previous,alpha=1"])
@pytest.mark.parametrize("form", [None, "paper", "uniform"])
def test_targets_equal_the_formulas(mix, form):
    smoothing = form and f"label_smoothing:form={form}"
    job, seen = first_batch.look_at_batch(recipe_of("+".join(filter(None, (mix, smoothing))) or "none"))
    assert seen.target == pytest.approx(mixed(seen.batch, form), abs=1e-5)
    targets = targets_of(job, seen, 3)
    assert list(targets) == ["target"] and targets["target"].shape == (3, 10)


def test_a_loss_without_a_target_is_refused():
    z, y = torch.zeros(6, 5), torch.arange(6) % 5
    assert implied_target(lambda z: F.cross_entropy(z, y), z) == pytest.approx(F.one_hot(y, 5), abs=1e-6)
    focal = lambda z: ((1 - z.softmax(1)[range(6), y]) ** 2 * F.cross_entropy(z, y, reduction="none")).mean()
    assert implied_target(focal, z) is None
    job, seen = first_batch.look_at_batch(recipe_of())
    with pytest.raises(UserError, match="no cross-entropy"):
        draw_view_targets(View(job.recipe, job.source, seen.batch, None), 3)


@pytest.mark.parametrize("form, names", [("convex", ["labels\nweight 0.7", "teacher, T = 4\nweight 0.3"]),
                                         ("sum", ["labels", "teacher, T = 4"])])
def test_a_teachers_softened_answers_to_the_same_images(teacher, form, names):
    from fastricks.model.network import build_network
    recipe = recipe_of(f"distill:teacher={teacher},T=4,alpha=.3,form={form}+mixup:alpha=1")
    job, seen = first_batch.look_at_batch(recipe)
    got = targets_of(replace(job, facts=needed_facts(job, silent)), seen, 5)
    net = build_network("test_resnet", 10, 0, teacher)[0].eval()
    assert list(got) == names and got[names[0]] == pytest.approx(mixed(seen.batch)[:5], abs=1e-5)
    with torch.no_grad(): assert got[names[1]] == pytest.approx((net(seen.batch.x[:5]) / 4).softmax(1), abs=1e-6)


def test_a_teacher_is_found_but_never_trained(tmp_path):
    given = dict(out=str(tmp_path))
    with pytest.raises(UserError, match="test_resnet is not trained yet, and nothing is trained here"):
        first_batch.targets_figure(recipe_of("distill:teacher=test_resnet", **given))
    assert list(tmp_path.iterdir()) == []
    from fastricks.training.training import train
    train(recipe_of("distill:teacher=test_resnet", **given), silent)
    assert is_png(first_batch.targets_figure(recipe_of("distill:teacher=test_resnet", **given), n=2)._repr_png_())
    first_batch.batch_figure(recipe_of("distill:teacher=resnet18", **given))  # needs no teacher


@pytest.mark.parametrize("K", [2, 10, 15, 16, 21, 101])
def test_many_classes_are_gathered(K):
    classes, rng = [f"class {i}" for i in range(K)], np.random.default_rng(0)
    q, r = np.full(K, .1 / (K - 1)), rng.dirichlet(np.ones(K))
    q[K - 1] = .9
    names, got = plots.gather_classes({"labels": q, "teacher": r}, classes)
    if K <= 15: return np.testing.assert_equal((names, got["labels"]), (classes, q))
    best = [f"class {i}" for i in np.argsort(-r) if i != K - 1][:9]
    assert names == [f"class {K - 1}", *best, f"{K - 10} others, mean"] and got["labels"][0] == .9
    assert got["teacher"][:10].sum() + (K - 10) * got["teacher"][10] == pytest.approx(1)
    assert plots.gather_classes({"target": q}, classes)[0] == [f"class {K - 1}", f"{K - 1} others, mean"]


@pytest.mark.parametrize("K", [2, 10, 101])
def test_pictures_of_odd_names_and_numbers(K):
    classes = ["a$b$c", "_x", "a_very_long_name_of_a_class_that_nobody_can_read", "\u6f22\u5b57",
               *map(str, range(97))][:K]
    x, q = np.zeros((3, 8, 8, 3)), np.eye(K)[[0, 1, 1]]
    fig = plots.draw_targets(x, classes[:1] * 3, {"labels": q, "teacher": np.full((3, K), 1 / K)}, classes, "$ title")
    assert is_png(plots.png(fig)) and "a$b$c" in texts(fig)
    assert is_png(plots.png(plots.draw_batch(x[:1], ["a$"], "one")))
    assert is_png(plots.png(plots.draw_lr({"_a": [1., 2.], "$b": [2., 1.]}, {"_a": 1, "$b": 1})))


# -- notebooks, the run's folder

def test_a_notebook_shows_the_figures_by_themselves():
    fig = schedules.rates_figure(recipe_of())
    assert is_png(fig._repr_png_()) and len(fig._repr_png_()) < 60_000
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    data, _ = formatter.format(fig)
    assert is_png(data["image/png"]) and len([k for k in data if k.startswith("image")]) == 1
    assert is_png(first_batch.batch_figure(recipe_of("mixup"))._repr_png_())


def test_training_is_the_same_with_the_picture_and_without():
    drawn = []

    def draw(seen):
        images = pixels_of_batch(seen.batch.x, recipe_of())
        drawn.append(plots.png(plots.draw_batch(images, ["a"] * 8, "t")))
    a, b = trained("mixup+cosine", cbs=[Seen(n=8, then=draw)]), trained("mixup+cosine")
    assert same(weights(a), weights(b)) and len(drawn) == 1 and len(a.seen.batch.x) == 8
    assert [r["train_loss"] for r in a.history.rows] == [r["train_loss"] for r in b.history.rows]
    assert torch.equal(a.seen.batch.x, first_batch.look_at_batch(recipe_of("mixup+cosine"))[1].batch.x[:8])
    a.fit(1)
    assert len(drawn) == 1  # a user's further training does not draw over it


def train_in(folder, capsys):
    assert run(["train", *ARGS, "--epochs", "1", "--out", str(folder), "--name", "it"]) == 0
    return folder / "it", capsys.readouterr().out


def test_a_run_has_its_pictures_and_sends_them(tmp_path, capsys, monkeypatch):
    from fastricks.runfolder import tracking
    sent = []
    monkeypatch.setattr(tracking, "finish", lambda *a, **kw: sent.append(a))
    folder, _ = train_in(tmp_path, capsys)
    assert all(is_png((folder / f"{n}.png").read_bytes()) for n in ("lr", "batch", "targets"))
    assert sent[0][2] == {n: folder / f"{n}.png" for n in ("lr", "batch", "targets")}


def test_a_picture_that_fails_does_not_fail_the_run(tmp_path, capsys, monkeypatch):
    def broken(*a, **kw): raise RuntimeError("no paint")
    for name in ("draw_batch", "draw_targets", "draw_lr"): monkeypatch.setattr(plots, name, broken)
    folder, out = train_in(tmp_path, capsys)
    assert json.loads((folder / "status.json").read_text())["status"] == "finished" and not list(folder.glob("*.png"))
    for text in (out, (folder / "log.txt").read_text()):
        assert "no batch.png (RuntimeError: no paint)" in text and "no lr.png (RuntimeError: no paint)" in text


# -- the command line

@pytest.mark.parametrize("words, says, file", [
    (["lr", "blog", "-t", "warmup:by=epoch,epochs=6"], "blog -t warmup:by=epoch,epochs=6: 40 epochs of ",
     "show-lr.png"),
    (["lr", "--steps-per-epoch", "7"], "baseline: 12 epochs of 7 steps, learning rate from 0.001 to 1e-05, highest "
                                       "0.001", "show-lr.png"),
    (["batch", *ARGS, "-t", "mixup", "--epoch", "2", "--to", "deep/er/a.png"], "picture    deep/er/a.png",
     "deep/er/a.png"),
    (["targets", *ARGS, "-t", "label_smoothing", "--images", "3"], "picture    show-targets.png", "show-targets.png"),
])
def test_show(words, says, file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["show", *words]) == 0
    out = capsys.readouterr().out
    assert says in out and out.endswith(f"picture    {file}\n") and is_png((tmp_path / file).read_bytes())
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / file]


def test_a_terminal_gets_the_curve_too(tmp_path):
    said = []
    schedules.tell_lr(schedules.schedules_of({"one": recipe_of("cosine")}, 5), tmp_path / "a.png", True, said.append)
    assert any("⠉" in o or "⣀" in o or "⡇" in o
               for o in said) and "one" in said[0] and said[-1] == f"picture    {tmp_path / 'a.png'}"


@pytest.mark.parametrize("words, says", [
    (["lr", "--to", "a.svg"], "--to a.svg: a picture ends in .png"),
    (["batch", "--to", "folder.png"], "--to folder.png is a folder"),
    (["lr", "--to", "file/a.png"], "file/a.png can't be written"),
    (["lr", "blgo"], "did you mean 'blog'"),
    (["lr", "-t", "cosin"], "did you mean 'cosine'"),
    (["lr", "-t", "warmup:epochs=99"], "leave nothing"),
    (["batch", *ARGS, "--epoch", "9"], "epoch 9 is none of this training's 2 epochs"),
    (["batch", "--epoch", "0"], "'--epoch'"),
    (["targets", *ARGS, "-t", "distill:teacher=test_resnet"], "is not trained yet"),
    (["targets", *ARGS, "-t", "distill:teacher=nowhere.safetensors"], "no such file"),
    (["batch", *ARGS, "--arch", "resnet8"], "did you mean 'resnet18'"),
    (["lrr"], "lrr"),
])
def test_errors_are_one_sentence(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("x")
    assert run(["show", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and says in err and err.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("words", [[], ["show"]])
def test_without_a_command_comes_the_help(words, capsys):
    assert run(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("Usage: ") and ("  batch " if words else "  train ") in err


@pytest.mark.parametrize("words, heavy", [
    (["show", "--help"], {"torch", "fastai", "timm", "numpy", "matplotlib"}),
    (["show", "lr", "--help"], {"torch", "fastai", "timm", "numpy", "matplotlib"}),
    (["show", "batch", "--to", "a.jpg"], {"torch", "fastai", "timm", "numpy", "matplotlib"}),
    (["show", "lr", "-t", "warmup+cosine"], {"torch", "fastai", "timm", "sklearn", "pandas", "scipy"}),
])
def test_what_needs_no_torch_imports_none(words, heavy, tmp_path):
    code = (f"import sys; from fastricks.cli.app import run; run({words!r}); print('heavy', {heavy!r} & "
            "set(sys.modules))")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
                       env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert r.stdout.endswith("heavy set()\n"), (r.stdout, r.stderr)

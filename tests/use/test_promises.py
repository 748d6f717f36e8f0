"""What fastai's users do with a Learner, on a run's Learner, on the one that a training leaves, and on their own with
our callbacks on it.
"""
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.callback.mixup import MixUp
from fastai.callback.progress import CSVLogger, ProgressCallback
from fastai.callback.schedule import Learner  # noqa: F401  fit_one_cycle, lr_find, fine_tune
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.callback.training import GradientAccumulation, GradientClip
from fastai.interpret import ClassificationInterpretation
from fastai.learner import load_learner
from fastai.metrics import accuracy
from fastai.vision.core import PILImage
from fastai.vision.learner import vision_learner
from PIL import Image
from support.marks import crossed
from support.own_dls import small_dls
from support.paths import ROOT
from support.small import TINY

import fastricks as ft
from fastricks.callbacks import Accumulate, BatchMixUp, Distill, Guard, History, Quick, Seeds, TrainLoss

PHOTO = np.arange(3 * 24 * 24, dtype="uint8").reshape(24, 24, 3)


def interpret(learn):
    found = ClassificationInterpretation.from_learner(learn)
    assert found.confusion_matrix().sum() == len(learn.dls.valid_ds)
    found.plot_confusion_matrix()
    found.plot_top_losses(2)
    assert len(found.top_losses(2)[0]) == 2


def predict(learn):
    label, i, p = learn.predict(PILImage.create(PHOTO))
    assert label in list(learn.dls.vocab) and p.argmax() == i and torch.isclose(p.sum(), torch.tensor(1.))


def predict_files(learn):
    p, _ = learn.get_preds(dl=learn.dls.test_dl(["a.png"] * 3))
    assert p.shape == (3, learn.dls.c) and torch.allclose(p[0], p[2], atol=1e-6)


def export_and_load(learn):
    learn.export("learner.pkl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fastai's, about pickles
        again = load_learner("learner.pkl")
    predict(again)


def in_16_bits(learn):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fastai's, where there is no CUDA
        learn.to_fp16().fit(1)
    learn.to_fp32()


def freeze(learn):
    learn.freeze()
    learn.fit(1)
    learn.unfreeze()
    learn.fit_one_cycle(1, slice(1e-5, 1e-3))


def with_their_callbacks(learn):
    learn.fit(2, cbs=[EarlyStoppingCallback(), SaveModelCallback(), CSVLogger(), GradientClip(.1)])


ACTIONS = {
    "predict": predict,
    "get_preds of files": predict_files,
    "summary": lambda o: o.summary(),
    "validate": lambda o: o.validate(),
    "get_preds": lambda o: o.get_preds(with_input=True, with_loss=True, with_decoded=True),
    "tta": lambda o: o.tta(n=2),
    "show_results": lambda o: o.show_results(max_n=4),
    "lr_find": lambda o: o.lr_find(num_it=6),
    "fit": lambda o: o.fit(1),
    "fine_tune": lambda o: o.fine_tune(1),
    "freeze": freeze,
    "fit_one_cycle": lambda o: o.fit_one_cycle(1),
    "fit_flat_cos": lambda o: o.fit_flat_cos(1),
    "export": export_and_load,
    "to_fp16": in_16_bits,
    "interpretation": interpret,
    "training loop": lambda o: o.show_training_loop(),
    "save and load": lambda o: (o.save("model", with_opt=False), o.load("model", with_opt=False)),
    "their callbacks": with_their_callbacks,
    "their accumulation": lambda o: o.fit(1, cbs=GradientAccumulation(32)),
    "progress": lambda o: (o.add_cb(ProgressCallback()), o.fit(1)),
    "twice": lambda o: (o.fit(1), predict(o), o.summary(), o.fit(1)),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, undrawn):
    out = tmp_path_factory.mktemp("promises")
    small = {k: v for k, v in TINY.items() if k != "workers"}
    return ft.train("digits", "warmup:epochs=1+cosine+mixup+label_smoothing+accumulate:n=2", quiet=True, out=out,
                    **small)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    "A folder with a photo; figures are closed, and numpy's and Pillow's warnings are fastai's"
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("a.png")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(__array__|optimizer state|shadowing|overflow|no grad)")
        yield
    plt.close("all")


def of_a_user(order):
    "A vision_learner with our callbacks on it, given in this order"
    dls = small_dls(Path.cwd() / "photos")
    tricks = Distill(ft.create_model("test_resnet",
                                     dls.c)), BatchMixUp(.2), TrainLoss(ft.label_smoothing(dls.c)), Accumulate(2)
    cbs = [*tricks, Seeds(0), History(), Guard(), Quick()]
    learn = vision_learner(dls, "test_resnet", pretrained=False, metrics=accuracy, cbs=cbs[::order])
    return learn.remove_cbs(ProgressCallback)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_runs_learner(run, action, capsys): ACTIONS[action](ft.load(run).learner(say=lambda line: None))


@pytest.mark.parametrize("action, order", crossed(ACTIONS, [1, -1], plain=[
    *((a, 1) for a in ACTIONS), ("fit_one_cycle", -1), ("their callbacks", -1)]),
    ids={1: "in order", -1: "the other way"}.get)
def test_ones_own_with_our_callbacks(action, order, capsys): ACTIONS[action](of_a_user(order))


@pytest.mark.slow
def test_what_a_training_leaves(run, capsys):
    "One after the other on the same Learner, and back again"
    for action in [*ACTIONS, *reversed(ACTIONS)]:
        if action != "progress": ACTIONS[action](run.learn)


def test_mixup_of_theirs_on_a_runs_learner(run, capsys): ft.load(run).learner(say=lambda line: None).fit(1, cbs=MixUp())


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_first_of_all_in_its_process(run, action):
    code = ("import sys, matplotlib; matplotlib.use('Agg'); import fastricks as ft; learn = "
            "ft.load(sys.argv[1]).learner(say=lambda line: None); "
            "sys.path += sys.argv[2:4]; import test_promises; test_promises.ACTIONS[sys.argv[4]](learn)")
    words = [str(o) for o in (run.folder, ROOT / "tests", ROOT / "tests/use", action)]
    r = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *words], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr[-2000:]

"""`fastricks.load`: the run's own predictions again, from any kind of image, and a real Learner."""
import json
import shutil
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.interpret import ClassificationInterpretation
from fastai.learner import Learner
from PIL import Image
from safetensors.torch import load_file, save_file
from support.fake_runs import fake_run
from support.marks import slow
from support.photos import CLASSES, make_photos, train_on_photos
from support.run_files import rows_of
from support.strangers import WRONG_FIELDS, recipe_with

from fastricks import load
from fastricks.core.errors import UserError
from fastricks.data.pixels.image import Unreadable
from fastricks.model.weights import read_meta


def wrong(f, *a, **kw):
    with pytest.raises(UserError) as e: f(*a, **kw)
    text = str(e.value)
    assert "\n" not in text and len(text) < 700 and "--weights" not in text, text
    return text


def agree(p, data, rows):
    got = p.predict([data / r["image"] for r in rows], k=1, raw=True)
    assert [o.label for o in got] == [r["predicted"] for r in rows]
    assert max(abs(o.p - float(r["p"])) for o, r in zip(got, rows, strict=True)) < 1e-4


@pytest.fixture(scope="module")
def reference_run(tmp_path_factory): return train_on_photos(tmp_path_factory, "reference")


@pytest.mark.parametrize("kind", ["photo_run", slow("reference_run")])
def test_predict_gives_the_runs_own_predictions(kind, request):
    "Both pipelines, every test image: EXIF-turned, grey, transparent, of other shapes"
    run, data = request.getfixturevalue(kind)
    rows = rows_of(run)
    assert len(rows) == 30 and len({r["predicted"] for r in rows}) > 1
    agree(load(run), data, rows)
    agree(load(run / "model.safetensors", "cpu"), data, rows)


def test_the_pipelines_differ(photo_run, tmp_path):
    "So that the test above can fail: pixels of the two are not the same bits"
    run, data = photo_run
    p, file = load(run), data / "test/blue/00.jpg"
    fast = p.pixels(file)
    p.meta["pipeline"] = "reference"
    assert fast.shape == p.pixels(file).shape == (1, 3, 32, 32) and (fast.int() - p.pixels(file).int()).abs().max() < 20


def test_what_it_is(photo_run):
    run, _ = photo_run
    p = load(str(run))
    assert p.run == run and p.classes == list(CLASSES)
    assert (p.recipe.arch, p.meta["arch"]) == ("test_resnet", "test_resnet.r160_in1k") and p.device.type == "cpu"
    assert not p.model.training and p.meta["size"] == 32 and p.meta["resize"] == 38
    assert p.meta["pipeline"] == "fast" and p.meta["kwargs"] == {}
    assert all(v.dtype == torch.float32 for v in p.model.parameters()) and "test_resnet, 3 classes" in repr(p)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_any_kind_of_image(photo_run, n):
    "A path as text or Path, bytes, PIL, array, tensor; one, several, or none"
    run, data = photo_run
    p, file = load(run), sorted((data / "test/grün").iterdir())[n]
    want = p.probs(file)
    from fastricks.data.pixels.image import load_rgb
    rgb = np.array(load_rgb(file))
    with Image.open(file) as im:
        got = p.probs([str(file), file.read_bytes(), im, rgb, torch.from_numpy(rgb).permute(2, 0, 1)])
    assert got.shape == (5, 3) and torch.allclose(got.sum(1), torch.ones(5))
    assert torch.allclose(got[:2], want.expand(2, 3), atol=1e-6)
    # a JPEG of twice `resize` and more is brought down while it is decoded; what comes as pixels is not
    assert torch.allclose(got[2:], want.expand(3, 3), atol=2e-3 if max(rgb.shape) >= 76 else 1e-6)
    for one in (rgb, file.read_bytes(), Image.fromarray(rgb), torch.from_numpy(rgb)): assert len(p.predict(one)) == 1
    path, labels, ps = p.predict(file, k=9)[0]
    assert path == file and sorted(labels) == sorted(CLASSES) and ps == sorted(ps, reverse=True)
    assert sum(ps) == pytest.approx(1)
    assert p.predict(rgb, k=2)[0].path is None and p.predict([]) == [] and p.probs([]).shape == (0, 3)
    assert p.predict(rgb.astype(np.uint8)[None].repeat(2, 0), k=1)[1].label == labels[0]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_and_threads_do_not_matter(photo_run, threads):
    run, data = photo_run
    p, files = load(run), sorted((data / "test").rglob("*.*"))
    want = p.probs(files)
    assert torch.allclose(p.probs(files, bs=7, threads=threads), want, atol=1e-6)
    assert [o.path for o in p.predict(iter(files), bs=4, threads=threads)] == files


def test_answers_come_before_all_images_were_read(photo_run):
    run, data = photo_run
    taken = []
    def files():
        for o in sorted((data / "test").rglob("*.*")):
            taken.append(o)
            yield o
    batches = load(run).stream(files(), bs=4, threads=1)
    images, logits = next(batches)
    assert logits.shape == (4, 3) and images == taken[:4] and len(taken) < 20
    batches.close()


@pytest.mark.parametrize("bad", ["no/such.jpg", b"no image", 5, np.zeros((3, 3)), "/dev/zero", "/"])
def test_what_cannot_be_read(photo_run, bad, tmp_path):
    run, data = photo_run
    p, good = load(run), data / "test/blue/00.jpg"
    assert "can't be read (" in wrong(p.predict, [good, bad])
    seen = []
    got = p.predict([bad, good, bad], bad=lambda o, why: seen.append((o, why)))
    assert [o.path for o in got] == [good] and len(seen) == 2 and seen[0][0] is bad and seen[0][1]


def test_a_truncated_pil_image(photo_run, tmp_path):
    run, data = photo_run
    (tmp_path / "cut.png").write_bytes((data / "test/blue/01.png").read_bytes()[:200])
    with Image.open(tmp_path / "cut.png") as im, pytest.raises(Unreadable): load(run).pixels(im)


# -- the Learner

@pytest.fixture
def no_figures():
    yield
    plt.close("all")


@pytest.mark.filterwarnings("ignore:.*FigureCanvasAgg is non-interactive.*")
# fastai's tensors
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_real_learner(photo_run, no_figures, capsys):
    run, data = photo_run
    p = load(run)
    learn = p.learner()
    rows = rows_of(run)
    assert isinstance(learn, Learner) and list(learn.dls.vocab) == p.classes
    assert [len(dl.dataset) for dl in (learn.dls.train, learn.dls.valid, learn.dls.test)] == [33, 9, 30]
    probs, y = learn.get_preds(dl=learn.dls.test)
    assert [p.classes[i] for i in y] == [r["label"] for r in rows]
    assert max(abs(float(a) - float(r["p"])) for a, r in zip(probs.max(1).values, rows, strict=True)) < 1e-4
    want = json.loads((run / "metrics.json").read_text())
    assert learn.validate()[1] == pytest.approx(want["valid"]["top1"])
    label, _, ps = learn.predict(data / rows[0]["image"])
    assert label == rows[0]["predicted"] and float(ps.max()) == pytest.approx(float(rows[0]["p"]), abs=1e-4)
    learn.show_results()
    learn.dls.show_batch()
    interp = ClassificationInterpretation.from_learner(learn)
    assert interp.confusion_matrix().sum() == 9
    interp.plot_top_losses(2)
    interp.plot_confusion_matrix()
    assert learn.tta(n=2)[0].shape == (9, 3)
    capsys.readouterr()


def test_training_goes_on_and_the_predictor_stays(photo_run, capsys):
    run, data = photo_run
    p = load(run)
    before, learn = p.probs(data / "test/blue/00.jpg"), p.learner(say=lambda _: None)
    start = {k: v.clone() for k, v in learn.model.state_dict().items()}
    learn.fit_one_cycle(1, 1e-3)
    assert any(not torch.equal(v, start[k]) for k, v in learn.model.state_dict().items())
    assert len(learn.history.rows) == 1
    assert torch.equal(p.probs(data / "test/blue/00.jpg"), before)
    assert torch.equal(p.learner(say=lambda _: None).model.state_dict()["fc.weight"], start["fc.weight"])
    capsys.readouterr()


def test_data_that_changed_or_moved(photo_run, tmp_path):
    run, data = photo_run
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    what = json.loads((mine / "recipe.json").read_text())
    what["recipe"]["data"] = str(tmp_path / "moved")
    (mine / "recipe.json").write_text(json.dumps(what))
    assert "give data=" in wrong(load(mine).learner)
    shutil.copytree(data, tmp_path / "moved")
    assert load(mine).learner(say=lambda _: None).dls.test.n == 30, "moved whole, and the recipe says where"
    next((tmp_path / "moved/test/blue").iterdir()).unlink()
    assert (
        "has changed since the training" in (text := wrong(load(mine).learner, say=lambda _: None))
        and "29 test" in text
        and "30 test" in text
    )
    assert load(mine).learner(tmp_path / "moved", say=lambda _: None).dls.test.n == 29
    assert load(run).learner(tmp_path / "moved", say=lambda _: None).dls.test.n == 29


def test_other_data_may_have_fewer_classes_but_no_others(photo_run, tmp_path):
    run, _ = photo_run
    make_photos(tmp_path / "few", 4, 2)
    for split in ("train", "test"): shutil.rmtree(tmp_path / "few" / split / "blue")
    learn = load(run).learner(tmp_path / "few", say=lambda _: None)
    assert list(learn.dls.vocab) == list(CLASSES) and learn.get_preds(dl=learn.dls.test)[0].shape == (4, 3)
    for split in ("train", "test"): (tmp_path / "few" / split / "red sky").rename(tmp_path / "few" / split / "black")
    err = wrong(load(run).learner, tmp_path / "few", say=lambda _: None)
    assert "1 class that the model does not know: black" in err


# -- what is on the disk

def test_a_model_file_alone(photo_run, tmp_path):
    run, data = photo_run
    shutil.copy(run / "model.safetensors", tmp_path / "mine.safetensors")
    p = load(tmp_path / "mine.safetensors")
    assert p.recipe is None
    agree(p, data, rows_of(run))
    assert "recipe.json" in wrong(p.learner)
    assert p.learner(data, say=lambda _: None).dls.test.n == 30


def test_tricks_that_change_the_network(resnet_d_run, tmp_path):
    "The file says it; of an older file the run's recipe does"
    run, data = resnet_d_run
    meta = read_meta(run / "model.safetensors")
    assert meta["kwargs"] == dict(stem_type="deep", stem_width=32, avg_down=True)
    agree(load(run), data, rows_of(run))
    shutil.copy(run / "model.safetensors", tmp_path / "alone.safetensors")
    agree(load(tmp_path / "alone.safetensors"), data, rows_of(run))
    old = {k: v for k, v in meta.items() if k not in ("kwargs", "pipeline")}
    shutil.copytree(run, tmp_path / "old")
    save_file(load_file(run / "model.safetensors"), tmp_path / "old/model.safetensors", {"fastricks": json.dumps(old)})
    agree(load(tmp_path / "old"), data, rows_of(run))
    (tmp_path / "old/recipe.json").unlink()
    assert "does not fit" in wrong(load, tmp_path / "old"), "nothing says what was changed"


@pytest.mark.parametrize("kwargs", [{"checkpoint_path": "/etc/passwd"}, {"pretrained": True}, {"stem_type": ["deep"]},
                                    {"img_size": 9999},
                                    {"drop_rate": 1e999}, {"stem_width": 10**9}, {"features_only": True}, [], "x",
                                    {"pretrained_cfg": {"file": "/tmp/x"}}])
def test_what_a_file_may_ask_of_timm(tmp_path, photo_run, kwargs):
    run, _ = photo_run
    meta = {**read_meta(run / "model.safetensors"), "kwargs": kwargs}
    save_file(load_file(run / "model.safetensors"), tmp_path / "x.safetensors", {"fastricks": json.dumps(meta)})
    assert "kwargs" not in read_meta(tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors").meta["kwargs"] == {}


CHANGES = {"a tensor less": lambda s: s.pop("bn1.weight"), "a tensor more": lambda s: s.update(extra=torch.zeros(1)),
           "another shape": lambda s: s.update({"fc.weight": torch.zeros(2, 3)}), "whole numbers": lambda s: s.update(
               {"fc.weight": s["fc.weight"].int()}), "no number": lambda s: s["fc.bias"].fill_(torch.nan)}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_fit_exactly_or_not_at_all(tmp_path, photo_run, change):
    run, _ = photo_run
    state = load_file(run / "model.safetensors")
    CHANGES[change](state)
    save_file(state, tmp_path / "x.safetensors", {"fastricks": json.dumps(read_meta(run / "model.safetensors"))})
    assert "x.safetensors" in wrong(load, tmp_path / "x.safetensors")


@pytest.mark.parametrize("meta", [{}, {"arch": "hf-hub:a/b"}, {"arch": "nothing"}, {"classes": []}, {"size": 10**9},
                                  {"size": 64, "resize": 32},
                                  {"classes": None}])
def test_facts_that_are_missing_or_absurd(tmp_path, photo_run, meta):
    run, _ = photo_run
    facts = {**read_meta(run / "model.safetensors"), **meta} if meta else {}
    save_file(load_file(run / "model.safetensors"), tmp_path / "x.safetensors", {"fastricks": json.dumps(facts)})
    wrong(load, tmp_path / "x.safetensors")


def test_runs_that_cannot_be_used(tmp_path, photo_run):
    run, _ = photo_run
    assert "there is no run" in wrong(load, tmp_path / "none") and "did you mean" in wrong(load, str(run)[:-1])
    assert "is a file" in wrong(load, __file__)
    (tmp_path / "empty").mkdir()
    assert "not the folder of a run" in wrong(load, tmp_path / "empty")
    assert "it has runs, name one" in wrong(load, run.parent)
    begun = fake_run(tmp_path, name="begun", status="unfinished")
    assert f"fastricks resume {begun}" in wrong(load, begun)
    shutil.copy(run / "model.safetensors", begun)
    assert "is not finished" in wrong(load, begun), "killed before the last file"
    (tmp_path / "pickle").mkdir()
    (tmp_path / "pickle/model.safetensors").write_bytes(b"\x80\x04K\x01.")
    assert "not a safetensors file" in wrong(load, tmp_path / "pickle")
    assert "torch sees no such device" in wrong(load, run, "mps")


TEXTS = "[]", "{", "null", "[" * 10**5, '{"recipe": []}', "\xff", '{"recipe": {}, "data": 3}'


@pytest.mark.parametrize("text", [*TEXTS, *WRONG_FIELDS], ids=lambda x: str(x)[:30])
def test_a_strangers_recipe_is_one_sentence_or_harmless(tmp_path, photo_run, text):
    run, data = photo_run
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    (mine / "recipe.json").write_text(text if isinstance(text, str) else recipe_with(mine, **text), encoding="latin-1")
    try: agree(load(mine), data, rows_of(run))
    except UserError as e: assert "\n" not in str(e) and len(str(e)) < 700


def test_import_is_light():
    code = ("import sys; import fastricks; from fastricks import load; assert callable(load) and not {'torch', "
            "'fastai', 'numpy'} & {*sys.modules}")
    subprocess.run([sys.executable, "-c", code], check=True)
    import fastricks
    assert fastricks.load is load and callable(load)
    with pytest.raises(AttributeError): _ = fastricks.nothing

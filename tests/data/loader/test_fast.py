import numpy as np
import pytest
import torch
from fastai.vision.augment import Resize
from fastai.vision.core import PILImage
from support.pictures import encoded, scene
from support.small import recipe_of

from fastricks.core.cache import cache_dir
from fastricks.data.checked import open_data
from fastricks.data.loader import fast
from fastricks.data.loader.keyed import KeyedDL
from fastricks.data.loader.loaders import make_dls
from fastricks.data.pixels import canonical as pixels
from fastricks.data.pixels import photo
from fastricks.data.pixels.store import open_pixels
from fastricks.data.sources.open import open_source
from fastricks.training.learner import fit
from fastricks.training.notebook import learner_of

SIZES = (30, 40), (40, 30), (24, 24), (12, 60)


@pytest.fixture
def tree(tmp_path):
    "Two classes of 11 pictures of several shapes and kinds"
    for k in ("cat", "dog"):
        (tmp_path/"pets"/k).mkdir(parents=True)
        for i in range(11):
            kind = "png" if i % 5 == 0 else "jpeg"
            photo = scene(*SIZES[i % 4], seed=i + 20 * (k == "dog"))
            (tmp_path/f"pets/{k}/{i}.{kind}").write_bytes(encoded(photo, kind))
    return tmp_path/"pets"


@pytest.fixture
def decoded(monkeypatch):
    "Every call of a decoder, PIL's or libjpeg-turbo's"
    seen, old = [], pixels.rgb
    monkeypatch.setattr(pixels, "rgb", lambda x, *how: seen.append(x) or old(x, *how))
    monkeypatch.setattr(photo, "rgb_of", lambda *a: pytest.fail("the plain path"))
    return seen


@pytest.fixture(autouse=True)
def own_place(monkeypatch, tmp_path): monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path/"cache"))


def recipe(tree, **more):
    return recipe_of(data=str(tree), size=24, resize=27, batch_size=4, per_class=None, pretrained=False, **more)


def loaders(tree, **more):
    r = recipe(tree, **more)
    return make_dls(open_data(r, say=lambda _: None), r, (.5,) * 3, (.5,) * 3)


def epochs(dl, n=2):
    out = []
    for dl.epoch in range(n): out += [(x.clone(), y.clone()) for x, y in dl]
    return out


def same(a, b):
    return len(a) == len(b) and all(torch.equal(x, u) and torch.equal(y, v)
                                    for (x, y), (u, v) in zip(a, b, strict=True))


def test_no_photo_is_decoded_twice_not_even_by_the_next_run(tree, decoded):
    for run in range(2):
        dls = loaders(tree)
        for dl in (dls.train, dls.valid): epochs(dl)
        assert len(decoded) == 22, f"run {run}"


def test_batches_are_the_same_bits_whatever_makes_them(tree, monkeypatch):
    first = epochs(loaders(tree).train)
    assert same(first, epochs(loaders(tree).train))  # from the cache
    monkeypatch.setattr(fast.FastDL, "threads", 3)
    assert same(first, epochs(loaders(tree).train))
    monkeypatch.setattr(fast.FastDL, "threads", 0)
    assert same(first, epochs(loaders(tree).train))
    monkeypatch.setenv("FASTRICKS_CACHE_GB", "0")
    dls = loaders(tree)
    assert not dls.train.pixels.kept and same(first, epochs(dls.train))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_worker_processes_make_the_same_batches(tree):
    assert same(epochs(loaders(tree).train), epochs(loaders(tree, workers=2).train))


def test_the_reference_pipeline_shows_the_same_evaluation_images(tree):
    for (x, y), (u, v) in zip(epochs(loaders(tree).valid, 1), epochs(loaders(tree, pipeline="reference").valid, 1),
                              strict=True):
        assert (x - u).abs().max() <= 1.01 / 127.5 and torch.equal(y, v)


def test_the_order_is_the_reference_pipelines(tree):
    a, b = loaders(tree).train, loaders(tree, pipeline="reference").train
    for (_, y), (_, v) in zip(epochs(a), epochs(b), strict=True): assert torch.equal(y, v)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in epochs(b))


def test_a_photo_keeps_its_view_when_others_go(tree):
    def views(dls):
        return {o.name: x for dl in [dls.train]
                for x, o in zip(dl.batch_of(range(len(dl.images)), dl.view)[0], dl.images, strict=True)}
    before = views(loaders(tree))
    (tree/"cat/1.jpeg").unlink()
    after = views(loaders(tree))
    both = before.keys() & after.keys()
    assert len(both) > 10 and all(torch.equal(before[k], after[k]) for k in both)


def test_ones_own_transforms_take_the_plain_path_and_it_says_so(tree, capsys, monkeypatch):
    monkeypatch.setattr(fast.FastDL, "said", None)
    dls = loaders(tree)
    own = dls.train.new(after_item=[Resize(24), *dls.train.after_item.fs[-1:]])
    batches = epochs(own, 1)
    said = capsys.readouterr().out
    assert "slower item-by-item loading, as there are item transforms other than the recipe's" in said
    plain = dls.train.new(cls=KeyedDL, after_item=[Resize(24), *dls.train.after_item.fs[-1:]])
    assert same(batches, epochs(plain, 1)) and batches[0][0].shape == (4, 3, 24, 24)


@pytest.mark.filterwarnings("ignore:.*FigureCanvasAgg is non-interactive.*")
# fastai's tensors
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_it_stays_fastais(tree):
    import matplotlib.pyplot as plt
    learn, parts = learner_of(recipe(tree, epochs=1, flip=False), say=lambda _: None)
    fit(learn, parts)
    learn.dls.train.show_batch(max_n=4)
    learn.show_results()
    file = next((tree/"cat").iterdir())
    name, _, p = learn.predict(file)
    assert name in ("cat", "dog") and abs(float(p.sum()) - 1) < 1e-5
    same_file = str(file), file.read_bytes(), np.asarray(PILImage.create(file))
    assert all(torch.allclose(p, learn.predict(o)[2], atol=1e-5) for o in same_file)
    a, y = learn.tta(n=3)
    b, _ = learn.get_preds()
    assert a.shape == b.shape and not torch.allclose(a, b, atol=1e-6)
    from fastai.interpret import ClassificationInterpretation
    interp = ClassificationInterpretation.from_learner(learn)
    interp.plot_top_losses(2)
    assert interp.confusion_matrix().sum() == len(y)
    plt.close("all")


def test_views_of_test_photos_need_no_cache(tree):
    dls = loaders(tree)
    files = sorted(map(str, (tree/"dog").iterdir()))[:3]
    x, = dls.test_dl(files).one_batch()
    assert x.shape == (3, 3, 24, 24)


def test_arrays_are_kept_in_memory():
    source = open_source("digits")
    p, bad = open_pixels(source.items, 32, 1, print)
    assert p.kept and not bad and p[source.items[3]].shape == (8, 8, 3) and not cache_dir().exists()


def test_a_resident_loader_makes_nearly_the_same_batches(tree, monkeypatch):
    a, b = loaders(tree).train, loaders(tree).train
    monkeypatch.setattr(fast, "fits", lambda xs, device: True)
    b.take_up()
    assert b.resident is not None
    for (x, y), (u, v) in zip(epochs(a), epochs(b), strict=True):
        assert (x - u).abs().max() <= 1.01 / 127.5 and torch.equal(y, v)

"""`predict --unknown`: sets that hold what they state on images that the model has not seen, and classes that it never
saw.
"""
import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from support.commands import fails
from support.run_files import read
from support.small import recipe_of

from fastricks import UserError, load
from fastricks.cli.app import run as cli
from fastricks.core.conformal import COVERAGES, images_needed, least_probabilities
from fastricks.core.words import silent
from fastricks.data.sources.digits import digit_items
from fastricks.training.evaluate import calibrate
from fastricks.training.training import train

pytestmark = pytest.mark.usefixtures("undrawn")
SEEN = "01234567"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    "A folder of digits as PNGs, a folder a class: 0 to 7 to train on and to test, 8 and 9 beside"
    root = tmp_path_factory.mktemp("digits")
    for n, o in enumerate(digit_items().items):
        folder = root / (f"known/{'test' if n % 3 == 0 else 'train'}" if o.label in SEEN else "new") / o.label
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(o.image).save(folder / f"{n:04}.png")
    return root


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory, undrawn):
    how = dict(valid=.3, per_class=None, pretrained=False, epochs=8, lr=6e-3, batch_size=64)
    recipe = recipe_of(data=str(digits / "known"), out=str(tmp_path_factory.mktemp("runs")), **how)
    return train(recipe, silent).folder


@pytest.fixture(scope="module")
def answers(folder):
    "(logits float64, class numbers) of the run's validation and test images together: none was trained on"
    from fastricks.data.sources.open import open_recipe
    p = load(folder)
    source = open_recipe(p.recipe)
    items = [*source.of("valid"), *source.of("test")]
    return torch.cat([z for _, z in p.stream(items)]), torch.tensor([p.classes.index(o.label) for o in items])


@pytest.mark.parametrize("percent", [80, 90, 95])
def test_sets_hold_what_they_state(answers, percent):
    "Calibrated on a random half and tried on the other, many times: the mean coverage, by a formula of our own"
    z, y = answers
    rng, covered = np.random.default_rng(0), []
    for _ in range(60):
        order = torch.from_numpy(rng.permutation(len(y)))
        a, b = order.tensor_split(2)
        kept = calibrate(z[a], y[a])
        p = (z[b].double() / kept["temperature"]).softmax(1)
        sets = p >= kept["conformal"]["least_p"][percent - COVERAGES[0]]
        covered.append(sets[range(len(b)), y[b]].double().mean().item())
    assert abs(100 * np.mean(covered) - percent) < 2, np.mean(covered)


def test_the_runs_own_test_images(folder):
    "One model and one test split: both have their chance, which the bound counts"
    p = load(folder)
    from fastricks.data.sources.open import open_recipe
    items = open_recipe(p.recipe).of("test")
    probs, n = p.probs(items), read(folder, "metrics.json")["valid"]["n"]
    own = probs[range(len(items)), [p.classes.index(o.label) for o in items]]
    spread = (.9 * .1 * (1 / len(items) + 1 / n)) ** .5
    assert abs((own.double() >= p.least_probability(.9)).double().mean() - .9) < 3 * spread


def test_classes_that_were_left_out_are_unknown_more_often(folder, digits):
    p = load(folder)
    share = {o: np.mean(p.unknown(sorted((digits / o).rglob("*.png")))) for o in ("new", "known/test")}
    assert share["new"] > .4 and share["known/test"] < .16, share


@pytest.mark.parametrize("percent", [80, 90, 95])
def test_known_photos_are_called_known_as_often_as_stated(answers, percent):
    "Calibrated on a random half and tried on the other, many times; also of a network that is seldom right"
    z, y = answers
    for sharp in (1., .05):
        rng, known = np.random.default_rng(0), []
        for _ in range(60):
            a, b = torch.from_numpy(rng.permutation(len(y))).tensor_split(2)
            noisy = sharp * z + (1 - sharp) * torch.from_numpy(np.random.default_rng(1).normal(size=z.shape)).float()
            least = calibrate(noisy[a], y[a])["least_energy"][percent - COVERAGES[0]]
            known.append((noisy[b].double().logsumexp(1) >= least).double().mean().item())
        assert abs(100 * np.mean(known) - percent) < 2, np.mean(known)


def test_a_model_from_before_energies_were_kept(folder, digits):
    "goes by empty sets, as it did"
    p, photos = load(folder), sorted((digits / "new/8").iterdir())[:30]
    del p.meta["least_energy"]
    assert p.unknown(photos) == [o.p < p.least_probability(.9) for o in p.predict(photos, k=1)]


def test_the_least_probabilities():
    "The ⌈(n+1) c⌉-th of the scores; where n is too small every class is in the set"
    p = np.linspace(0, 1, 99)
    kept = least_probabilities(np.random.default_rng(0).permutation(p))
    for c, least in zip(COVERAGES, kept, strict=True): assert (p >= least).sum() == c
    ninety = COVERAGES.index(90)
    assert least_probabilities(p[:9])[ninety] == p[0] and least_probabilities(p[:8])[ninety] == 0
    assert [images_needed(c) for c in (50, 90, 95, 99)] == [1, 9, 19, 99]


# -- on the command line

@pytest.fixture
def predict(folder, capsys):
    def go(*words):
        code = cli(["predict", str(folder), *map(str, words)])
        return SimpleNamespace(code=code, **dict(zip(("out", "err"), capsys.readouterr(), strict=True)))
    return go


def test_three_forms_say_it(folder, digits, predict):
    p, photos = load(folder), sorted((digits / "new/8").iterdir())[:30]
    least = p.least_probability(.9)
    want = [{c for c, q in zip(o.labels, o.probabilities, strict=True) if q >= least} for o in p.predict(photos, k=8)]
    lines, text, table = (predict(*photos, "--unknown", ".9", "--to", o, "-k", 2) for o in ("jsonl", "csv", "table"))
    rows = [json.loads(o) for o in lines.out.splitlines()]
    new = p.unknown(photos)
    assert [set(o["set"]) for o in rows] == want and [o["unknown"] for o in rows] == new and any(new)
    assert all(len(o["predictions"]) == 2 for o in rows)
    cells = list(csv.DictReader(io.StringIO(text.out)))
    assert [(json.loads(o["unknown"]), set(json.loads(o["set"]))) for o in cells] == [*zip(new, want, strict=True)]
    assert ["  unknown  " in o for o in table.out.splitlines()[1:]] == new
    least = p.meta["least_energy"][COVERAGES.index(90)]
    said = f"{sum(new)} of 30 images unknown: their energy is below {least:.4g}, which that of 90% of photos"
    assert said in lines.err


def test_a_threshold(folder, digits, predict):
    photos = sorted((digits / "new/9").iterdir())[:20]
    for more, raw in ([], False), (["--raw"], True):
        want = [o.p < .8 for o in load(folder).predict(photos, k=1, raw=raw)]
        r = predict(*photos, "--unknown-below", ".8", "--to", "jsonl", *more)
        assert [json.loads(o)["unknown"] for o in r.out.splitlines()] == want
        assert "no class has a probability of 0.8" in r.err


@pytest.mark.parametrize("words, says", [
    (["--unknown", "90"], "is not a coverage of whole percents from .50 to .99"),
    (["--unknown", ".905"], "as in --unknown .9"),
    (["--unknown", ".3"], "--unknown 0.3"), (["--unknown", "nan"], "--unknown nan"),
    (["--unknown", ".9", "--raw"], "leave out --raw"),
    (["--unknown", ".9", "--unknown-below", ".5"], "give one of them"),
    (["--unknown-below", "0"], "is not a probability"),
    (["--unknown-below", "80"], "is not a probability")])
def test_usage_errors(folder, digits, capsys, words, says):
    assert says in fails(capsys, "predict", folder, digits / "new/8", *words)


def test_too_few_validation_images_and_none(photo_run, tmp_path, capsys):
    run, data = photo_run
    err = fails(capsys, "predict", run, data / "test", "--unknown", ".95")
    assert "--unknown .95 needs 19 validation images, and this model had 9" in err
    with pytest.raises(UserError, match="needs 99"): load(run).least_probability(.99)
    none = train(recipe_of(epochs=1, valid=0, out=str(tmp_path)), silent).folder
    assert "keeps nothing of validation images" in fails(capsys, "predict", none, data / "test", "--unknown", ".9")

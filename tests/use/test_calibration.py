"""The temperature that a run's validation images ask for: kept in its model, used where probabilities are shown,
nowhere else.
"""
import csv
import io
import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from support.run_files import read, rows_of
from support.small import recipe_of

from fastricks import load
from fastricks.cli.app import run as cli
from fastricks.core.words import silent
from fastricks.data.sources.digits import digit_items
from fastricks.model.weights import read_meta
from fastricks.training.evaluate import calibrate, tempered
from fastricks.training.training import train
from fastricks.use.evaluate import evaluate
from fastricks.use.export import export

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, undrawn):
    "A run on a few digits that is not always right on its validation images"
    return train(recipe_of(epochs=4, lr=3e-3, per_class=20, out=str(tmp_path_factory.mktemp("runs"))), silent).folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    "Digits as PNG files: their paths"
    out = tmp_path_factory.mktemp("digits")
    for n, o in enumerate(digit_items().items[:40]): Image.fromarray(o.image).save(out / f"{n:02}.png")
    return sorted(out.iterdir())


def logits_of(p, files): return torch.cat([z for _, z in p.stream(files)])


def best_temperature(z, y):
    "By trying many: the loss written out"
    loss = lambda T: float((torch.logsumexp(z / T, 1) - (z / T)[range(len(y)), y]).mean())
    return min(np.geomspace(.1, 10, 20_001), key=loss)


def guo(p, hit, bins=15):
    "Eq. 3 of Guo et al., bin by bin"
    edges = [(p > b / bins) & (p <= (b + 1) / bins) for b in range(bins)]
    return sum(o.sum() / len(p) * abs(hit[o].mean() - p[o].mean()) for o in edges if o.any())


def validation(p):
    "(logits float64, class numbers) of the run's own validation images, by the Predictor"
    from fastricks.data.sources.open import open_recipe
    items = open_recipe(p.recipe).of("valid")
    return torch.cat([z for _, z in p.stream(items)]).double(), [p.classes.index(o.label) for o in items]


def test_it_is_fitted_on_the_validation_images_and_kept(folder):
    p, numbers = load(folder), read(folder, "metrics.json")
    z, y = validation(p)
    assert 0 < (z.argmax(1).tolist() == np.array(y)).mean() < 1, "else there is no temperature to fit"
    T = read_meta(folder / "model.safetensors")["temperature"]
    assert T == p.temperature == numbers["temperature"] == numbers["valid"]["temperature"]
    assert pytest.approx(best_temperature(z, y), rel=2e-3) == T
    q = (z / T).softmax(1).max(1)
    assert numbers["valid"]["ece_t"] == pytest.approx(guo(q.values.numpy(), q.indices.numpy() == y), abs=1e-6)
    assert numbers["split"] == "test" and numbers["ece_t"] != numbers["valid"]["ece_t"]
    assert numbers["loss_t"] != numbers["loss"]


def test_probabilities_are_at_it_and_raw_ones_at_1(folder, photos):
    p = load(folder)
    z = logits_of(p, photos).double()
    assert torch.allclose(p.probs(photos).double(), (z / p.temperature).softmax(1), atol=1e-6)
    assert torch.allclose(p.probs(photos, raw=True).double(), z.softmax(1), atol=1e-6)
    one, raw = p.predict(photos[0])[0], p.predict(photos[0], raw=True)[0]
    assert one.labels == raw.labels
    assert one.p == pytest.approx(float((z / p.temperature).softmax(1)[0].max())) and one.p != raw.p


def test_predictions_stay_those_of_temperature_1(folder):
    "What the run's files have, its Predictor has again with raw"
    from fastricks.data.sources.open import open_recipe
    p, rows = load(folder), rows_of(folder)
    items = open_recipe(p.recipe).of("test")
    got = p.predict(items, k=1, raw=True)
    assert max(abs(o.p - float(r["p"])) for o, r in zip(got, rows, strict=True)) < 1e-4
    assert read(folder, "metrics.json")["loss"] == pytest.approx(np.mean([float(r["loss"]) for r in rows]), abs=1e-4)


def test_on_the_command_line(folder, photos, capsys):
    p, words = load(folder), ["predict", str(folder), str(photos[0]), "--to", "csv", "-k", "1"]
    found = {}
    for more in ([], ["--raw"]):
        assert cli([*words, *more]) == 0
        out, err = capsys.readouterr()
        found[bool(more)] = float(next(csv.DictReader(io.StringIO(out)))["p"]), err
    assert found[False] == (pytest.approx(p.predict(photos[0])[0].p, abs=1e-5),
                            f"probabilities at temperature {p.temperature:.3g}, which fits the validation images\n")
    assert found[True] == (pytest.approx(p.predict(photos[0], raw=True)[0].p, abs=1e-5),
                           "probabilities at temperature 1, as predictions.csv has them\n")


def with_facts(folder, to, change):
    "The folder's weights in a file whose facts are changed"
    facts = read_meta(folder / "model.safetensors")
    change(facts)
    save_file(load_file(folder / "model.safetensors"), to, {"fastricks": json.dumps(facts)})
    return load(to)


@pytest.mark.parametrize("wrong", ["gone", 0., -1., "1", True, None, [1.], 1e999, float("nan"), 1e6])
def test_old_files_and_absurd_ones_have_1(folder, photos, tmp_path, wrong):
    p = with_facts(folder, tmp_path / "m.safetensors",
                   lambda d: d.pop("temperature") if wrong == "gone" else d.update(temperature=wrong))
    assert p.temperature == 1 and torch.equal(p.probs(photos), p.probs(photos, raw=True))
    assert p.calibrated() == "probabilities at temperature 1: no validation images have calibrated this model"


def test_without_a_validation_split(tmp_path, capsys):
    folder = train(recipe_of(epochs=1, valid=0, out=str(tmp_path)), silent).folder
    assert "temperature" not in read_meta(folder / "model.safetensors") and "ece_t" not in read(folder, "metrics.json")
    assert load(folder).temperature == 1 and "no validation images" in load(folder).calibrated()


def test_where_all_validation_images_are_right():
    "The colder the better then, to certainty: no temperature is fitted by few easy images"
    z, y = torch.eye(3) * 4, torch.arange(3)
    assert calibrate(z, y)["temperature"] == 1
    assert tempered(z, y, 1.)["loss_t"] == pytest.approx(np.log(1 + 2 * np.exp(-4)))
    assert calibrate(z, y.roll(1))["temperature"] == pytest.approx(20, rel=.01), "all wrong: as hot as is tried"


def test_evaluate_has_both(folder):
    e = evaluate(folder, say=silent)
    for k in ("temperature", "loss_t", "ece_t"): assert e.record()[k] == read(folder, "metrics.json")[k], k
    assert not e.notes and e.record()["ece"]["value"] != e.record()["ece_t"]
    assert "ece_t" not in evaluate(folder, tta=True, say=silent).record(), "it is none of the mean's"


def test_compare_reads_it(folder):
    from fastricks.report.runs import METRICS, read_run
    assert read_run(folder).value(METRICS["ece_t"],
                                  "test") == pytest.approx(100 * read(folder, "metrics.json")["ece_t"])


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("onnxruntime"), reason="onnxruntime is not installed: pip install -e '.[export]'")
def test_onnx_has_bare_logits_and_probabilities_at_it(folder, tmp_path):
    import onnxruntime as ort
    p, written = load(folder), export(folder, "onnx", tmp_path / "m.onnx")
    s = ort.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    x = torch.cat([p.pixels(o) for o in digit_items().items[:7]])
    z, q = s.run(None, {"images": x.numpy()})
    assert np.allclose(z, p.logits(x), atol=1e-4)
    assert np.allclose(q, (p.logits(x) / p.temperature).softmax(1), atol=1e-5)
    assert json.loads(s.get_modelmeta().custom_metadata_map["preprocessing"])["temperature"] == p.temperature
    assert f"and       {p.calibrated()}" in written.lines

"""`fastricks soup`: what goes into one, what comes out, and that it is a run like any other but for training."""
import json
from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.fake_runs import fake_run
from support.quick import drawing_nothing
from support.run_files import read
from support.small import recipe_of
from torch.optim.swa_utils import update_bn

import fastricks as ft
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.families import Family, families_beside, record_family
from fastricks.report.compare.rows import comparison_rows, key_of_row
from fastricks.report.find import load_runs
from fastricks.report.pages.run import reservations
from fastricks.report.runs import read_run
from fastricks.use.averaging import remake_averages
from fastricks.use.soup import soups
from fastricks.use.train import train

GIVEN = dict(per_class=20, epochs=2, lr=3e-3, valid=.3, pretrained=False)
ROWS = {"baseline": ([], {}), "mixup": (["mixup"], {}), "spoilt": (["mixup:alpha=2"], {"lr": .5})}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, teacher):
    "Three rows of two seeds that start from one file of weights"
    out = tmp_path_factory.mktemp("soup")
    for name, (tricks, more) in ROWS.items():
        for seed in (0, 1):
            recipe = recipe_of(*tricks, **{**GIVEN, "weights": str(teacher), **more}, seed=seed, out=str(out),
                               name=f"{name}-s{seed}")
            with drawing_nothing(): train(recipe, silent)
    rows = {key_of_row(row): row.label for row in comparison_rows(load_runs([out]), silent)}
    base, *others = rows
    record_family(out, Family(base, {k: rows[k] for k in others}, margin=2.))
    return out


@pytest.fixture(scope="module")
def made(runs): return soups([str(runs)], say=silent)


def weights_of(folder): return load_file(folder / "model.safetensors")


def number_of(learn, folders):
    "Validation images that the average of some runs gets right, with BatchNorm's averages by torch's own function"
    states = [weights_of(f) for f in folders]
    learn.model.load_state_dict({k: torch.stack([s[k].double() for s in states]).mean(0).to(v.dtype)
                                 for k, v in states[0].items()})
    learn.dls.train.epoch = 0
    if len(folders) > 1: update_bn((x for x, _ in learn.dls.train), learn.model)
    n = len(learn.dls.valid_ds)
    return round(learn.validate()[1] * n), {k: v.clone() for k, v in learn.model.state_dict().items()}


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_chosen_greedily_by_the_validation_split(seed, runs, made):
    "The paper's recipe 1 written out: in the order of their accuracy, each is kept where the average is no worse"
    names = sorted((f"{name}-s{seed}" for name in ROWS),
                   key=lambda n: -read(runs / n, "metrics.json")["valid"]["correct"])
    learn = ft.load(runs / names[0]).learner(say=silent)
    best, state = number_of(learn, [runs / names[0]])
    kept = [names[0]]
    for name in names[1:]:
        n, mean = number_of(learn, [runs / k for k in (*kept, name)])
        if n >= best: kept, best, state = [*kept, name], n, mean
    soup = made[seed]
    assert [t.run.name for t in soup.tried if t.kept] == kept
    assert not any(t.kept for t in soup.tried if t.run.name.startswith("spoilt"))
    assert soup.metrics["valid"]["correct"] == best
    got = weights_of(soup.folder)
    assert all(torch.allclose(got[k].float(), state[k].float(), atol=1e-5) for k in got
               if not k.endswith("num_batches_tracked"))


def test_its_folder_is_a_runs(runs, made):
    folder = made[0].folder
    recipe, metrics = read(folder, "recipe.json"), read(folder, "metrics.json")
    of = [read(runs / f"{name}-s0", "metrics.json") for name in ROWS]
    assert folder.parent == runs and folder.name.startswith("digits-test_resnet-") and folder.name.endswith("-soup-s0")
    assert read(folder, "status.json")["status"] == "finished"
    assert metrics["train_seconds"] == pytest.approx(sum(m["train_seconds"] for m in of), abs=.02)
    recorded = recipe["facts"]["soup"]["ingredients"]
    assert [(o["run"], o["kept"]) for o in recorded] == [(t.run.name, t.kept) for t in made[0].tried]
    e = ft.evaluate(folder, quiet=True)
    assert e.own and e.numbers == {k: metrics[k] for k in e.numbers}
    one = ft.load(folder)
    assert "of 3 runs, seed 0" in one.facts()["made of"] and len(one.history) == 0 and one._repr_html_()
    assert one.learner(say=silent).validate()[1] == pytest.approx(metrics["valid"]["top1"])
    assert "What it is made of" in (folder / "index.html").read_text()


def test_compare_has_it_as_a_paired_row(runs, made):
    c = compare([runs])
    row = next(r for r in c.rows if r.label == "soup")
    assert row.seeds == [0, 1] and row.diff.paired and c.baseline.label == "baseline"
    assert row.seconds == pytest.approx(sum(r.seconds for r in c.rows if r is not row), rel=.01)


def test_it_joins_the_family_of_its_ingredients(runs, made):
    newest = families_beside([made[0].folder])[0]
    assert sorted(newest.rows.values()) == ["mixup", "mixup:alpha=2, lr 0.5", "soup"] and newest.margin == 2
    assert compare([runs]).margin == 2


def test_what_was_made_is_found(runs, made):
    lines = []
    assert [s.folder for s in soups([str(runs)], say=lines.append)] == [s.folder for s in made]
    assert "is there already" in lines[0]


def test_across_seeds_is_one_model_without_a_verdict(runs, made, tmp_path, capsys):
    assert run(["soup", *(str(runs / f"{n}-s{s}") for n in ("baseline", "mixup") for s in (0, 1)),
                "--across-seeds"]) == 0
    folder, = runs.glob("digits-test_resnet-*-soup")
    assert len(read(folder, "recipe.json")["facts"]["soup"]["ingredients"]) == 4
    c = compare([runs])
    assert [r.label for r in c.rows].count("soup") == 1
    assert any(f"{folder.name}:" in n and "no verdict" in n for n in c.notes)
    with pytest.raises(UserError, match="there are no runs to compare"): compare([folder])


@pytest.mark.parametrize("words, says", [
    (["resume", "{}"], "is a soup, an average of finished runs and no training"),
    (["resume", "{}", "--epochs", "9"], "is a soup, an average of finished runs and no training"),
    (["train", "--recipe", "{}"], "it has no recipe that can be trained"),
    (["soup", "{}"], "these runs are soups already")])
def test_it_is_no_training(words, says, made, capsys):
    assert run([w.format(made[0].folder) for w in words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_verbs_that_work_on_runs(runs, made, capsys, tmp_path):
    folder = str(made[1].folder)
    for words in (["page", folder], ["runs", str(runs)], ["compare", str(runs), "--to", str(tmp_path / "r.json")]):
        assert run(words) == 0
    out = capsys.readouterr().out
    assert "of 3 runs, seed 1" in out
    assert "soup" in {r.label for r in compare([tmp_path / "r.json"]).rows}


# -- what is refused

def two(out, a=None, b=None, meta=None, seeds=(0, 0), **given):
    "Two runs with files of weights, which have other facts (`meta`) or fields where that is said"
    given = dict(valid=[True] * 10, weights=None, pretrained=True) | given
    for name, seed, more in (("a", seeds[0], a or {}), ("b", seeds[1], b or {})):
        folder = fake_run(out, name=name, seed=seed, **{**given, **more})
        facts = {"arch": "test_resnet", "classes": ["x", "y"], **(meta or {} if name == "b" else {})}
        save_file({"w": torch.zeros(2)}, folder / "model.safetensors", {"fastricks": json.dumps(facts)})
    return [str(out)]


@pytest.mark.parametrize("given, words", [
    (dict(b={"tricks": "mixup"}, meta={"arch": "resnet18"}), "another arch (test_resnet and resnet18)"),
    (dict(b={"tricks": "mixup"}, meta={"classes": ["x", "z"]}), "they know other classes"),
    (dict(b={"tricks": "mixup", "fingerprint": "f" * 12}), "other data or another split"),
    (dict(b={"tricks": "mixup", "pretrained": False}), "they started from other weights (pre-trained True and False)"),
    (dict(a={"pretrained": False}, b={"pretrained": False, "tricks": "zero_gamma", "arch": "resnet10t"}),
     "tricks none and zero_gamma"),
    (dict(b={"tricks": "mixup"}, valid=None), "has no numbers of a validation split"),
    (dict(b={}, seeds=(0, 1)), "a soup is made of two rows or more"),
    (dict(b={"tricks": "mixup"}, seeds=(0, 1)), "no seed has a finished run of each of the 2 rows")])
def test_what_cannot_be_averaged_is_refused(given, words, tmp_path):
    with pytest.raises(UserError) as e: soups(two(tmp_path, **given), say=silent)
    assert words in str(e.value)


def test_from_scratch_there_is_no_average_of_seeds(tmp_path):
    with pytest.raises(UserError, match="from scratch each seed starts from other weights"):
        soups(two(tmp_path, b={"tricks": "mixup"}, seeds=(0, 1), pretrained=False), across_seeds=True, say=silent)


def test_data_that_has_changed_is_refused(tmp_path):
    with pytest.raises(UserError, match="the data of a is not at digits any more, or has changed"):
        soups(two(tmp_path, b={"tricks": "mixup"}), say=silent)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}


def test_runs_without_weights_are_refused(tmp_path):
    folders = two(tmp_path, b={"tricks": "mixup"})
    (tmp_path / "b/model.safetensors").unlink()
    with pytest.raises(UserError, match=r"b has no model\.safetensors"): soups(folders, say=silent)


def test_a_seed_without_all_rows_is_told(tmp_path):
    lines = []
    fake_run(tmp_path, name="c", seed=1, valid=[True] * 10, weights=None, pretrained=True)
    folders = two(tmp_path, b={"tricks": "mixup"})
    save_file({"w": torch.zeros(2)}, tmp_path / "c/model.safetensors",
              {"fastricks": json.dumps({"arch": "test_resnet", "classes": ["x", "y"]})})
    with pytest.raises(UserError, match="the data of"): soups(folders, say=lines.append)
    assert "seed 1: no soup, as it has no finished run of mixup" in lines


def test_batchnorm_alone_is_in_training_mode():
    "Dropout would draw, and its averages are the mean over batches"
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Dropout(.5), torch.nn.BatchNorm1d(3))
    batches = [(torch.randn(8, 3) + i,) for i in range(3)]

    class Loader(list): epoch = 9
    want = deepcopy(model)
    want[1].p = 0.
    remake_averages(model, dl := Loader(batches))
    update_bn((x for x, in batches), want)
    assert dl.epoch == 0 and all(torch.allclose(a, b)
                                 for a, b in zip(model.state_dict().values(), want.state_dict().values(), strict=True))
    assert model[0].momentum == .1 and not model.training


def test_without_a_test_set_it_was_chosen_on_the_images_of_its_numbers(tmp_path):
    soup = {"rows": [], "varies": [], "ingredients": []}
    said = {name: [*reservations(read_run(fake_run(tmp_path, name=name, split="valid", facts=facts)))]
            for name, facts in (("soup", {"soup": soup}), ("training", {}))}
    assert said == {"soup": ["There is no test set: these are the validation images, on which the weights were "
                             "chosen."],
                    "training": ["There is no test set: these are the validation images."]}

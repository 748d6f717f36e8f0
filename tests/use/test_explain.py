"""What `--explain` says of a network is remembered: the same words and errors, and nothing that is not so any more."""
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from support.commands import TINY_WORDS, fails
from support.data_trees import photo
from support.paths import ROOT
from support.small import recipe_of
from timm.models import _registry

from fastricks.cli.app import run
from fastricks.core.cache import cache_dir
from fastricks.core.errors import UserError
from fastricks.model import known
from fastricks.model.known import is_timms
from fastricks.recipe.recipe import resolve
from fastricks.recipe.registry import registry
from fastricks.training import learner, outline
from fastricks.training.outline import outline_of
from fastricks.training.prepare import plan_of
from fastricks.training.settle import settle
from fastricks.trick.base import Plan
from fastricks.tricks.no_bias_decay import NoBiasDecay

ALL = ("warmup+mixup+cutmix+label_smoothing+ema+sam+no_bias_decay+layer_decay+head_first+freeze:stages=1+"
       "progressive_resize+amp")
SAID = [["-t", "none"], ["-t", "cosine+class_weights+zero_gamma", "--per-class", "500"],
        ["--wd", ".05", "--epochs", "20", "-t", ALL, "--size", "32", "--resize", "32"]]
LIGHT = """
import json, sys
from fastricks.cli.app import run
said = [run(words) for words in json.loads(sys.argv[1])]
heavy = {'torch', 'fastai', 'timm', 'torchvision', 'pandas', 'scipy', 'wandb'} & set(sys.modules)
sys.exit(f'{said}, imported {heavy}' if heavy or any(said) else 0)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    "A cache of this test's own"
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def built(monkeypatch):
    "Networks that are made for their groups"
    made, make = [], learner.make_model
    def counted(recipe, *args, **how):
        made.append(recipe.arch)
        return make(recipe, *args, **how)
    monkeypatch.setattr(learner, "make_model", counted)
    return made


def words_of(tmp_path, *more): return [str(w) for w in ("train", *TINY_WORDS, "--out", tmp_path, *more, "--explain")]


def explained(capsys, words):
    assert run(words) == 0
    return capsys.readouterr().out


def outlined(*selection, **given):
    job = settle(recipe_of(*selection, **given))
    return outline_of(job.recipe, plan_of(job))


def test_the_cache_has_the_same_words_and_a_new_process_needs_no_torch_for_them(tmp_path, capsys):
    photos = tmp_path / "photos"
    for i in range(24): photo(photos / ("ramen", "steak")[i % 2] / f"{i}.jpg", i)
    lines = [words_of(tmp_path, *more) for more in SAID]
    lines.append(words_of(tmp_path, "--data", photos, "--device", "auto", "--no-pretrained"))
    new = [explained(capsys, words) for words in lines]
    assert "conv and linear weights" in new[2] and "layer 1" in new[2]
    again = [explained(capsys, words) for words in lines]
    r = subprocess.run([sys.executable, "-c", LIGHT, json.dumps(lines)], capture_output=True, text=True, cwd=ROOT)
    assert r.returncode == 0, r.stderr
    assert again == new and r.stdout == "".join(new)


WRONG = [  # words, what is said
    (["--arch", "resnet8"], "timm has no model 'resnet8'; did you mean"),
    (["--arch", "resnet18.tv_in2k"], "has no weights tagged 'tv_in2k'"),
    (["--arch", "test_vit", "--size", "8", "--resize", "8"], "give --size 32"),
    (["--arch-option", "drop_pth_rate=.1"], "has no option 'drop_pth_rate'"),
    (["-t", "zero_gamma", "--arch", "test_vit", "--size", "160", "--resize", "160"], "no residual branch"),
    (["-t", "freeze:stages=50"], "freeze:stages=50 would freeze the head"),
    (["-t", "label_smoothing:eps=.99"], "leaves the true of 10 classes less"),
    (["-t", "class_weights"], "class_weights changes nothing"),
    (["-t", "logit_adjustment"], "logit_adjustment changes nothing"),
    (["-t", "sam:every=1000"], "sam:every=1000 changes nothing"),
    (["-t", "sam:every=1000+label_smoothing:eps=.99"], "sam:every=1000 changes nothing"),  # on_step comes before loss
    (["-t", "ema:half_life=1e-9"], "of a step of this run"),
    (["-t", "warmup:epochs=1e-9"], "warmup over 0 steps"),
    (["--weights", "nothing.safetensors"], "there is no such file"),
]


@pytest.mark.parametrize("given, words", WRONG, ids=[" ".join(given) for given, _ in WRONG])
def test_errors_are_the_same_whatever_is_remembered(given, words, tmp_path, capsys, cache):
    line = words_of(tmp_path, *given)
    new = fails(capsys, *line)
    assert words in new
    run(words_of(tmp_path))
    if "--arch" not in given: assert len(list((cache / "networks").iterdir())) >= 3
    capsys.readouterr()
    assert fails(capsys, *line) == new


def test_only_what_decides_about_the_network_makes_it_be_built_again(built, monkeypatch):
    first = outlined().groups
    assert built == ["test_resnet"] and outlined().groups == first and len(built) == 1
    outlined("cosine+mixup+ema", epochs=9, lr=.1, batch_size=8, seed=3, per_class=9)
    assert len(built) == 1
    others = [dict(size=32, resize=32), dict(arch="test_vit", size=160, resize=160), dict(classes="0,1,2"),
              dict(arch_option={"stem_type": "deep"}), dict(wd=.1), dict(channels=1)]
    for i, other in enumerate(others, 2):
        found = outlined(**other).groups
        assert len(built) == i and outlined(**other).groups == found and len(built) == i, other
    assert outlined("zero_gamma", pretrained=False).groups == first and len(built) == 8
    assert outlined("no_bias_decay", wd=.1).groups != outlined("no_bias_decay", wd=.2).groups and len(built) == 10
    monkeypatch.setattr(known, "code_stamps", lambda: ["timm of tomorrow"])
    assert outlined().groups == first and len(built) == 11


def test_another_version_or_another_file_is_another_stamp(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "version.py").write_text("__version__ = '1'")
    (tmp_path / "models/one.py").write_text("a")
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(known, "find_spec", lambda name: spec)
    stamps = [known.stamp("timm", ("models",))]
    (tmp_path / "version.py").write_text("__version__ = '2'")
    stamps.append(known.stamp("timm", ("models",)))
    (tmp_path / "models/one.py").write_text("ab")
    stamps.append(known.stamp("timm", ("models",)))
    (tmp_path / "models/two.py").write_text("")
    stamps.append(known.stamp("timm", ("models",)))
    assert len({*stamps}) == 4 and stamps[-1] == known.stamp("timm", ("models",))


def test_a_cache_that_is_broken_or_can_be_neither_read_nor_written_is_none(tmp_path, capsys, cache, monkeypatch, built):
    words = words_of(tmp_path)
    new = explained(capsys, words)
    files = list((cache / "networks").iterdir())
    assert len(files) == 3
    for file in files: file.write_text("{")
    assert explained(capsys, words) == new and len(built) == 2
    assert explained(capsys, words) == new and len(built) == 2
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path / "file/cache"))
    assert explained(capsys, words) == new and len(built) == 3 and cache_dir() == tmp_path / "file/cache"


def test_a_network_that_somebody_put_into_timm_is_not_remembered(built, cache, monkeypatch):
    plain = _registry._model_entrypoints["test_resnet"]
    monkeypatch.setitem(_registry._model_entrypoints, "test_resnet", lambda *args, **how: plain(*args, **how))
    assert is_timms("test_vit") and not is_timms("test_resnet")
    for n in (1, 2): assert outlined().groups and len(built) == n
    assert not (cache / "networks").exists()


def test_a_trick_that_goes_by_more_than_is_remembered_is_asked_each_time(built, monkeypatch):
    def groups(self, groups, model, plan): return [replace(g, rate=plan.recipe.lr) for g in groups]
    monkeypatch.setattr(NoBiasDecay, "groups", groups)
    for lr in (.5, .25): assert outlined("no_bias_decay", wd=.1, lr=lr).groups[0].rate == lr


def test_a_trick_from_outside_is_asked_each_time(tmp_path, built):
    file = tmp_path / "of_rate.py"
    file.write_text("from dataclasses import dataclass, replace\nfrom fastricks.trick.base import Trick\n\n\n"
                    "@dataclass(frozen=True)\nclass OfRate(Trick):\n    'Groups by the rate'\n"
                    "    def groups(self, groups, model, plan): return [replace(g, name='mine') for g in groups]\n")
    for n in (1, 2): assert outlined(str(file)).groups[0].name == "mine" and len(built) == n


PLANS = [(10, 1, 40, 7, [4] * 10), (2, 1, 2, 1, [1, 1]), (3, 5, 400, 13, [200, 199, 1]), (3, 1, 4, 1, [4, 0, 0])]


@pytest.mark.parametrize("name", sorted(registry()))
@pytest.mark.parametrize("classes, epochs, n, batches, counts", PLANS)
def test_what_loss_and_callbacks_refuse_a_trick_says_before(name, classes, epochs, n, batches, counts):
    strict = {"sam": ":every=3", "ema": ":half_life=.3", "label_smoothing": ":eps=.6"}
    given = {"epochs": epochs, "pretrained": False, "wd": .1, "batch_size": 8, "size": 64}
    try:
        recipe = resolve(given, [f"{name}{strict.get(name, '')}"])
    except UserError:
        pytest.skip("no such recipe")
    plan = Plan(recipe, recipe.make_tricks(), classes, n, batches, "cpu", {}, tuple(counts))
    said = outline.refused_by_plan(plan)
    try:
        learner.make_callbacks(plan)
        learner.make_loss(plan)
    except UserError:
        assert said
    else:
        assert not said

"""Files of strangers: nothing in them is run, nothing is written where it should not be, and each is refused in one sentence."""
import json
import os
import pickle
import resource
import sys
import time

import pytest
import torch
from hostile import hostile_archives, hostile_weights
from safetensors.torch import save_file
from test_cli import TINY, fails

from fastricks.cli import run
from fastricks.model import build, load, read_meta

STATE = build("test_resnet", 10)[0].state_dict()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return folder, hostile_weights(folder, STATE, folder / "pwned")


def test_there_are_50(weights): assert len(weights[1]) >= 50 and len({n for n, _ in weights[1]}) == len(weights[1])


@pytest.mark.parametrize("how", ["--weights", "teacher"])
def test_hostile_weights_are_one_sentence(weights, how, tmp_path, capsys):
    folder, files = weights
    for name, words in files:
        given = ["--weights", folder / name] if how == "--weights" else ["-t", f"distill:teacher={folder / name}", "--no-pretrained"]
        start = time.monotonic()
        err = fails(capsys, "train", *TINY, *given, "--out", tmp_path)
        assert (name in err or "/dev/zero" in err) and len(err) < 700 and time.monotonic() - start < 60, err
        if how == "--weights": assert any(w in err for w in words.split("|")), err
    assert not (folder / "pwned").exists() and not list(tmp_path.iterdir())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # kilobytes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_taken(tmp_path, dtype):
    save_file({k: v.to(dtype) if v.is_floating_point() else v for k, v in STATE.items()}, tmp_path / "w.safetensors")
    model, _ = load("test_resnet", 10, tmp_path / "w.safetensors")
    assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize("meta", [
    "[1]", "3", "null", '"x"', "[" * 10**5, '{"mean": "abc"}', '{"mean": [1, 2]}', '{"mean": [NaN, 1, 1]}', '{"std": [0, 0, 0]}',
    '{"mean": [[1], [1], [1]]}',
    '{"arch": 3, "classes": 7}', '{"classes": [[]]}', '{"std": [1e999, 1, 1]}', '{"size": "big"}', '{"size": -1}'])
def test_absurd_facts_in_weights_are_ignored(tmp_path, meta):
    save_file(STATE, tmp_path / "w.safetensors", {"fastricks": meta})
    assert read_meta(tmp_path / "w.safetensors") == {}


@pytest.mark.parametrize("arch", ["hf-hub:someone/model", "local-dir:/tmp", "../../x", "os.system", ""])
def test_weights_cannot_make_timm_download(tmp_path, capsys, arch):
    save_file(STATE, tmp_path / "w.safetensors", {"fastricks": json.dumps({"arch": arch})})
    words = ["-t", f"distill:teacher={tmp_path}/w.safetensors", "--no-pretrained", "--out", tmp_path / "r"]
    assert "timm has no model" in fails(capsys, "train", *TINY, *words)


# -- archives

def test_hostile_archives(tmp_path, capsys):
    "Refused in a sentence, or laid out without what is hostile in them: two photos are all that any of them has"
    outside, before = tmp_path / "outside", set()
    outside.mkdir()
    names = hostile_archives(tmp_path / "in", outside)
    assert len(names) >= 30
    before = {*tmp_path.rglob("*")}
    laid = []
    for name in names:
        target, start = tmp_path / f"out-{name}", time.monotonic()
        code = run(["prepare", str(tmp_path / "in" / name), str(target)])
        err = capsys.readouterr().err
        assert code in (0, 2) and (code == 0 or (err.startswith("error: ") and err.count("\n") == 1 and len(err) < 700)), (name, code, err)
        assert time.monotonic() - start < 60
        laid += [name] if code == 0 else []
        files = {o for o in target.rglob("*") if not o.is_dir()}
        assert {f.relative_to(target).as_posix() for f in files} <= {"train/ramen/1.jpg", "test/ramen/2.jpg"}, (name, files)
        assert not any(o.is_symlink() or not o.is_file() or o.stat().st_nlink > 1 or o.stat().st_mode & 0o7111 for o in files), name
        assert sum(o.stat().st_size for o in files) < 2**21, name
        assert {*tmp_path.rglob("*")} - {*target.rglob("*"), target} <= before | {*before}, (name, "wrote elsewhere")
        before = {*tmp_path.rglob("*")}
    assert not list(outside.iterdir()) and 5 < len(laid) < len(names) - 10, laid
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20


# -- no pickle, no foreign code: what Python itself reports while weights, a teacher and a run are used

EVENTS = "pickle.find_class", "marshal.loads", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "exec", "compile", "import"
SEEN = []
OWN = "'git'", "'uname'"  # the state of the code and the machine, for environment.json


def audit(event, args):
    if SEEN and event in EVENTS: SEEN[-1].append((event, str(args)[:300]))


@pytest.fixture
def audited():
    "What happens meanwhile, by the events of EVENTS"
    if not getattr(sys, "_fastricks_audits", False): sys.addaudithook(audit); sys._fastricks_audits = True
    SEEN.append([])
    yield SEEN[-1]
    SEEN.clear()


def test_no_pickle_is_loaded_and_nothing_foreign_is_run(tmp_path, audited, capsys):
    "Training from weights with a teacher, evaluation, the same recipe again, and compare"
    save_file(STATE, tmp_path / "w.safetensors")
    out = tmp_path / "runs"
    words = ["train", *TINY, "--weights", tmp_path / "w.safetensors", "-t", f"distill:teacher={tmp_path}/w.safetensors", "--out", out]
    assert run([str(w) for w in words]) == 0
    first, = out.iterdir()
    assert run([str(w) for w in ["train", "--recipe", first, "--out", out, "--wandb", "disabled"]]) == 0
    assert run(["compare", str(out), "--to", str(tmp_path / "c.html")]) == 0
    bad = [o for o in audited if o[0] in ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn")]
    assert not bad, bad
    started = [args for event, args in audited if event == "subprocess.Popen"]
    assert started and all(args.startswith(tuple(f"({o}" for o in OWN)) for args in started), started
    assert not [args for event, args in audited if event in ("exec", "compile") and str(tmp_path) in args]
    pickle.loads(pickle.dumps(os.path.join))
    assert audited[-1][0] == "pickle.find_class", "the hook sees pickles"

"""Files of strangers: nothing in them is run, nothing is written where it should not be, and each is refused in one
sentence.
"""
import json
import os
import pickle
import resource
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
import torch
from fastai.learner import Learner
from safetensors.torch import save_file
from support.commands import TINY_WORDS, fails
from support.fake_runs import fake_run
from support.forked import TRAIN, Forked
from support.hostile import hostile_archives, hostile_weights
from support.marks import slow
from support.quick import drawing_nothing
from support.strangers import WRONG_FIELDS, recipe_with

import fastricks
from fastricks.cli.app import run
from fastricks.model.network import build_network, load_weights
from fastricks.model.weights import read_meta

STATE = build_network("test_resnet", 10)[0].state_dict()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return folder, hostile_weights(folder, STATE, folder / "pwned")


def test_there_are_50(weights): assert len(weights[1]) >= 50 and len({n for n, _ in weights[1]}) == len(weights[1])


@pytest.mark.parametrize("how", ["--weights", slow("teacher")])
def test_hostile_weights_are_one_sentence(weights, how, tmp_path, capsys):
    folder, files = weights
    for name, words in files:
        given = (["--weights", folder / name] if how == "--weights"
                 else ["-t", f"distill:teacher={folder / name}", "--no-pretrained"])
        start = time.monotonic()
        err = fails(capsys, "train", *TINY_WORDS, *given, "--out", tmp_path)
        assert (name in err or "/dev/zero" in err) and len(err) < 1000 and time.monotonic() - start < 60, err
        if how == "--weights": assert any(w in err for w in words.split("|")), err
    assert not (folder / "pwned").exists() and not list(tmp_path.iterdir())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # kilobytes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_taken(tmp_path, dtype):
    save_file({k: v.to(dtype) if v.is_floating_point() else v for k, v in STATE.items()}, tmp_path / "w.safetensors")
    model, _ = load_weights("test_resnet", 10, tmp_path / "w.safetensors")
    assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize("meta", [
    "[1]", "3", "null", '"x"', "[" * 10**5, '{"mean": "abc"}', '{"mean": [1, 2]}', '{"mean": [NaN, 1, 1]}',
    '{"std": [0, 0, 0]}',
    '{"mean": [[1], [1], [1]]}',
    '{"arch": 3, "classes": 7}', '{"classes": [[]]}', '{"std": [1e999, 1, 1]}', '{"size": "big"}', '{"size": -1}'])
def test_absurd_facts_in_weights_are_ignored(tmp_path, meta):
    save_file(STATE, tmp_path / "w.safetensors", {"fastricks": meta})
    assert read_meta(tmp_path / "w.safetensors") == {}


@pytest.mark.parametrize("arch", ["hf-hub:someone/model", "local-dir:/tmp", "../../x", "os.system", ""])
def test_weights_cannot_make_timm_download(tmp_path, capsys, arch):
    save_file(STATE, tmp_path / "w.safetensors", {"fastricks": json.dumps({"arch": arch})})
    words = ["-t", f"distill:teacher={tmp_path}/w.safetensors", "--no-pretrained", "--out", tmp_path / "r"]
    assert "timm has no model" in fails(capsys, "train", *TINY_WORDS, *words)


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
        assert code in (0, 2), (name, code, err)
        assert (code == 0 or (err.startswith("error: ") and err.count("\n") == 1 and len(err) < 700)), (name, code, err)
        assert time.monotonic() - start < 60
        laid += [name] if code == 0 else []
        files = {o for o in target.rglob("*") if not o.is_dir()}
        inside = {f.relative_to(target).as_posix() for f in files}
        assert inside <= {"train/ramen/1.jpg", "test/ramen/2.jpg"}, (name, files)
        assert not any(o.is_symlink() or not o.is_file() or o.stat().st_nlink > 1 or o.stat().st_mode & 0o7111
                       for o in files), name
        assert sum(o.stat().st_size for o in files) < 2**21, name
        assert {*tmp_path.rglob("*")} - {*target.rglob("*"), target} <= before | {*before}, (name, "wrote elsewhere")
        before = {*tmp_path.rglob("*")}
    assert not list(outside.iterdir()) and 5 < len(laid) < len(names) - 10, laid
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20


# -- no pickle, no foreign code: what Python itself reports while weights, a teacher and a run are used

EVENTS = ("pickle.find_class", "marshal.loads", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn",
          "exec", "compile", "import")
SEEN = []
OWN = "'git'", "'uname'"  # the state of the code and the machine, for environment.json


def audit(event, args):
    if SEEN and event in EVENTS: SEEN[-1].append((event, str(args)[:300]))


@pytest.fixture
def audited():
    "What happens meanwhile, by the events of EVENTS"
    if not getattr(sys, "_fastricks_audits", False):
        sys.addaudithook(audit)
        sys._fastricks_audits = True
    SEEN.append([])
    yield SEEN[-1]
    SEEN.clear()


def interrupted(learn, *a):
    "In the last epoch, as by Ctrl-C"
    if learn.epoch + 1 == learn.n_epoch: raise KeyboardInterrupt


def test_no_pickle_is_loaded_and_nothing_foreign_is_run(tmp_path, audited, capsys, monkeypatch):
    "Training from weights with a teacher and pictures, evaluation, resume, the same recipe again, and compare"
    save_file(STATE, tmp_path / "w.safetensors")
    out = tmp_path / "runs"
    words = ["train", *TINY_WORDS, "--weights", tmp_path / "w.safetensors", "-t",
             f"distill:teacher={tmp_path}/w.safetensors", "--out", out]
    assert run([str(w) for w in words]) == 0
    first, = out.glob("*/")
    with drawing_nothing():
        assert run([str(w) for w in ["train", "--recipe", first, "--out", out, "--wandb", "disabled"]]) == 0
        with monkeypatch.context() as m:
            m.setattr(Learner, "_do_epoch_validate", interrupted)
            words = ["--recipe", str(first), "--name", "cut", "--out", str(out), "--wandb", "disabled"]
            assert run(["train", *words]) == 130
        assert run(["resume", str(out / "cut")]) == 0
    assert run(["compare", str(out), "--to", str(tmp_path / "c.html")]) == 0
    bad = [o for o in audited if o[0] in ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn")]
    assert not bad, bad
    started = [args for event, args in audited if event == "subprocess.Popen"]
    assert started and all(args.startswith(tuple(f"({o}" for o in OWN)) for args in started), started
    assert not [args for event, args in audited if event in ("exec", "compile") and str(tmp_path) in args]
    pickle.loads(pickle.dumps(os.path.join))
    assert audited[-1][0] == "pickle.find_class", "the hook sees pickles"


def test_nor_where_a_model_is_used(tmp_path, photo_run, audited):
    "Predict, a Learner, and export; no process is started either"
    folder, data = photo_run
    learn = fastricks.load(folder).learner(say=lambda _: None)
    learn.get_preds(dl=learn.dls.test)
    assert run(["predict", str(folder), str(data / "test")]) == 0
    for kind in ["timm", "onnx"] if find_spec("onnxruntime") else ["timm"]:
        assert run(["export", str(folder), "--to", kind, "--out", str(tmp_path / f"m.{kind}")]) == 0
    forbidden = "pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"
    bad = [o for o in audited if o[0] in forbidden]
    assert not bad, bad


# -- a stranger's run folder


@pytest.mark.parametrize("text", ["[]", "{", "null", "3", "[" * 10**5, '{"a":' * 10**5, '{"recipe": []}',
                                  '{"recipe": {"__class__": 1}}',
                                  "\xff", *WRONG_FIELDS], ids=lambda x: str(x)[:30])
def test_a_strangers_recipe_is_one_sentence(tmp_path, capsys, text):
    folder = fake_run(tmp_path, "mixup")
    (folder / "recipe.json").write_text(text if isinstance(text, str) else recipe_with(folder, **text),
                                        encoding="latin-1")
    fails(capsys, "train", "--recipe", folder, "--out", tmp_path / "runs", "--wandb", "disabled")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["recipe.json", "status.json", "metrics.json", "environment.json", "predictions.csv"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "device"])
def test_a_run_folder_of_pipes_and_loops_hangs_nothing(tmp_path, capsys, name, kind):
    other, folder = fake_run(tmp_path, "none", name="ok"), fake_run(tmp_path, "mixup", name="odd")
    (folder / name).unlink()
    if kind == "pipe": os.mkfifo(folder / name)
    if kind == "folder": (folder / name).mkdir()
    if kind == "loop": (folder / name).symlink_to(folder / name)
    if kind == "device": (folder / name).symlink_to("/dev/zero")
    code = run(["compare", str(other), str(folder)])
    assert code in (0, 2) and "not a user's error" not in capsys.readouterr().err


EVIL = '<script>alert(1)</script>"\'><img src=x onerror=alert(2)> | [red]x[/red] \x1b[31m `a` $x$ \n\n# h'


def test_names_of_a_strangers_runs_stay_text(tmp_path, capsys):
    "In HTML, Markdown and the terminal: class names, data, versions, folders"
    for s in range(2):
        for t in ("none", "mixup"):
            fake_run(tmp_path / "runs", t, s, hits=[i % (3 + s) > 0 for i in range(60)], data=EVIL,
                     name=f"{t}{s}<script>[red]\x1b[31m",
                     classes=[EVIL + str(i) for i in range(6)],
                     environment={"cpu": EVIL, "python": EVIL, "torch": EVIL, "git": {}})
    assert run(["compare", str(tmp_path / "runs"),
                *[x for e in ("html", "md") for x in ("--to", str(tmp_path / f"c.{e}"))]]) == 0
    out, (page, md) = capsys.readouterr().out, ((tmp_path / f"c.{e}").read_text() for e in ("html", "md"))
    assert "\x1b" not in out + page + md and "[red]" in out
    assert "<script" not in page + md and "<img" not in page + md and "\n# h" not in md


# -- secrets

HASTY = """from functools import partial
from fastricks.runfolder import tracking
tracking.start = partial(tracking.start, timeout=4)  # seconds that are waited for an answer
"""


def test_planted_secrets_are_nowhere(tmp_path):
    """In the environment, in URLs with credentials, in git's remote: in no file of the run, log or W&B's, and not on
    the screen
    """
    s = "5ec4e7"
    repo = tmp_path / "repo"
    repo.mkdir()
    for words in (["init"], ["remote", "add", "origin", f"https://user:git-{s}@example.org/a.git"],
                  ["-c", "user.name=u", "-c", f"user.email=mail-{s}@example.org", "commit", "--allow-empty", "-m",
                   f"message-{s}"]):
        subprocess.run(["git", *words], cwd=repo, capture_output=True, check=True)
    env = {
        "WANDB_API_KEY": "local-" + s * 7, "HF_TOKEN": f"hf_{s}", "AWS_SECRET_ACCESS_KEY": s, "MY_PASSWORD": s,
        "HTTPS_PROXY": f"http://user:proxy-{s}@127.0.0.1:9", "HTTP_PROXY": f"http://user:proxy-{s}@127.0.0.1:9",
        "WANDB_BASE_URL": f"http://user:url-{s}@127.0.0.1:9"}
    # both at once: one of them waits for an answer
    both = [Forked(HASTY + TRAIN, *TINY_WORDS, "--epochs", "1", "--wandb", mode, "--out", repo / "runs", cwd=repo,
                   env=env) for mode in ("offline", "online")]
    for r in [o.wait() for o in both]: assert r.returncode == 0 and s not in r.stdout + r.stderr, r.stderr
    files = [p for p in (repo / "runs").rglob("*") if p.is_file()]
    assert any(p.suffix == ".wandb" for p in files) and any(p.name == "environment.json" for p in files)
    assert not [p for p in files if s.encode() in p.read_bytes()]


@pytest.mark.parametrize("words", [["--password", "x-5ec4e7"], ["--wandb-key", "5ec4e7"], ["--data", "https://user:5ec4e7@example.org/a.zip"],
                                   ["--weights", "https://user:5ec4e7@example.org/w"], ["-t", "distill:teacher=https://user:5ec4e7@example.org/w"]])
def test_secrets_in_argv_are_refused_and_not_repeated(tmp_path, capsys, words):
    err = fails(capsys, "train", *TINY_WORDS, *words, "--out", tmp_path / "runs")
    assert "5ec4e7" not in err and not (tmp_path / "runs").exists()

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import lr_find  # noqa: F401  patches Learner
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import SGD
from PIL import Image
from support.paths import ROOT
from torch import nn

from fastricks.callbacks.history import History
from fastricks.callbacks.wandb_log import WandbLog
from fastricks.core.errors import UserError
from fastricks.runfolder import tracking
from fastricks.runfolder.tracking import WandbLabels

KEY = "local-" + "5ec4e7" * 7


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    "No account: whatever this machine's environment and home hold"
    for name in [n for n in os.environ if n.startswith("WANDB_") and n != "WANDB_SERVICE"]: monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path/"netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path/"config"))
    monkeypatch.chdir(tmp_path)


class Tracker:
    "Keeps what a run would be told; `broken`: fails from that call on"
    def __init__(self, broken=10**9): self.logged, self.defined, self.broken = [], {}, broken
    def define_metric(self, name, **kwargs): self.defined[name] = kwargs

    def log(self, facts):
        if len(self.logged) >= self.broken: raise ConnectionError("the\nline is down")
        self.logged.append(facts)

    def having(self, key): return [f for f in self.logged if key in f]


class BatchLosses(Callback):
    "Each training batch's loss, kept in the plainest way"
    run_valid = False
    def __init__(self): self.seen = []
    def after_loss(self): self.seen.append(self.loss.item())


def make_learner(*cbs, n=20, bs=4):
    torch.manual_seed(0)
    items = [(torch.randn(3, 8, 8), torch.tensor(i % 3)) for i in range(n)]
    dls = DataLoaders.from_dsets(items, items[:6], bs=bs, num_workers=0, device="cpu")
    model = nn.Sequential(nn.Flatten(), nn.Linear(3*8*8, 3))
    learn = Learner(dls, model, CrossEntropyLossFlat(), opt_func=SGD, metrics=accuracy, cbs=cbs)
    learn.logger = lambda *args: None
    return learn


def fit(learn, *args, **kwargs):
    with learn.no_bar(): learn.fit_one_cycle(*args, **kwargs)


def leet(how, folder):
    "What W&B's own reader says of a run folder's only offline run"
    run, = Path(folder, "wandb").glob("offline-run-*")
    return subprocess.run([sys.executable, "-m", "wandb", "leet", "inspect", how, str(run)],
                          capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def inspect(folder): return [json.loads(line) for line in leet("--json", folder)]


def of_kind(records, kind): return [r[kind] for r in records if r["type"] == kind]


# --- who is logged in, and what is meant

def test_logged_in(monkeypatch, tmp_path):
    assert not tracking.logged_in()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert tracking.logged_in()


@pytest.mark.parametrize("url, host, there", [
    (None, "api.wandb.ai", True), (None, "github.com", False), ("http://[", "x", False),
    ("https://w.example.org/", "w.example.org", True), ("https://w.example.org", "api.wandb.ai", False),
    ("http://localhost:8080", "localhost:8080", True)])
def test_netrc(monkeypatch, tmp_path, url, host, there):
    (tmp_path/"netrc").write_text(f"machine {host}\n  login user\n  password {KEY}\n")
    if url: monkeypatch.setenv("WANDB_BASE_URL", url)
    assert tracking.logged_in() is there


def test_netrc_in_home(monkeypatch, tmp_path):
    monkeypatch.delenv("NETRC")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert not tracking.logged_in()
    (tmp_path/".netrc").write_text(f"machine api.wandb.ai login user password {KEY}")
    assert tracking.logged_in()


def test_host_from_the_settings_file(tmp_path):
    (tmp_path/"config").mkdir()
    (tmp_path/"config"/"settings").write_text("[default]\nbase_url = https://w.example.org\nmode = disabled\n")
    (tmp_path/"netrc").write_text(f"machine w.example.org login user password {KEY}")
    assert tracking.logged_in() and tracking.resolve_mode() == "disabled"


@pytest.mark.parametrize("text", [b"machine api.wandb.ai login user", b"machine", b"\xff\xfe\x00", b"gibberish here"])
def test_a_broken_netrc_is_no_login(tmp_path, text):
    (tmp_path/"netrc").write_bytes(text)
    assert tracking.logged_in() is False


def test_broken_settings_files_are_no_login(tmp_path):
    (tmp_path/"netrc").mkdir()
    (tmp_path/"config").mkdir()
    (tmp_path/"config"/"settings").write_text("no section")
    assert tracking.logged_in() is False and tracking.resolve_mode() == "offline"


def test_resolve_mode(monkeypatch):
    assert tracking.resolve_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert tracking.resolve_mode() == "online"
    assert [tracking.resolve_mode(m) for m in tracking.MODES] == list(tracking.MODES)
    for word, mode in {"disabled": "disabled", "dryrun": "offline", "run": "online"}.items():
        monkeypatch.setenv("WANDB_MODE", word)
        assert tracking.resolve_mode() == mode and tracking.resolve_mode("offline") == "offline"


def test_unknown_modes(monkeypatch):
    with pytest.raises(UserError, match=r"--wandb 'ofline' .* did you mean 'offline'"): tracking.resolve_mode("ofline")
    with pytest.raises(UserError, match="--wandb ''"): tracking.resolve_mode("")
    monkeypatch.setenv("WANDB_MODE", "onlin")
    with pytest.raises(UserError, match=r"WANDB_MODE 'onlin' .* did you mean 'online'"): tracking.resolve_mode()


def test_import_is_light():
    code = ("import sys, fastricks.runfolder.tracking; print([m for m in ('torch', 'fastai', 'wandb') if m in "
            "sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout.strip() == "[]"


# --- an offline run, read back

@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    "A training of 2 epochs of 60 steps, tracked offline: (its folder, its learner, what W&B's reader finds)"
    folder = tmp_path_factory.mktemp("runs")/"one"
    config = {"lr": .1, "arch": "linear", "tricks": {"mixup": {"alpha": .2}, "cosine": {}}}
    labels = WandbLabels("name" * 50, "group" * 50, ["tag" * 30, "a", "a", ""], config, project="project")
    run = tracking.start("offline", folder, labels)
    learn = make_learner(History(), BatchLosses(), WandbLog(run), n=240)
    fit(learn, 2, .1)
    Image.new("RGB", (8, 8)).save(folder/"lr.png")
    pictures = {"lr": folder/"lr.png", "none": folder/"none.png"}
    tracking.finish(run, {"test/accuracy": .75, "test": {"n": 4}}, pictures)
    return folder, learn, inspect(folder)


def test_description(offline):
    run = of_kind(offline[2], "run")[0]
    assert (run["display_name"], run["project"], run["job_type"]) == ("name" * 32, "project", "train")
    assert run["run_group"] == ("group" * 50)[:128]
    assert run["tags"] == [("tag" * 30)[:64], "a"]
    config = run["config"]["update"]
    assert config["lr"] == .1 and config["tricks"] == {"mixup": {"alpha": .2}, "cosine": {}}


def test_nested_config_is_columns(offline):
    "`tricks.mixup.alpha` is what W&B filters by"
    assert ["tricks.mixup.alpha", "0.2"] in [line.split() for line in leet("--summary", offline[0])]


def test_every_step(offline):
    _, learn, records = offline
    steps = [h["item"] for h in of_kind(records, "history") if "step" in h["item"]]
    assert [s["step"] for s in steps] == list(range(120))
    assert [s["train/lr"] for s in steps] == pytest.approx([float(lr) for lr in learn.recorder.hps["lr"]])
    assert [s["train/loss"] for s in steps] == pytest.approx(learn.batch_losses.seen)


def test_every_epoch(offline):
    _, learn, records = offline
    rows = [h["item"] for h in of_kind(records, "history") if "epoch" in h["item"]]
    assert [r["epoch"] for r in rows] == [r["epoch"] for r in learn.history.rows]
    for key in set(learn.history.rows[0]) - {"epoch"}:
        assert [r[f"epoch/{key}"] for r in rows] == pytest.approx([r[key] for r in learn.history.rows])


def test_axes_and_summary(offline):
    _, learn, records = offline
    metrics = {m.get("name") or m["glob_name"]: m for m in of_kind(records, "metric")}
    assert metrics["train/*"]["step_metric"] == "step" and metrics["epoch/*"]["step_metric"] == "epoch"
    summary = {}
    for s in of_kind(records, "summary"): summary |= s["update"]
    assert summary["test/accuracy"] == .75 and summary["test"] == {"n": 4}
    accuracies, losses = ([r[k] for r in learn.history.rows] for k in ("accuracy", "valid_loss"))
    assert summary["epoch/accuracy"] == pytest.approx({"max": max(accuracies), "last": accuracies[-1]})
    assert summary["epoch/valid_loss"] == pytest.approx({"min": min(losses), "last": losses[-1]})


def test_pictures(offline):
    assert [p.suffix for p in offline[0].glob("wandb/offline-run-*/files/media/images/lr*")] == [".png"]
    assert any("lr" in h["item"] or "lr._type" in h["item"] for h in of_kind(offline[2], "history"))


def test_finished_well(offline):
    assert of_kind(offline[2], "exit")[-1].get("exit_code", 0) == 0


def test_sync_command(offline, tmp_path):
    folder = offline[0]
    run, = (folder/"wandb").glob("offline-run-*")
    assert tracking.sync_command(folder) == f"wandb sync {run}"
    assert tracking.sync_command(tmp_path) is None
    two = [tmp_path/"a run"/"wandb"/f"offline-run-{i}"/"run-x.wandb" for i in (1, 2)]
    for p in two:
        p.parent.mkdir(parents=True)
        p.touch()
    assert tracking.sync_command(tmp_path/"a run") == f"wandb sync '{two[0].parent}' '{two[1].parent}'"
    Path(f"{two[0]}.synced").touch()
    assert tracking.sync_command(tmp_path/"a run") == f"wandb sync '{two[1].parent}'"


# --- privacy and failures of W&B itself

SCRIPT = """
import platform, socket, sys
socket.gethostname = platform.node = lambda: "host-5ec4e7"
from fastricks.runfolder import tracking
run = tracking.start(sys.argv[1], sys.argv[2], tracking.WandbLabels("name", config={"lr": .1}), timeout=3)
print("printed-5ec4e7", run is not None and run.settings.mode)
print("printed-5ec4e7", file=sys.stderr)
run.log({"step": 0, "train/loss": 1.})
tracking.finish(run, {"done": 1})
"""


def run_script(mode, folder, **env):
    "SCRIPT in a process of its own (W&B reads its environment once), in a git repository, with secrets all around"
    folder.mkdir()
    (folder/"script.py").write_text(SCRIPT)
    for args in (["init"], ["remote", "add", "origin", "https://user:git-5ec4e7@example.org/a.git"],
                 ["-c", "user.name=u", "-c", "user.email=m-5ec4e7@example.org", "commit", "--allow-empty", "-m", "m"]):
        subprocess.run(["git", *args], cwd=folder, capture_output=True, check=True)
    env = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"} | {
        "PYTHONPATH": str(ROOT), "WANDB_API_KEY": KEY, "MY_PASSWORD": "env-5ec4e7"} | env
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "script.py", mode, "out", "--password", "argv-5ec4e7"], cwd=folder, env=env,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, done.stderr
    return done, time.perf_counter() - start


def assert_nothing_leaked(folder):
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert any(p.suffix == ".wandb" for p in files)
    for p in files:
        data = p.read_bytes()
        for secret in ("5ec4e7", "script.py", sys.executable): assert secret.encode() not in data, (p, secret)


def test_no_secret_is_written(tmp_path):
    done, _ = run_script("offline", tmp_path/"r")
    assert (done.stdout, done.stderr) == ("printed-5ec4e7 offline\n", "printed-5ec4e7\n")  # and W&B says nothing
    assert_nothing_leaked(tmp_path/"r"/"out")
    assert {r["type"] for r in inspect(tmp_path/"r"/"out")} >= {"run", "history", "summary", "exit"}


@pytest.mark.slow
def test_online_without_a_network_is_offline(tmp_path):
    done, seconds = run_script("online", tmp_path/"r", WANDB_BASE_URL="http://127.0.0.1:9")
    assert done.stdout == "printed-5ec4e7 offline\n" and seconds < 20
    said = done.stderr.splitlines()
    assert len(said) == 2 and "connection refused; logging offline" in said[0]
    assert_nothing_leaked(tmp_path/"r"/"out")
    assert of_kind(inspect(tmp_path/"r"/"out"), "summary")[-2:]


@pytest.mark.slow
def test_online_with_a_bad_key_is_offline(tmp_path):
    done, _ = run_script("online", tmp_path/"r", WANDB_API_KEY="short-5ec4e7")
    assert done.stdout == "printed-5ec4e7 offline\n" and "API key must have 40+ characters" in done.stderr


def test_online_without_a_key_does_not_ask(tmp_path, monkeypatch, capsys):
    modes = []
    monkeypatch.setattr(tracking, "init", lambda mode, **kwargs: modes.append(mode))
    tracking.start("online", tmp_path, WandbLabels("name"))
    assert modes == ["offline"] and "not logged in" in capsys.readouterr().err


def test_when_nothing_works_there_is_no_run(tmp_path, monkeypatch, capsys):
    def init(mode, **kwargs): raise OSError(f"{mode} fails with {KEY}\nand more")
    monkeypatch.setattr(tracking, "init", init)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert tracking.start("online", tmp_path, WandbLabels("name")) is None
    online, offline = capsys.readouterr().err.splitlines()
    assert online.startswith("W&B: online fails with ***; logging offline")
    assert offline == "W&B: offline fails with ***; going on without it"


def test_an_online_run_is_gone_on_with_and_an_offline_one_is_not(tmp_path, monkeypatch):
    seen = []

    def init(mode, **kwargs):
        seen.append((mode, kwargs.get("id"), kwargs.get("resume")))
        return True
    monkeypatch.setattr(tracking, "init", init)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    (tmp_path/"wandb"/"offline-run-20260102_000000-zzz").mkdir(parents=True)
    tracking.start("online", tmp_path, WandbLabels("name"), go_on=tracking.last_id(tmp_path))
    for name in ("run-20260101_000000-abc", "run-20260101_100000-my-id"): (tmp_path/"wandb"/name).mkdir()
    for mode in ("online", "offline"):
        tracking.start(mode, tmp_path, WandbLabels("name"), go_on=tracking.last_id(tmp_path))
    assert seen == [("online", None, None), ("online", "my-id", "allow"), ("offline", None, None)]


@pytest.mark.parametrize("online, epochs", [(True, [3]), (False, [1, 2, 3])])
def test_epochs_before_a_resume(online, epochs):
    "A run that W&B goes on with has them; a new one gets them with the next"
    tracker = Tracker()
    tracker.resumed = online
    log, history = WandbLog(tracker), History()
    learn = make_learner(history, log)
    history.rows = [{"epoch": e, "accuracy": e / 4} for e in (1, 2)]
    log.put_back({"n_steps": 10})
    history.rows.append({"epoch": 3, "accuracy": .9})
    log.after_epoch()
    assert learn is log.learn and [f["epoch"] for f in tracker.having("epoch")] == epochs
    assert log.n_steps == 10


def test_a_bad_project_name_costs_a_line(tmp_path, capsys):
    assert tracking.start("offline", tmp_path, WandbLabels("name", project="a/b")) is None
    assert "Invalid project name" in capsys.readouterr().err


def test_disabled(tmp_path):
    assert tracking.start("disabled", tmp_path, WandbLabels("name")) is None and not list(tmp_path.iterdir())
    tracking.finish(None, {"a": 1})
    fit(make_learner(WandbLog(None)), 1)


def test_finish_is_bounded_and_never_raises(tmp_path, capsys):
    freed = threading.Event()
    run = SimpleNamespace(summary={}, dir=str(tmp_path/"files"), finish=lambda exit_code: freed.wait(30))
    start = time.perf_counter()
    tracking.finish(run, {"a": 1}, timeout=.2)
    assert time.perf_counter() - start < 5 and run.summary == {"a": 1}
    freed.set()
    assert "not closed after 0.2 s" in capsys.readouterr().err
    def broken(exit_code): raise TimeoutError("Timed out finishing run.")
    tracking.finish(SimpleNamespace(summary=None, dir=run.dir, finish=broken), {"a": 1})
    no_summary, not_closed = capsys.readouterr().err.splitlines()
    assert no_summary.endswith("no summary") and not_closed.endswith(f"`wandb sync {tmp_path}` sends the rest")


# --- the callback, told apart from W&B

def test_a_failing_log_does_not_stop_the_training(capsys):
    tracker = Tracker(broken=3)
    learn = make_learner(History(), BatchLosses(), WandbLog(tracker))
    fit(learn, 2)
    assert len(learn.batch_losses.seen) == 10 and len(learn.history.rows) == 2 and len(tracker.logged) == 3
    assert capsys.readouterr().err == "W&B: the; no longer logging to it\n"


def test_loss_parts():
    class Parts(Callback):
        def after_loss(self): self.learn.loss_parts = {"hard": self.loss.detach() * 2, "soft": torch.tensor(.5)}
    tracker = Tracker()
    fit(make_learner(Parts(), WandbLog(tracker)), 1)
    steps = tracker.having("step")
    assert [f["train/hard"] for f in steps] == pytest.approx([2 * f["train/loss"] for f in steps])
    assert [f["train/soft"] for f in steps] == [.5] * 5


def test_the_learners_step_counts():
    class From(Callback):
        "Counts on from an earlier part of the training"
        order = 99
        def before_fit(self): self.learn.step = 7
        def after_batch(self): self.learn.step += self.training
    tracker = Tracker()
    fit(make_learner(From(), WandbLog(tracker)), 1)
    assert [f["step"] for f in tracker.having("step")] == [7, 8, 9, 10, 11]


def test_an_accumulated_step_is_one_step():
    tracker, losses = Tracker(), BatchLosses()
    fit(make_learner(losses, WandbLog(tracker), GradientAccumulation(8)), 1)  # 5 batches of 4
    steps = tracker.having("step")
    assert [f["step"] for f in steps] == [0, 1, 2]
    a, b, c, d, e = losses.seen
    assert [f["train/loss"] for f in steps] == pytest.approx([(a + b) / 2, (c + d) / 2, e])


def test_steps_go_in_batches_of_fifty():
    class Waiting(Callback):
        run_valid, order, most = False, 99, 0
        def after_batch(self): self.most = max(self.most, len(self.learn.wandb_log.pending))
    tracker, waiting = Tracker(), Waiting()
    fit(make_learner(WandbLog(tracker), waiting, n=120, bs=1), 1)
    assert waiting.most == 50 and [f["step"] for f in tracker.logged] == list(range(120))


def test_a_cancelled_fit_keeps_its_steps():
    from fastai.callback.core import CancelFitException
    class Stop(Callback):
        order = 99
        def after_batch(self):
            if self.iter == 2: raise CancelFitException
    tracker = Tracker()
    fit(make_learner(WandbLog(tracker), Stop()), 1)
    assert [f["step"] for f in tracker.logged] == [0, 1, 2]


def test_only_training_is_logged():
    "Neither the search for a learning rate nor a later validation, but every fit"
    tracker = Tracker()
    learn = make_learner(History(), WandbLog(tracker))
    with learn.no_bar(): learn.lr_find(num_it=6, show_plot=False)
    assert not tracker.logged
    fit(learn, 1)
    with learn.no_bar():
        learn.validate()
        learn.get_preds()
    fit(learn, 1)
    assert [f["step"] for f in tracker.having("step")] == list(range(10)) and len(tracker.having("epoch")) == 2
    assert tracker.defined["epoch/accuracy"] == {"step_metric": "epoch", "summary": "max,last"}
    assert "epoch/seconds" not in tracker.defined


def test_an_exported_learner_leaves_the_run_behind():
    tracker = Tracker()
    tracker.lock = threading.Lock()  # not to be pickled, as in a run
    assert pickle.loads(pickle.dumps(WandbLog(tracker))).tracker is None


# --- a lab's environment, and what is logged already

def test_what_the_environment_says_wins(monkeypatch):
    for k, v in {"NAME": "mine", "RUN_GROUP": "lab", "TAGS": "x, y,", "JOB_TYPE": "night"}.items():
        monkeypatch.setenv(f"WANDB_{k}", v)
    got = WandbLabels("run", "group", ("mixup",)).arguments()
    assert (got["name"], got["group"], got["job_type"]) == ("mine", "lab", "night") and [
        *filter(None, got["tags"])
    ] == ["mixup", "x", "y"]


def test_one_run_id_in_the_environment_does_not_make_all_runs_one(monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "fixed")
    ids = {tracking.own_id()["id"] for _ in range(3)}
    assert len(ids) == 3 and "fixed" not in ids
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    assert tracking.own_id() == {}


def test_an_offline_run_has_an_id_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_RUN_ID", "fixed")
    run = tracking.start("offline", tmp_path, WandbLabels("a"))
    tracking.finish(run)
    assert [*tmp_path.glob("wandb/offline-run-*/run-*.wandb")] and not [*tmp_path.glob("wandb/*/run-fixed.wandb")]


@pytest.mark.parametrize("same_run", [True, False])
def test_steps_and_epochs_that_a_killed_training_was_ahead_are_not_logged_twice(tmp_path, same_run):
    (tmp_path/"wandb").mkdir()
    killed, again = "a", "a" if same_run else "b"
    fit(make_learner(History(), WandbLog(before := Tracker(), tracking.Logged(tmp_path/"wandb", killed).read())), 2)
    fit(make_learner(History(), WandbLog(after := Tracker(), tracking.Logged(tmp_path/"wandb", again).read())), 3)
    n = len(before.logged) // 2
    assert len(after.logged) == (n if same_run else 3 * n)


@pytest.mark.parametrize("text", ["", "[]", '{"id": "a"}', '{"id": "a", "step": "x", "epoch": 1}',
                                  '{"id": "a", "step": null, "epoch": 1}'])
def test_a_broken_note_of_what_is_logged_is_none(tmp_path, text):
    (tmp_path/"wandb").mkdir()
    (tmp_path/"wandb"/"logged.json").write_text(text)
    assert tracking.Logged(tmp_path/"wandb", "a").read().last == {"step": -1, "epoch": 0}


@pytest.mark.slow
def test_a_home_that_cannot_be_written_to_is_quiet(tmp_path):
    "W&B's service has its logs elsewhere then, and not on the screen"
    (tmp_path/"file").write_text("")
    env = {k: v for k, v in os.environ.items() if k not in ("WANDB_SERVICE", "XDG_CACHE_HOME")}
    env |= {"HOME": str(tmp_path/"file/home"), "PYTHONPATH": str(ROOT)}
    code = ("from fastricks.runfolder import tracking as t; r = t.start('offline', 'run', t.WandbLabels('x')); "
            "r.log({'a': 1}); t.finish(r)")
    (tmp_path/"run").mkdir()
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "") and [*tmp_path.glob("run/wandb/offline-run-*")]

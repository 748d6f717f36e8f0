"""--log: what TensorBoard and MLflow have of a training, by their own readers; and one that fails stops no training."""
import csv
import json
import shutil
import threading
from importlib.util import find_spec

import pytest
from support.commands import fails
from support.run_files import read
from support.small import recipe_of
from support.stopped import resumed, stopped

from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.runfolder import trackers
from fastricks.training.training import train

EACH = {"per_class": 8, "epochs": 2}
has = {name: find_spec(name) is not None for name in trackers.TRACKERS}
needs_tensorboard = pytest.mark.skipif(not has["tensorboard"], reason="tensorboard is not installed")
needs_mlflow = pytest.mark.skipif(not has["mlflow"], reason="mlflow is not installed")
ALL = ",".join(name for name in has if has[name])
foreign = pytest.mark.filterwarnings("ignore")  # their own
pytestmark = [pytest.mark.usefixtures("undrawn"), foreign]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    "The folder of a training with all that is installed"
    if not ALL: pytest.skip("neither tensorboard nor mlflow is installed")
    with pytest.MonkeyPatch.context() as m:
        m.delenv("MLFLOW_TRACKING_URI", raising=False)
        return train(recipe_of("mixup", **EACH, log=ALL, out=str(tmp_path_factory.mktemp("runs"))), silent).folder


def history(folder): return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    return EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()


def scalars(found, tag): return [(e.step, e.value) for e in found.Scalars(tag)]


def mlflow_run(folder):
    "(client, run) as MLflow's own client reads them"
    from mlflow import MlflowClient
    note = read(folder / "mlflow", "run.json")
    client = MlflowClient(tracking_uri=note["uri"])
    return client, client.get_run(note["run"])


def expected(folder, column):
    return [(int(r["epoch"]), pytest.approx(float(r[column]), rel=1e-6)) for r in history(folder)]


@needs_tensorboard
def test_tensorboard_has_every_step_epoch_and_final_number(run):
    found, m = events(run), read(run, "metrics.json")
    for column in set(history(run)[0]) - {"epoch"}: assert scalars(found, f"epoch/{column}") == expected(run, column)
    assert [s for s, _ in scalars(found, "train/loss")] == [*range(10)] == [s for s, _ in scalars(found, "train/lr")]
    assert scalars(found, "test/accuracy") == [(0, pytest.approx(m["top1"]))] and scalars(found, "test/n") == [(0, 359)]
    text = found.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    config = json.loads(text.removeprefix("```json\n").removesuffix("\n```"))
    assert config["tricks"]["mixup"]["on"] is True and config["tricks"]["mixup"]["alpha"] == .2 and config["seed"] == 0
    assert "_hparams_/session_start_info" in found.summary_metadata


@needs_mlflow
def test_mlflow_has_every_step_epoch_and_final_number(run):
    client, found = mlflow_run(run)
    m = read(run, "metrics.json")
    def values(key):
        history = client.get_metric_history(found.info.run_id, key)
        return [(o.step, o.value) for o in sorted(history, key=lambda o: o.step)]
    for column in set(history(run)[0]) - {"epoch"}: assert values(f"epoch/{column}") == expected(run, column)
    assert [s for s, _ in values("train/loss")] == [*range(10)]
    assert found.data.metrics["test/accuracy"] == pytest.approx(m["top1"]) and found.data.metrics["test/n"] == 359
    assert found.info.status == "FINISHED" and found.info.run_name == run.name
    assert found.data.tags["group"] == read(run, "recipe.json")["group"] and found.data.tags["tricks"] == "mixup"
    assert found.data.params["tricks.mixup.on"] == "True"
    assert found.data.params["arch"] == "test_resnet" and found.data.params["seed"] == "0"
    assert client.get_experiment(found.info.experiment_id).name == "fastricks"
    assert (run.parent / "mlflow.db").is_file()


def test_what_was_kept_of_each_is_in_the_run_and_beside_it(run):
    assert {f.name for f in run.iterdir() if f.is_dir()} == set(ALL.split(","))
    shows = trackers.commands(ALL, run)
    assert all(str(run.parent) in line for line in shows) and len(shows) == len(ALL.split(","))


def test_pictures_go_there_too(tmp_path):
    from PIL import Image
    if not has["tensorboard"]: pytest.skip("tensorboard is not installed")
    Image.new("RGBA", (8, 4), (255, 0, 0, 255)).save(tmp_path / "batch.png")
    found = trackers.start_trackers("tensorboard", tmp_path, labels())
    trackers.finish_trackers(found, {"test/accuracy": .5}, {"batch": tmp_path / "batch.png"})
    image = events(tmp_path).Images("batch")[0]
    assert (image.width, image.height) == (8, 4)


def labels():
    from fastricks.runfolder.tracking import WandbLabels
    return WandbLabels("run", "group", ("mixup",), {"lr": .1, "tricks": {"mixup": {"on": True, "alpha": None}}})


@pytest.mark.parametrize("name", has)
def test_a_resumed_training_goes_on_there_and_has_each_step_once(tmp_path, monkeypatch, name, run):
    if not has[name]: pytest.skip(f"{name} is not installed")
    if name == "mlflow": shutil.copy(run.parent / "mlflow.db", tmp_path)  # which takes seconds to make
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = stopped(tmp_path, monkeypatch, **EACH, batch_size=16, log=name)
    assert resumed(folder).folder == folder
    if name == "tensorboard":
        found = events(folder)
        steps, epochs = [s for s, _ in scalars(found, "train/loss")], [s for s, _ in scalars(found, "epoch/accuracy")]
    else:
        client, r = mlflow_run(folder)
        steps, epochs = ([o.step for o in client.get_metric_history(r.info.run_id, k)]
                         for k in ("train/loss", "epoch/accuracy"))
        # with the fixture's
        assert r.info.status == "FINISHED" and len(client.search_runs([r.info.experiment_id])) == 2
    assert sorted(steps) == [*range(10)] and sorted(epochs) == [1, 2]


# -- one that fails

class Broken(trackers.Tracker):
    "Fails in one of its methods"
    name, label, needs, fails_in = "broken", "Broken", "json", ""

    def do(self, what):
        if what == self.fails_in: raise ConnectionError(f"no {what}\nat all")
    def open(self): self.do("open")
    def log(self, facts): self.do("log")
    def flush(self): self.do("flush")
    def close(self, summary, pictures, status): self.do("close")
    def how(self): return "nothing"


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setitem(trackers.TRACKERS, "broken", Broken)
    return lambda where: monkeypatch.setattr(Broken, "fails_in", where)


@pytest.mark.parametrize("where, said", [("open", "going on without it"), ("log", "no longer logging to it"),
                                         ("flush", "no longer logging to it"),
                                         ("close", "not closed")])
def test_a_tracker_that_fails_stops_no_training(tmp_path, broken, capsys, where, said):
    broken(where)
    result = train(recipe_of(**{**EACH, "epochs": 1}, log="broken", out=str(tmp_path)), silent)
    assert result.metrics["n"] == 359 and read(result.folder, "status.json")["status"] == "finished"
    assert capsys.readouterr().err == f"Broken: no {where}; {said}\n"


def test_one_that_never_answers_is_left_behind(tmp_path, broken, monkeypatch, capsys):
    freed = threading.Event()
    monkeypatch.setattr(Broken, "open", lambda self: freed.wait(30))
    broken("")
    assert trackers.start_trackers("broken", tmp_path, labels(), patience=.1) == []
    freed.set()
    assert "no answer for 0.1 s" in capsys.readouterr().err


# -- what --log takes

def test_names_of_trackers():
    assert trackers.parse_log(" tensorboard,mlflow,tensorboard") == ["tensorboard", "mlflow"]
    assert trackers.parse_log(None) == []
    with pytest.raises(UserError, match="did you mean 'tensorboard'"): recipe_of(log="tensorbord")
    with pytest.raises(UserError, match="--log wandb and --wandb disabled"):
        recipe_of(log="wandb,tensorboard", wandb="disabled")
    assert recipe_of(log="wandb,tensorboard", wandb="offline").log == "wandb,tensorboard"


def test_what_is_not_installed_is_said_before_a_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    said = fails(capsys, "train", "--log", "mlflow", "--out", tmp_path / "runs", "--wandb", "disabled")
    assert "pip install mlflow" in said and not (tmp_path / "runs").exists()


def test_a_repeated_run_logs_where_it_is_told(tmp_path):
    first = recipe_of(log="tensorboard")
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": first.as_dict}))
    assert recipe_of(recipe=str(tmp_path)).log is None and "log" not in recipe_of().as_dict

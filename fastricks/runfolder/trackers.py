"""What else a training is logged to, beside W&B (`tracking.py`): TensorBoard and MLflow, each by its own library. Light
until one starts.

Whatever fails there, the training goes on.
"""
import json
import logging
import os
import shlex
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import UserError, nearest, one_of, visible
from ..core.files import read_json, write_json
from ..core.lock import ProcessLock
from .tracking import Logged, WandbLabels, one_line, say, within

WANDB = "wandb"


class Tracker:
    """Keeps the numbers of one run. A subclass starts in `open`, is told numbers by `log`, writes them out in `flush`
    and ends in `close`.

    resumed: does it go on with what an earlier process of the same run began? logged: the Logged of that.
    """
    name = label = needs = ""
    resumed, logged = False, None

    def __init__(self, folder, labels):
        self.folder, self.labels = Path(folder), labels

    def open(self): raise NotImplementedError
    def log(self, facts): raise NotImplementedError
    def flush(self): raise NotImplementedError
    def close(self, summary, pictures, status): raise NotImplementedError
    def how(self): raise NotImplementedError


def flat_config(config, prefix=""):
    "A nested config as one dict with dotted names; values are numbers, words or None"
    out = {}
    for k, v in config.items():
        out |= flat_config(v, f"{prefix}{k}.") if isinstance(v, dict) else {f"{prefix}{k}": v}
    return out


class TensorBoard(Tracker):
    "Event files in the run's folder: `tensorboard --logdir` of a folder of runs shows them side by side"
    name, label, needs = "tensorboard", "TensorBoard", "tensorboard"

    @property
    def place(self): return self.folder / self.name

    def open(self):
        from torch.utils.tensorboard import SummaryWriter
        self.resumed = any(self.place.glob("events.*"))
        self.writer = SummaryWriter(str(self.place))
        self.logged = Logged(self.place, self.name).read()
        if not self.resumed:
            self.writer.add_text("recipe", f"```json\n{json.dumps(self.labels.config, indent=2)}\n```")
        return self

    def log(self, facts):
        axis = "step" if "step" in facts else "epoch"
        for k, v in facts.items():
            if k != axis:
                self.writer.add_scalar(k, v, facts[axis])

    def flush(self): self.writer.flush()

    def close(self, summary, pictures, status):
        for k, v in summary.items():
            self.writer.add_scalar(k, v)
        if summary:
            self.add_recipe(summary)
        for name, file in pictures.items():
            self.add_picture(name, file)
        self.writer.close()

    def add_recipe(self, summary):
        "The recipe and the final numbers for the tab HPARAMS, which compares runs by them"
        from torch.utils.tensorboard.summary import hparams
        values = {k: v if isinstance(v, bool | int | float | str) else str(v)
                  for k, v in flat_config(self.labels.config).items() if v is not None}
        for part in hparams(values, summary):
            self.writer.file_writer.add_summary(part)

    def add_picture(self, name, file):
        import numpy as np
        from PIL import Image
        with Image.open(file) as im:
            self.writer.add_image(name, np.asarray(im.convert("RGB")), dataformats="HWC")

    def how(self): return shlex.join(["tensorboard", "--logdir", str(self.folder.parent)])


class Mlflow(Tracker):
    """A run of MLflow's: where $MLFLOW_TRACKING_URI says, else in one SQLite database beside the run folders, as its
    plain files are no longer developed and a database for each run would take seconds to make."""
    name, label, needs = "mlflow", "MLflow", "mlflow"
    MOST = 1000  # numbers that it takes at once

    @property
    def database(self): return f"sqlite:///{(self.folder.parent.resolve() / 'mlflow.db').as_posix()}"

    @property
    def uri(self): return os.environ.get("MLFLOW_TRACKING_URI") or self.database

    @property
    def note(self): return self.folder / self.name / "run.json"

    def open(self):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient
        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        self.waiting = []
        self.note.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(self.folder.parent / ".mlflow.lock"):
            self.client = MlflowClient(tracking_uri=self.uri)
            experiment = self.experiment()
        self.id = self.earlier() or self.begin(experiment)
        self.logged = Logged(self.note.parent, self.id).read()
        return self

    def experiment(self):
        "The id of the experiment that the project is, which is made if it is not there"
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or self.labels.project or "fastricks"
        found = self.client.get_experiment_by_name(name)
        if found:
            return found.experiment_id
        own = self.uri == self.database
        return self.client.create_experiment(name, (self.folder.parent.resolve() / self.name).as_uri() if own else None)

    def earlier(self):
        "The id of the run that an earlier process of this training began there, or None"
        with suppress(Exception):
            note = read_json(self.note)
            if note["uri"] != visible(self.uri):
                return None
            self.client.update_run(note["run"], status="RUNNING")
            self.resumed = True
            return note["run"]

    def begin(self, experiment):
        from mlflow.entities import Param
        tags = {"group": self.labels.group or "", "job_type": self.labels.job_type,
                "tricks": "+".join(self.labels.tags), "folder": self.folder.name}
        run = self.client.create_run(experiment, run_name=self.labels.name, tags=tags).info.run_id
        write_json(self.note, {"uri": visible(self.uri), "run": run})  # without the user and password that it may have
        params = [Param(k, str(v)) for k, v in flat_config(self.labels.config).items()]
        for i in range(0, len(params), 100):
            self.client.log_batch(run, params=params[i:i + 100])
        return run

    def log(self, facts): self.add(facts, facts["step" if "step" in facts else "epoch"])

    def add(self, facts, step):
        from mlflow.entities import Metric
        now = int(1000 * time.time())
        self.waiting += [Metric(k, float(v), now, int(step)) for k, v in facts.items() if k not in ("step", "epoch")]

    def flush(self):
        while self.waiting:
            self.client.log_batch(self.id, metrics=self.waiting[:self.MOST])
            del self.waiting[:self.MOST]

    def close(self, summary, pictures, status):
        self.add(summary, 0)
        self.flush()
        for file in pictures.values():
            self.client.log_artifact(self.id, str(file))
        self.client.set_terminated(self.id, status)

    def how(self):
        return shlex.join(["mlflow", "ui", "--backend-store-uri",
                           self.uri]) if self.uri == self.database else visible(self.uri)


class one_at_a_time:
    "A context: processes that begin together do not make the same database"
    def __init__(self, file): self.lock = ProcessLock(file)
    def __enter__(self): self.lock.take(wait=True)
    def __exit__(self, *error): self.lock.release()


TRACKERS = {o.name: o for o in (TensorBoard, Mlflow)}


def parse_log(text):
    "The names of --log, as in tensorboard,mlflow; UserError for what is none"
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    known = [WANDB, *TRACKERS]
    for name in names:
        if name not in known:
            raise UserError(f"--log {name} is not one of {one_of(known)}{nearest(name, known)}")
    return list(dict.fromkeys(names))


def require(text):
    "UserError unless all that --log names are installed"
    for name in parse_log(text):
        if name != WANDB and not find_spec(TRACKERS[name].needs):
            raise UserError(f"--log {name} needs it installed: pip install {TRACKERS[name].needs}")


def commands(text, folder):
    "What shows what --log wrote: a command each"
    return [TRACKERS[name](folder, None).how() for name in parse_log(text) if name != WANDB]


def start_trackers(text, folder, labels: WandbLabels, patience=60):
    "The Trackers of --log that could start, in at most `patience` seconds each"
    found = [TRACKERS[name](folder, labels) for name in parse_log(text) if name != WANDB]
    return [o for o in found if safely(o, o.open, "going on without it", patience)]


def finish_trackers(trackers, summary=None, pictures=None, status="FINISHED", patience=15):
    "Tell each the final numbers and pictures (name -> path), and end it"
    for o in trackers:
        safely(o, lambda o=o: o.close(summary or {}, pictures or {}, status), "not closed", patience)


def safely(tracker, f, otherwise, patience):
    "Did `f()` end well, and within `patience` seconds? If not, a line says so"
    done = []

    def work():
        try:
            done.append(f() or True)
        except Exception as e:
            say(f"{tracker.label}: {one_line(e)}; {otherwise}")
            done.append(False)
    if not within(patience, work):
        say(f"{tracker.label}: no answer for {patience:g} s; {otherwise}")
    return bool(done and done[0])

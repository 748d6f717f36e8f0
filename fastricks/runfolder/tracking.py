"""Weights & Biases: a run online, offline or not at all. Whatever fails here, the training goes on."""
import atexit
import configparser
import json
import logging
import multiprocessing
import netrc
import os
import secrets
import shlex
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from ..core.errors import UserError, first_line, nearest, one_of, visible
from ..core.files import read_json
from ..core.imports import uncollected

MODES = "online", "offline", "disabled"
OLD_MODES = {"run": "online", "dryrun": "offline"}
CLOUD = {"api.wandb.ai", "api.forge.coreweave.com", "forge.coreweave.com"}  # one service under three names
# W&B records argv, host, user, git remote, packages and all that is printed; any of them may hold a secret.
# Settings rejects a name that it does not know, so that a setting lost in a later version cannot leak in silence.
PRIVATE = {"console": "off", "disable_git": True, "disable_code": True, "save_code": False,
           "disable_job_creation": True, "x_disable_meta": True, "x_save_requirements": False, "host": ""}

OFFLINE = "logging offline; `wandb login --verify` checks the key and the connection"


def say(text): print(text, file=sys.stderr, flush=True)


def one_line(error, n=200):
    "The first line of what an exception says, without the API key"
    text = visible(first_line(error))
    if text in ("", "<no message>"):
        text = type(error).__name__
    if key := os.environ.get("WANDB_API_KEY"):
        text = text.replace(key, "***")
    return text if len(text) <= n else text[:n - 1] + "…"


def attempt(otherwise, f, *args, **kwargs):
    "`f(...)`, or one line on stderr and None"
    try:
        return f(*args, **kwargs)
    except Exception as e:
        say(f"W&B: {one_line(e)}; {otherwise}")


def within(seconds, f, *args, **kwargs):
    "Whether `f(...)` ends in `seconds`; if not, it is left behind in its thread"
    t = Thread(target=f, args=args, kwargs=kwargs, daemon=True)
    t.start()
    t.join(seconds)
    return not t.is_alive()


def setting(key):
    "A W&B setting from the environment, else from where `wandb login` and `wandb offline` write"
    if value := os.environ.get(f"WANDB_{key.upper()}"):
        return value
    home = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    files = configparser.RawConfigParser()
    try:
        files.read([Path(home, "settings").expanduser(), Path("wandb", "settings")])
    except Exception:
        return None  # W&B itself will say what is wrong with the file
    return files.get("default", key, fallback=None)


def netrc_path():
    if path := os.environ.get("NETRC"):
        return Path(path).expanduser()
    return next((p for p in (Path.home()/".netrc", Path.home()/"_netrc") if p.exists()), Path.home()/".netrc")


def hosts():
    "The names under which netrc may keep the key"
    host = urlsplit(setting("base_url") or "https://api.wandb.ai").netloc
    return CLOUD if host in CLOUD else {host}


def logged_in():
    "Is there a key for the W&B host? Asks neither the user nor the network."
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        return any(netrc.netrc(netrc_path()).hosts.get(h, ("",))[-1] for h in hosts())
    except Exception:
        return False


def resolve_mode(mode=None):
    "`mode` if given, else W&B's own setting, else online when logged in and offline when not"
    where, word = ("--wandb", mode) if mode is not None else ("WANDB_MODE", setting("mode"))
    if word is None:
        return "online" if logged_in() else "offline"
    word = OLD_MODES.get(word, word)
    if word in MODES:
        return word
    raise UserError(f"{where} {word!r} is unknown: one of {one_of(MODES)}{nearest(word, MODES)}")


def cut(text, n): return str(text)[:n] if text else None


def load(mode=None):
    """Import W&B where a training of this mode is logged to it.

    Best before torch and fastai: `wandb.init` imports W&B's launcher, whose every pydantic model looks through all
    modules that are loaded, for 1.5 seconds of CPU time with fastai's among them. What is wrong with it `wandb.init`
    says.
    """
    if resolve_mode(mode) == "disabled":
        return
    keep_private()
    with uncollected(), suppress(Exception):
        import_module("wandb.sdk.launch")


def keep_private():
    "The environment is the only switch for both: by default even an offline run reports to W&B's telemetry server"
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")


def init(mode, timeout, tags, config, **kwargs):
    "wandb.init, quiet and private"
    keep_private()
    logging.raiseExceptions = False  # where its debug.log can't be written, no traceback for each line of it
    import wandb
    if not can_keep_logs():
        os.environ.setdefault("WANDB_CACHE_DIR", os.path.join(kwargs["dir"], "wandb", "cache"))
    settings = wandb.Settings(**PRIVATE, silent=True, quiet=True, use_dot_wandb=False, reinit="create_new",
                              init_timeout=timeout, finish_timeout=7, finish_timeout_raises=True)
    tags = list(dict.fromkeys(cut(t, 64) for t in tags or () if t)) or None
    run = wandb.init(mode=mode, tags=tags, config=config, settings=settings, **kwargs)
    run.define_metric("train/*", step_metric="step")
    run.define_metric("epoch/*", step_metric="epoch")
    return run


def can_keep_logs():
    "Can W&B's service write its logs to the user's cache folder? Where it can't, it writes them to the screen"
    from wandb.env import get_cache_dir
    try:
        os.makedirs(folder := get_cache_dir(), exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def last_id(folder):
    "The id of the last online run in a run folder, or None: W&B can go on with such a one, and not with an offline run"
    last = max(Path(folder, "wandb").glob("run-*-*"), default=None)
    return last and last.name.split("-", 2)[2]


class Logged:
    """What a tracker has of its run `id`, step and epoch, in a file in its `folder`: a killed training was ahead of its
    checkpoint
    """
    def __init__(self, folder, id):
        self.file, self.id, self.last = Path(folder, "logged.json"), id, {"step": -1, "epoch": 0}

    def read(self):
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = read_json(self.file)
            if found["id"] == self.id:
                self.last = {k: int(found[k]) for k in self.last}
        return self

    def has(self, kind, number): return number <= self.last[kind]

    def add(self, kind, number):
        self.last[kind] = max(number, self.last[kind])
        with suppress(OSError):
            self.file.write_text(json.dumps({"id": self.id, **self.last}))


@dataclass(frozen=True)
class WandbLabels:
    "By what a W&B run is found among others; names and tags that are too long for W&B are cut"
    name: str
    group: str | None = None
    tags: tuple = ()
    config: dict | None = None
    job_type: str = "train"
    project: str = None      # None: $WANDB_PROJECT, else fastricks

    def arguments(self):
        "What wandb.init calls them; what a lab's environment says wins, and its tags come along"
        name, group, job_type = (os.environ.get(f"WANDB_{k}") for k in ("NAME", "RUN_GROUP", "JOB_TYPE"))
        project = self.project or os.environ.get("WANDB_PROJECT") or "fastricks"
        tags = (*self.tags, *(t.strip() for t in os.environ.get("WANDB_TAGS", "").split(",")))
        return {"name": cut(name or self.name, 128), "group": cut(group or self.group, 128), "tags": tags,
                "project": project,
                "config": self.config, "job_type": job_type or self.job_type}


def own_id():
    "An id of its own where WANDB_RUN_ID would make all runs of a script one run; a sweep's agent gives each its own"
    shared = os.environ.get("WANDB_RUN_ID") and not os.environ.get("WANDB_SWEEP_ID")
    return {"id": secrets.token_hex(4)} if shared else {}


def start(mode, folder, labels, timeout=20, go_on=None):
    """A W&B run whose files lie in `folder`/wandb, or None. Without a connection it is an offline run.

    `labels`: its WandbLabels; `timeout`: seconds to wait for W&B; `go_on`: the id of an online run to resume, where
    this one is online too.
    """
    if mode == "disabled":
        return None
    if mode == "online" and not logged_in():
        say("W&B: not logged in (`wandb login`); logging offline")
        mode = "offline"
    facts = {"dir": os.path.abspath(folder), **labels.arguments(), "timeout": timeout, **own_id()}
    more = {"id": go_on, "resume": "allow"} if go_on else {}
    run = attempt(OFFLINE, init, "online", **{**facts, **more}) if mode == "online" else None
    return run or attempt("going on without it", init, "offline", **facts)


def best(key):
    "Which end of a metric is the good one"
    if "accuracy" in key or key == "macro_f1":
        return "max"
    return "min" if "loss" in key or "error" in key else None


def define_best(run, row):
    "The summary keeps the best of every loss and accuracy besides the last"
    for key in filter(best, row):
        run.define_metric(f"epoch/{key}", step_metric="epoch", summary=f"{best(key)},last")


def write_summary(run, summary):
    run.summary.update(summary)
    return True


def log_picture(run, name, path):
    import wandb
    run.log({name: wandb.Image(str(path))})


def close(run, exit_code):
    run.finish(exit_code=exit_code)
    return True


def finish(run, summary=None, pictures=None, exit_code=0, timeout=8):
    "Write the summary and the pictures (name -> path) and close the run, in `timeout` seconds at most"
    if run is None:
        return
    done = []

    def work():
        there = attempt("no summary", write_summary, run, summary or {})
        for name, path in (pictures or {}).items() if there else ():
            attempt(f"no picture {name}", log_picture, run, name, path)
        done.append(attempt(f"`{sync_line(Path(run.dir).parent)}` sends the rest", close, run, exit_code))

    if not within(timeout, attempt, "not closed", work):
        say(f"W&B: not closed after {timeout:g} s; going on without it")
    if any(done):
        return
    if multiprocessing.parent_process():
        abandon()  # such a process runs no hooks at its end
    else:
        atexit.register(abandon)  # before W&B's own hook, which waits without end


def abandon():
    "End W&B's service with its processes, and what waits for it"
    import wandb
    with suppress(Exception):
        service = wandb.setup()._connection._proc._process  # private: W&B has no call that does not wait
        # it leads a group of its own, which may outlive it
        if hasattr(os, "killpg"):
            os.killpg(service.pid, signal.SIGKILL)
        service.kill()
    with suppress(Exception, SystemExit):
        wandb.teardown(1)


def sync_line(*paths): return shlex.join(["wandb", "sync", *map(str, paths)])


def sync_command(folder):
    "The command that uploads the offline runs in a run folder, or None"
    runs = sorted(p.parent for p in Path(folder, "wandb").glob("offline-run-*/run-*.wandb")
                  if not Path(f"{p}.synced").exists())
    return sync_line(*runs) if runs else None

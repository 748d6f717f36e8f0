"""The command line: in a process of its own, and in this one."""
import signal

from fastricks.cli.app import run
from support.forked import TRAIN, forked
from support.paths import ROOT

TINY_WORDS = [w for k, v in {"arch": "test_resnet", "size": 16, "resize": 16, "per-class": 8, "epochs": 2,
                             "batch-size": 16, "threads": 1,
                             "workers": 0, "wandb": "disabled"}.items() for w in (f"--{k}", str(v))]


def cli(*args, cwd=ROOT, **env):
    "train.py in a process of its own that starts with everything imported"
    return forked(TRAIN, *args, cwd=cwd, env=env)


def fails(capsys, *words):
    "In this process: exit code 2 and one sentence on stderr, which is returned"
    code = run([str(w) for w in words])
    out, err = capsys.readouterr()
    assert code == 2, (out, err)
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    return err


def hear_ctrl_c():
    "A process that was started in the background of a shell has Ctrl-C switched off, and its children inherit that"
    signal.signal(signal.SIGINT, signal.SIG_DFL)

"""Python in a process of its own, forked from one that has everything imported: a second and not ten.

It is what `python -c TEXT WORD…` is, with folder, environment, output, signals and limits of its own.
What a program costs at its start and what it imports can't be tested so.
"""
import atexit
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from fastricks.grid.cells import context, no_main, no_service
from support.paths import ROOT

MODULE = "import sys\nfrom fastricks.cli.app import main\nmain(sys.argv[1:])\n"             # python -m fastricks
TRAIN = f"import runpy\nrunpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\n"  # python train.py
SECONDS = 300


class Forked:
    """A process that runs `text`, with `words` as sys.argv[1:].

    `env`: what its environment has beside this one's; `terminal`: the name of one to write to, in place of files.
    """
    def __init__(self, text, *words, cwd=ROOT, env=None, terminal=None):
        self.words, self.folder = [str(w) for w in words], tempfile.TemporaryDirectory()
        self.files = [Path(self.folder.name) / name for name in ("out", "err")]
        outputs = [terminal] * 2 if terminal else [str(f) for f in self.files]
        ctx = context()
        with no_main(), no_service():
            args = text, self.words, str(cwd), {**os.environ, **(env or {})}, outputs
            self.process = ctx.Process(target=body, args=args)
            self.process.start()
        self.pid = self.process.pid

    def send_signal(self, number): os.kill(self.pid, number)
    def kill(self): self.send_signal(signal.SIGKILL)

    def wait(self, timeout=SECONDS):
        "A CompletedProcess, as subprocess.run gives it; one that hangs is killed, which is an error"
        self.process.join(timeout)
        hangs = self.process.is_alive()
        if hangs:
            self.process.kill()
            self.process.join()
        out, err = (f.read_text() if f.exists() else "" for f in self.files)
        self.folder.cleanup()
        if hangs: raise subprocess.TimeoutExpired(self.words, timeout, out, err)
        return subprocess.CompletedProcess(self.words, self.process.exitcode, out, err)


def forked(text, *words, timeout=SECONDS, **how):
    "A CompletedProcess of `text` with `words`, that has been waited for; `how`: as Forked takes it"
    return Forked(text, *words, **how).wait(timeout)


def body(text, words, cwd, env, outputs):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is switched off in what a shell's background starts
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    write_to(*outputs)
    sys.argv = ["-c", *words]
    try: exec(compile(text, "<forked>", "exec"), {"__name__": "__main__"})
    finally: atexit._run_exitfuncs()  # as a program does at its end, and a process of multiprocessing does not


def write_to(out, err):
    "Python's own stdout and stderr of two files, by their names, as it makes them at its start"
    for fd, file in ((1, out), (2, err)): os.dup2(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY), fd)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115

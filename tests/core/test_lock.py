"""Locks between processes: one has it, and it ends with the process that took it."""
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import filelock
import pytest
from support.paths import ROOT

from fastricks.core.lock import ProcessLock

TAKE = """import sys, time
from fastricks.core.lock import ProcessLock
lock = ProcessLock(sys.argv[1])
print(lock.take(), flush=True)
"""


def process(file, then="time.sleep(60)"):
    return subprocess.Popen([sys.executable, "-c", TAKE + then, str(file)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_second_process_is_refused_until_the_first_ends(tmp_path, how):
    lock = ProcessLock(tmp_path / "lock")
    with process(tmp_path / "lock") as p:
        assert p.stdout.readline() == "True\n"
        assert not lock.take() and lock.file is None
        p.send_signal(how)
        p.wait()
    assert lock.take()
    with process(tmp_path / "lock", "") as p: assert p.stdout.readline() == "False\n"
    lock.release()
    with process(tmp_path / "lock", "") as p: assert p.stdout.readline() == "True\n"


def test_a_forked_child_does_not_keep_it(tmp_path):
    "A loader's process that outlives its killed parent, as it does for seconds"
    then = "import os\nif not os.fork(): time.sleep(60)\nprint('forked', flush=True)\ntime.sleep(60)"
    lock = ProcessLock(tmp_path / "lock")
    p = subprocess.Popen([sys.executable, "-c", TAKE + then, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True,
                         cwd=ROOT,
                         start_new_session=True)
    try:
        assert [p.stdout.readline(), p.stdout.readline()] == ["True\n", "forked\n"] and not lock.take()
        p.kill()
        p.wait()
        time.sleep(.2)
        assert lock.take()
    finally:
        os.killpg(p.pid, signal.SIGKILL)
        p.stdout.close()
        lock.release()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_ends_does_not_free_it(tmp_path):
    lock = ProcessLock(tmp_path / "lock")
    assert lock.take()
    child = multiprocessing.get_context("fork").Process(target=lock.release)
    child.start()
    child.join()
    assert child.exitcode == 0 and not ProcessLock(tmp_path / "lock").take()
    lock.release()


def test_who_waits_gets_it(tmp_path):
    with process(tmp_path / "lock", "time.sleep(.5)") as p:
        assert p.stdout.readline() == "True\n"
        lock = ProcessLock(tmp_path / "lock")
        assert lock.take(wait=True)
        lock.release()


def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch):
    def none(fd, **kw): raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(filelock, "lock_descriptor", none)
    a, b = ProcessLock(tmp_path / "lock"), ProcessLock(tmp_path / "lock")
    assert a.take() and b.take()
    for o in (a, b): o.release()


def test_what_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError): ProcessLock(tmp_path / "no" / "lock").take()

"""Signals by themselves: no torch, instant."""
import signal
import subprocess
import sys
import time

import pytest
from support.commands import hear_ctrl_c
from support.paths import ROOT


def light(code, *numbers, pause=.3):
    """A process that runs `code`, prints `ready` and gets signals: (exit code, what it said, seconds from the first
    signal)
    """
    with subprocess.Popen([sys.executable, "-c", "from fastricks.core import stop; import time\n" + code],
                          stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, cwd=ROOT, preexec_fn=hear_ctrl_c) as p:
        assert p.stdout.readline() == "ready\n"
        for n in numbers:
            p.send_signal(n)
            time.sleep(pause)
        start = time.monotonic()
        said = p.communicate(timeout=20)[0]
        return p.returncode, said, time.monotonic() - start


HELD = """
with stop.listening(exits=True):
    try:
        with stop.held():
            print("ready", flush=True)
            for _ in range(12): time.sleep(.1)
            print("step done")
        stop.check()
    except stop.Stopped: raise SystemExit(stop.say_stopped())
"""


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_the_first_signal_waits_for_the_step(number, code):
    if signal.getsignal(number) == signal.SIG_IGN: pytest.skip("these tests run under nohup, whose word counts")
    assert light(HELD, number)[:2] == (code, "step done\ninterrupted\n")


def test_sigterm_may_come_often(): assert light(HELD, *[signal.SIGTERM] * 3)[:2] == (143, "step done\ninterrupted\n")


def test_a_second_ctrl_c_stops_at_once():
    code, said, seconds = light(HELD.replace("12", "30"), signal.SIGINT, signal.SIGINT)
    assert (code, said) == (130, "stopped at once\n") and seconds < 1


def test_where_nothing_waits_it_is_heard_at_once():
    code = HELD.replace("with stop.held():", "if True:")
    assert light(code, signal.SIGTERM)[:2] == (143, "interrupted\n")


def test_nohup_counts():
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + HELD
    assert light(code, signal.SIGHUP)[:2] == (0, "step done\n")


def test_a_ctrl_c_that_is_switched_off_stays_off():
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + HELD
    assert light(code, signal.SIGINT)[:2] == (0, "step done\n")

"""SIGTERM, Ctrl-C and a terminal that closes: a training finishes its step and saves; a second Ctrl-C stops at once.
Light.
"""
import os
import signal
import sys
import threading
from contextlib import contextmanager

from . import ranks

SIGNALS = [getattr(signal, s) for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]  # Windows has no last one


class Stopped(KeyboardInterrupt):
    "Somebody asked for an end"


class Asked:
    "What this process was asked: by which signal, whether it is held for a better moment, and how to go on"
    signum, held, pid, exits, how = None, 0, None, False, ""


asked = Asked()


def hear(signum, frame):
    if os.getpid() != asked.pid:
        return  # a loader's process: its parent ends it
    again, asked.signum = asked.signum is not None, asked.signum or signum
    if again and signum == signal.SIGINT:
        at_once()
    if not again and not asked.held:
        raise Stopped("interrupted")


def at_once():
    "What is being written stays behind as a temporary file; what was saved is whole"
    if not asked.exits:
        raise Stopped("stopped at once")
    os.write(2, b"stopped at once\n")
    os._exit(130)


@contextmanager
def listening(exits=False):
    """Hear SIGTERM, SIGHUP and Ctrl-C for a while; with `exits` a second Ctrl-C ends the process without a word to
    anybody.

    Nothing in it is new where somebody listens already, or outside the main thread. A Ctrl-C that is switched off stays
    so.
    """
    if asked.pid == os.getpid() or threading.current_thread() is not threading.main_thread():
        yield
        return
    asked.signum, asked.held, asked.pid, asked.exits, asked.how = None, 0, os.getpid(), exits, ""
    old = {s: signal.signal(s, hear) for s in SIGNALS if signal.getsignal(s) != signal.SIG_IGN}
    try:
        yield
    finally:
        for s, h in old.items():
            signal.signal(s, h)
        asked.pid = None


@contextmanager
def held():
    "The first signal waits until `check`"
    asked.held += 1
    try:
        yield
    finally:
        asked.held -= 1


@contextmanager
def heard():
    "Within `held`: for a while a signal is answered at once, as nothing can be lost"
    check()
    old, asked.held = asked.held, 0
    try:
        yield
    finally:
        asked.held = old


def check():
    if asked.signum is not None:
        raise Stopped("interrupted")


def exit_code(): return 128 + (asked.signum or signal.SIGINT)


def say_stopped():
    "One line on stderr: that it was stopped, and how to go on"
    text = "interrupted" + (f"; {asked.how}" if asked.how else "")
    if ranks.may_tell(text):
        print(text, file=sys.stderr)
    return exit_code()


def leave(code):
    "End the process now: Python's own way out takes seconds, and a second Ctrl-C would end it with a traceback"
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

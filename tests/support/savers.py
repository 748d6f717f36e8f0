"""Processes that do nothing but save, killed at random: `python tests/support/savers.py FOLDER`."""
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

import torch

from fastricks.runfolder.checkpoint import newest, save_checkpoint


def save_on_and_on(folder, n, said):
    while True:
        n += 1
        save_checkpoint(folder, {"n": n, "x": torch.full((100_000,), float(n))}, n)
        os.write(said, b"%d\n" % n)


def kill_one(folder, n, seconds, after_one):
    """(generation that was said to be saved last, generation that is there); with `after_one` not before something is
    said
    """
    r, w = os.pipe()
    pid = os.fork()
    if not pid: save_on_and_on(folder, n, w)
    os.close(w)
    if after_one: select.select([r], [], [])
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(r) as f: said = max(map(int, f.read().split()), default=n)
    state, wrong = newest(folder)
    assert not wrong, wrong
    return said, state["generation"] if state else 0


def main(folder, kills=40):
    draw, n = random.Random(1), 0
    for i in range(kills):
        said, n = kill_one(folder, n, draw.uniform(0, .02), i % 4)
        assert n in (said, said + 1), f"{said} was said to be saved, and {n} is there"
    print(f"{kills} kills")


if __name__ == "__main__": main(Path(sys.argv[1]))

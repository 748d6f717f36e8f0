"""Many real kills of real trainings, and SIGTERMs and Ctrl-Cs: `python tests/support/kill_many.py --kills 200 --signals
100`.

Each run is killed one to three times at random instants and then gone on with until it ends; all that it leaves is
compared with an undisturbed run's. Exit code 1 if anything differs.
"""
import argparse
import os
import sys
import tempfile
from collections import Counter
from itertools import cycle
from pathlib import Path

sys.path[:0] = map(str, Path(__file__).parents[1:3])  # tests/, for support, and the repository
import torch

import support.quiet  # noqa: F401
from support.kills import COMBOS, draws, pair, signal_trial, trial, undisturbed, undisturbed_grid

torch.set_num_threads(1)


def references(names, folder):
    "(what is left, seconds) of each, undisturbed"
    make = lambda c: undisturbed_grid(folder / "ref") if c == "ablation" else undisturbed(c, folder / "ref")
    return {c: make(c) for c in names}


TRIALS = {"kills": trial, "signals": signal_trial, "pairs": pair}


def many(what, n, folder, refs, seed=0):
    "Until `n` processes were killed (stopped): (phases counted, differences)"
    draw, phases, wrong = draws(seed), Counter(), []
    for combo in cycle(refs) if n else ():
        if (left := n - sum(phases.values())) <= 0: break
        want, seconds = refs[combo]
        found, odd = TRIALS[what](combo, folder / "runs", want, seconds, draw, min(3, left))
        phases.update(found)
        wrong += odd
        print(f"{sum(phases.values()):4}  {combo}: "
              f"{', '.join(found) or 'ended before'}{'  DIFFERS ' + str(odd)[:2000] if odd else ''}", flush=True)
    return phases, wrong


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--signals", type=int, default=0)
    p.add_argument("--pairs", type=int, default=0, help="killed runs that two processes go on with at once")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--only", action="append", choices=[*COMBOS, "ablation"])
    a, bad = p.parse_args(), 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ["FASTRICKS_CACHE"] = str(folder / "cache")
        refs = references(a.only or [*COMBOS, "ablation"], folder)
        for what in TRIALS:
            single = {c: r for c, r in refs.items() if what != "pairs" or len(r[0]) == 1}
            phases, wrong = many(what, getattr(a, what), folder, single, a.seed)
            bad += len(wrong)
            print(f"\n{sum(phases.values())} {what}, {len(wrong)} differences")
            for where, k in phases.most_common(): print(f"{k:5}  {where}", flush=True)
    sys.exit(bool(bad))


if __name__ == "__main__": main()

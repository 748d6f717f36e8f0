"""Many real kills of real trainings: `python tests/kill_many.py --kills 200`, or with `--signals 100` SIGTERM and Ctrl-C instead.

Each run is killed one to three times at random instants and then gone on with until it ends; all that it leaves is compared with
an undisturbed run's. Exit code 1 if anything differs.
"""
import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import conftest  # noqa: F401  one thread, no network
import torch
from kills import COMBOS, draws, signal_trial, trial, undisturbed, undisturbed_grid

torch.set_num_threads(1)


def references(names, folder):
    "(what is left, seconds) of each: the longest of two runs, as the first may be slow"
    make = lambda c: undisturbed_grid(folder / "ref") if c == "ablation" else undisturbed(c, folder / "ref")
    return {c: make(c) for c in names}


def many(n, folder, seed=0, signals=False, names=None, say=print):
    "Until `n` processes were killed (stopped): (kills, phases counted, differences)"
    draw, phases, wrong = draws(seed), Counter(), []
    names = names or [*COMBOS, "ablation"]
    refs = references(names, folder)
    i = 0
    while sum(phases.values()) < n:
        combo, i = names[i % len(names)], i + 1
        want, seconds = refs[combo]
        left = n - sum(phases.values())
        one = signal_trial if signals else trial
        found, odd = one(combo, folder / "runs", want, seconds, draw, min(3, left))
        phases.update(found)
        wrong += [(combo, found, o) for o in odd]
        say(f"{sum(phases.values()):4}  {combo}: {', '.join(found) or 'ended before'}{'  DIFFERS ' + str(odd)[:2000] if odd else ''}", flush=True)
    return sum(phases.values()), phases, wrong


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--signals", type=int, default=0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--only", action="append", choices=[*COMBOS, "ablation"])
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        n, phases, wrong = many(a.signals or a.kills, Path(folder), a.seed, bool(a.signals), a.only)
    print(f"\n{n} {'signals' if a.signals else 'kills'}, {len(wrong)} differences")
    for where, k in phases.most_common(): print(f"{k:5}  {where}")
    sys.exit(bool(wrong))


if __name__ == "__main__": main()

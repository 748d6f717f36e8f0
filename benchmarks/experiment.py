"""What an experiment of docs/results.md is: `fastricks` lines, which runs are its own, and what its sources found."""
from dataclasses import dataclass, field

from fastricks.grid.plan import parse_seeds

SEEDS = 3  # of each of the tutorial's rows


@dataclass(frozen=True)
class Tutorial:
    "What the tutorial measured: top-1 in percent and minutes, baseline and with the trick, and its standard deviations"
    top1: float
    sd: float
    minutes: float | None
    base: tuple = (90.21, .18, 43.)

    @property
    def gain(self): return self.top1 - self.base[0]
    @property
    def interval(self):
        "(low, high) of the gain: 95%, by Welch's t"
        from scipy.stats import t
        a, b = self.sd ** 2 / SEEDS, self.base[1] ** 2 / SEEDS
        half = t.ppf(.975, (a + b) ** 2 * (SEEDS - 1) / (a ** 2 + b ** 2)) * (a + b) ** .5
        return self.gain - half, self.gain + half
    @property
    def times(self): return self.minutes and self.minutes / self.base[2]


@dataclass(frozen=True, eq=False)
class Experiment:
    title: str
    about: str
    lines: tuple            # options of `fastricks ablate`, a line each; the first has the baseline
    seeds: str              # of every row
    own: object             # run -> whether it is one of this experiment's; they share a folder, for they share runs
    data: str = "food-101-21"    # as the commands that are kept name it
    weights: str = "WEIGHTS"
    baseline: str | None = None  # as `compare --baseline` takes it, where more than one row has no trick
    tutorial: dict = field(default_factory=dict)  # a row's name (a part of its label) -> Tutorial
    claims: dict = field(default_factory=dict)    # a row's name -> what its source found, in words
    ladder: bool = False    # looks at 5, 8, 12 … seeds; else one look, at a number that was fixed beforehand
    timed: bool = True      # may its times be compared?
    lengths: tuple = ()     # numbers of epochs, each a table of its own, where a gain is set against them

    def runs(self, runs):
        seeds = {*parse_seeds(self.seeds)}
        return [r for r in runs if r.seed in seeds and self.own(r.recipe)]

    @property
    def n_runs(self):
        "Baselines and rows, times seeds"
        parts = [line.split(" -t ") for line in self.lines]
        return len(parse_seeds(self.seeds)) * (len({p[0] for p in parts}) + sum(len(p) - 1 for p in parts))

    def commands(self, **values):
        "The command lines; an advice may name {weights} too"
        values["advice"] = values["advice"].format(**values)
        verb = lambda line: ("ablate", " --jobs 2") if " -t " in line else ("train", "")
        return [f"fastricks {(v := verb(line))[0]} {line} --seeds {self.seeds}{v[1]} --threads 1".format(**values)
                for line in self.lines]

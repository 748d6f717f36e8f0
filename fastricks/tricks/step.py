from dataclasses import dataclass, replace

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Step(Trick):
    "The learning rate falls by a factor at given points of the run."
    at: tuple = key((.375, .75), "points of the whole run: fractions of it if < 1, else epochs, joined by /", above=0)
    gamma: float = key(.1, "the factor", above=0, below=1)

    source = ("LearnOpenCV's baseline (MultiStepLR after epochs 15 and 30 of 40); arXiv 1812.01187 "
              "§2.1")
    formula = "l_s = l · γ^k, k = how many points lie at or before step s; warm-up does not shift them"
    slot = "schedule"

    def schedule(self, sched, plan): return replace(sched, main=self.lr)

    def lr(self, s, sched):
        points = [p * (sched.total if p < 1 else sched.per_epoch) for p in self.at]
        # 1e-6: .3·total may lie just above a whole step
        return sched.lr * self.gamma ** sum(s + 1e-6 >= p for p in points)

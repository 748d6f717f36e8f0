from dataclasses import dataclass, replace

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Warmup(Trick):
    "The learning rate rises linearly to l before the main schedule takes over."
    epochs: float = key(.15, "how long: a fraction of the run if < 1, else epochs (.15 is LearnOpenCV's 6 of 40)",
                        above=0)
    by: str = key("step", "step: s/M at step s = 1…M; epoch: i/m in epoch i = 1…m (LearnOpenCV's tutorial); "
                  "keras: g/M at step g = 0…M−1 (DLology's Keras tutorial)", choices=("step", "epoch", "keras"))
    start: float = key(0., "learning rate to rise from", least=0)

    source = "arXiv 1812.01187 §3.1; the tutorials of LearnOpenCV and DLology"
    formula = "start + (l − start) · s/M"

    def of_length(self): return ["warmup:epochs"] if self.epochs < 1 else []

    def schedule(self, sched, plan):
        if self.start > sched.lr:
            raise UserError(f"warmup:start={self.start:g} lies above the learning rate {sched.lr:g}")
        return replace(sched, warm=self.length(sched), warmup=self.lr)

    def length(self, sched):
        "Steps of warm-up; refused where it would change nothing"
        unit = sched.per_epoch if self.by == "epoch" else 1
        m = round(self.epochs * sched.epochs if self.epochs < 1
                  else self.epochs) if self.by == "epoch" else sched.steps(self.epochs)
        if m < (1 if self.by == "keras" else 2):
            what = "epoch" if self.by == "epoch" else "step"
            raise UserError(f"warmup over {m} {what}{'s' * (m != 1)} changes nothing (epochs={self.epochs:g} of "
                            f"{sched.epochs}, {sched.per_epoch} steps each): give it at least two, as in "
                            "warmup:epochs=2")
        return m * unit

    def lr(self, s, sched):
        if self.by == "epoch":
            i, m = s // sched.per_epoch + 1, sched.warm // sched.per_epoch
        else:
            i, m = (s if self.by == "keras" else s + 1), sched.warm
        return self.start + (sched.lr - self.start) * i / m

from dataclasses import dataclass, replace

from fastricks.trick.base import Trick, key

MOMS = .95, .85, .95  # fit_one_cycle's own


@dataclass(frozen=True)
class OneCycle(Trick):
    "The learning rate rises and falls along cosines, and momentum mirrors it: fastai's fit_one_cycle."
    pct_start: float = key(.25, "share of the run that rises", above=0, below=1)
    div: float = key(25., "it starts from l / div", above=1)
    div_final: float = key(1e5, "it ends at l / div_final", above=1)

    source = "Smith and Topin, arXiv 1708.07120; fastai's fit_one_cycle. Not in arXiv 1812.01187"
    formula = "l/div → l → l/div_final by half cosines, momentum .95 → .85 → .95 (Adam's β₁)"
    slot = "schedule"
    conflicts = {"warmup": "one_cycle has its own warm-up phase, set by pct_start"}

    def schedule(self, sched, plan):
        from fastai.callback.schedule import combined_cos
        lr = combined_cos(self.pct_start, sched.lr / self.div, sched.lr, sched.lr / self.div_final)
        mom = combined_cos(self.pct_start, *MOMS)
        return replace(sched, main=lambda s, sc: float(lr(s / sc.total)), mom=lambda s, sc: float(mom(s / sc.total)))

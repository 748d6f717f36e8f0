from dataclasses import dataclass
from math import log

from fastricks.trick.base import Trick, key, require_uneven


@dataclass(frozen=True)
class LogitAdjustment(Trick):
    """The loss sees logits moved by the classes' shares, so that the network learns what is left without them. Training
    loss only.
    """
    tau: float = key(1., "τ: 1 aims at the balanced error", above=0)

    source = "Menon et al., arXiv 2007.07314, eq. 10"
    formula = "loss = CE(z + τ log π, y), π the training images' shares of the classes; validation and use see z"
    conflicts = {"bce": "it moves the classes of a softmax against each other, and bce asks each class by itself"}
    after = ("label_smoothing",)
    evens = True

    def check_plan(self, plan): require_uneven(self.name, plan)

    def loss(self, loss_func, plan):
        from fastricks.callbacks.losses import Shifted
        self.check_plan(plan)
        return Shifted(loss_func, [self.tau * log(n / sum(plan.counts)) for n in plan.counts])

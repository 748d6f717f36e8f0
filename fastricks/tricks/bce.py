from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key

MIXERS = "mixup", "cutmix"


@dataclass(frozen=True)
class Bce(Trick):
    "Each class is asked for by itself: binary cross-entropy in place of the softmax's. Training loss only."
    threshold: float = key(0., "mixed targets above it count as 1, others as 0; 0 leaves them soft", least=0, below=1)

    source = "Wightman et al., arXiv 2110.00476 §3 (threshold .2); validation and use are softmax of z"
    formula = "loss = −1/(B·K) Σ_i Σ_c [q_ic log σ(z_ic) + (1−q_ic) log(1−σ(z_ic))], q smoothed and mixed"
    after = ("label_smoothing", *MIXERS)

    def check(self, recipe, tricks):
        names = {t.name for t in tricks}
        if self.threshold and not names & {*MIXERS}:
            raise UserError(
                f"bce:threshold={self.threshold:g} is for mixed targets, and here each image has one class: add mixup "
                "or cutmix, or leave it out")
        if self.threshold and "class_weights" in names:
            raise UserError(
                "bce:threshold makes several classes of a mixed image right, and class_weights weighs an image by one: "
                "leave out one of the two")

    def loss(self, loss_func, plan):
        from fastricks.callbacks.losses import BinaryCrossEntropy
        eps = getattr(getattr(loss_func, "func", None), "eps", 0.)  # of fastai's smoothed cross-entropy
        return BinaryCrossEntropy(eps, self.threshold or None)

    def on_loss(self, cbs, plan):
        from fastricks.callbacks.losses import MixedTargets
        return [*cbs, MixedTargets()] if self.threshold else cbs

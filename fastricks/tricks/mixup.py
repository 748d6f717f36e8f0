from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Mixup(Trick):
    "Every image is blended with another, and so is the loss. Training batches only."
    alpha: float = key(.2, "α of Beta(α, α), which λ is drawn from", above=0)
    partner: str = key("batch", "batch: a permutation of the batch; previous: the unmixed batch before "
                                "(LearnOpenCV's tutorial)",
                       choices=("batch", "previous"))
    per: str = key("batch", "one λ a batch (paper, LearnOpenCV), or one a sample (fastai's own MixUp, which takes "
                            "max(λ, 1−λ))",
                   choices=("batch", "sample"))

    source = "arXiv 1812.01187 §5.4, eq. 7 and 8; Zhang et al., arXiv 1710.09412"
    formula = "x̂ = λ x_i + (1−λ) x_j,  loss = λ L(y_i) + (1−λ) L(y_j),  λ ~ Beta(α, α)"
    cost = "one more pass over the pixels of each batch"

    def check(self, recipe, tricks):
        if self.per == "sample" and self.partner == "previous":
            raise UserError("mixup:per=sample is fastai's own MixUp, which mixes within the batch: drop "
                            "partner=previous")

    def on_batch(self, cbs, plan):
        from fastricks.callbacks.mixup import mixup_callback
        return [*cbs, mixup_callback(self.alpha, self.partner, self.per)]

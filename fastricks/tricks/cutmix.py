from dataclasses import dataclass

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Cutmix(Trick):
    "A box of each image comes from another, and the loss is mixed by its share. Training batches only."
    alpha: float = key(1., "α of Beta(α, α), which λ is drawn from", above=0)

    source = "Yun et al., arXiv 1905.04899, eq. 1 and 2; fastai's own CutMix"
    formula = ("x̂ = M·x_i + (1−M)·x_j, M a box of area 1−λ, λ ~ Beta(α, α), then the share of pixels that stayed;  "
               "loss = λ L(y_i) + (1−λ) L(y_j)")
    after = ("mixup",)

    def explain(self, plan):
        return "each batch takes this or mixup, by a draw" if plan.trick("mixup") else self.summary

    def on_batch(self, cbs, plan):
        from fastai.callback.mixup import CutMix, MixHandler

        from fastricks.callbacks.mixup import EitherMix
        mixers = [cb for cb in cbs if isinstance(cb, MixHandler)]
        if not mixers:
            return [*cbs, CutMix(self.alpha)]
        return [*(cb for cb in cbs if cb not in mixers), EitherMix([*mixers, CutMix(self.alpha)])]

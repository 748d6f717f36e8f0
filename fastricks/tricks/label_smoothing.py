from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class LabelSmoothing(Trick):
    "A share ε of the target mass is spread over the other classes. Training loss only."
    eps: float = key(.1, "ε, the share", above=0, below=1)
    form: str = key("paper", "paper: true class 1−ε, others ε/(K−1); uniform: 1−ε+ε/K and ε/K (DLology's "
                             "Keras tutorial, torch, fastai)",
                    choices=("paper", "uniform"))

    source = "arXiv 1812.01187 §5.2, eq. 4; uniform: Szegedy et al., arXiv 1512.00567 §7"
    formula = "q_i = 1 − ε if i = y, else ε/(K−1);  loss = −Σ q_i log p_i"

    def advice(self, recipe, tricks):
        if not any(t.name == "mixup" for t in tricks):
            return []
        return ["label_smoothing with mixup softens the targets twice: the gains of the two rarely add up"]

    def check_plan(self, plan): self.uniform_eps(plan.classes)

    def loss(self, loss_func, plan):
        from fastai.losses import LabelSmoothingCrossEntropyFlat
        return LabelSmoothingCrossEntropyFlat(eps=self.uniform_eps(plan.classes))

    def uniform_eps(self, K):
        "The paper's target with ε is the uniform one with ε·K/(K−1), which fastai's loss takes"
        eps = self.eps if self.form == "uniform" else self.eps * K / (K - 1)
        if eps > 1:
            raise UserError(f"label_smoothing:eps={self.eps:g} leaves the true of {K} classes less than the others: "
                            f"it must be at most {(K - 1) / K:g}")
        return eps

from dataclasses import dataclass

from fastricks.trick.base import Trick, key, require_uneven


@dataclass(frozen=True)
class ClassWeights(Trick):
    "Images of rare classes weigh more in the loss. Training loss only."
    power: float = key(1., "weights go with n_c^(−power): 1 gives all classes the same say, ½ half-way", above=0,
                       most=4)

    source = ("King and Zeng, Logistic Regression in Rare Events Data, 2001, §4.2; compared in Cui et al., arXiv "
              "1901.05555")
    formula = "loss = 1/B Σ_i w_{y_i} L_i,  w_c ∝ n_c^(−power) with mean 1 over the training images"
    after = ("label_smoothing", "logit_adjustment", "bce")
    evens = True

    def advice(self, recipe, tricks):
        if not any(t.name == "logit_adjustment" for t in tricks):
            return []
        return ["class_weights and logit_adjustment both make up for rare classes: together they overdo it"]

    def explain(self, plan):
        w = self.weights(plan)
        return f"an image of the largest class weighs {min(w):.3g}, of the smallest {max(w):.3g}"

    def check_plan(self, plan): require_uneven(self.name, plan)

    def weights(self, plan):
        "[K], whose mean over the training images is 1"
        self.check_plan(plan)
        raw = [n ** -self.power for n in plan.counts]
        mean = sum(n * w for n, w in zip(plan.counts, raw, strict=True)) / sum(plan.counts)
        return [w / mean for w in raw]

    def loss(self, loss_func, plan):
        from fastricks.callbacks.losses import Weighted
        return Weighted(loss_func, self.weights(plan))

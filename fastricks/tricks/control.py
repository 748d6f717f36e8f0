from dataclasses import dataclass

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class Control(Trick):
    "Nothing but other draws: order and views of the training images from another seed. The A/A row of an ablation."
    shift: int = key(1000, "what is added to the seed of order and views", least=1)

    source = "an A/A test; what order and views alone vary: Bouthillier et al., arXiv 2103.03098"
    formula = "order and views from seed + shift; the same split, start weights and head"

    def on_batch(self, cbs, plan):
        from fastricks.callbacks.control import OtherDraws
        return [*cbs, OtherDraws(plan.recipe.seed + self.shift)]

    def caution(self):
        return ["control is an A/A row: “helps” or “hurts” there is a false one, which 5 of 100 tables may have"]

from dataclasses import dataclass, replace

from fastricks.trick.base import Trick


@dataclass(frozen=True)
class TrivialAugment(Trick):
    """Each image goes through one operation, such as a rotation or another contrast, of a random strength. Training
    images only.
    """
    source = "Müller and Hutter, arXiv 2103.10158, algorithm 1; torchvision's TrivialAugmentWide"
    formula = "one of 14 operations, uniformly; its strength one of 31, uniformly; after crop and flip"
    cost = "a pass over the pixels of each image"

    def advice(self, recipe, tricks):
        return (["strong augmentation pays in long runs: in a few epochs it costs accuracy"] if recipe.epochs < 20
                else [])

    def views(self, views, plan):
        from fastricks.data.pixels.trivial import TrivialAugment
        return replace(views, pixels=(*views.pixels, TrivialAugment()))

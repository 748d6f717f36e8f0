from dataclasses import dataclass, replace

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick


@dataclass(frozen=True)
class AlternatingFlip(Trick):
    "An image is mirrored in every other epoch, instead of by a coin each time. Training images only."
    source = "Jordan, arXiv 2404.00498 §3.6"
    formula = "mirrored where (hash of the image's key + epoch) is odd"

    def check(self, recipe, tricks):
        if not recipe.flip:
            raise UserError("alternating_flip is a way to mirror images, which --no-flip forbids: leave out one of "
                            "the two")

    def views(self, views, plan): return replace(views, alternate=True)

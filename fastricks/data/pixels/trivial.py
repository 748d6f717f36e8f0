"""TrivialAugment: one operation of torchvision's list, as a function of a view's draws."""
from functools import cached_property

from torchvision.transforms.autoaugment import InterpolationMode, TrivialAugmentWide, _apply_op

from .views import AUGMENTED

STRENGTHS = 31  # of strength


class TrivialAugment:
    """uint8 [3, h, w] and draws u [3] (operation, strength, sign) -> the same, in torchvision's operations and ranges.
    arXiv 2103.10158
    """
    first_draw, draws = AUGMENTED, 3

    @cached_property
    def space(self): return list(TrivialAugmentWide()._augmentation_space(STRENGTHS).items())

    def chosen(self, u):
        "(operation, strength with its sign)"
        name, (strengths, signed) = self.space[int(u[0] * len(self.space))]
        strength = float(strengths[int(u[1] * STRENGTHS)]) if strengths.ndim else 0.
        return name, -strength if signed and u[2] < .5 else strength

    def __call__(self, x, u): return _apply_op(x, *self.chosen(u), InterpolationMode.NEAREST, None)

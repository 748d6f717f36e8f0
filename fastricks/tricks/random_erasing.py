from dataclasses import dataclass, replace

from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class RandomErasing(Trick):
    "A random box of an image is set to the mean, after all other augmentation. Training images only."
    p: float = key(.25, "share of the images that lose a box", above=0, most=1)

    source = ("Zhong et al., arXiv 1708.04896, algorithm 1; the log of the ratio is uniform, as in timm, torchvision "
              "and fastai")
    formula = ("with probability p a box of .02 to .33 of the area, its height .3 to 3.3 times its width, is 0 after "
               "normalisation")

    def views(self, views, plan):
        from fastricks.data.pixels.erase import Erase
        return replace(views, normalised=(*views.normalised, Erase(self.p)))

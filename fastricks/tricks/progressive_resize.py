from dataclasses import dataclass, replace

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key


@dataclass(frozen=True)
class ProgressiveResize(Trick):
    "Training begins with smaller images, which grow to full size: each epoch has one size. Evaluation is at full size."
    start: float = key(.5, "side of the first epoch's images, a share of --size", above=0, below=1)
    until: float = key(.8, "from when on they are full: a share of the run", above=0, most=1)
    step: int = key(16, "sides are rounded to so many pixels", least=1)

    source = ("Howard, fastai's course (DAWNBench 2018); Composer's Progressive Image Resizing; Tan and Le, arXiv "
              "2104.00298 §4")
    formula = "side = size·(start + (1−start)·min(t/until, 1)) at share t of the run, rounded"
    cost = "saves time: smaller images are cut, not full ones shrunk"

    def check(self, recipe, tricks):
        if self.side(0, recipe) >= recipe.size:
            raise UserError(
                f"progressive_resize changes nothing: the first epoch's images have {recipe.size} pixels too; give a "
                "smaller start or step")
        if recipe.shape or recipe.fit != "crop":
            raise UserError(
                "progressive_resize grows squares that are cropped: leave out --fit, and give --size one number")
        if recipe.compile is True:
            raise UserError("progressive_resize has images of several sizes, and --compile compiles for one: leave "
                            "out one of the two")

    def of_length(self): return ["progressive_resize:until"]
    def least_side(self, recipe): return self.side(0, recipe)

    def side(self, epoch, recipe):
        "Pixels of an epoch's images, 0 the first"
        grown = epoch and min(epoch / (self.until * recipe.epochs), 1)  # the first has no need of how many there are
        share = self.start + (1 - self.start) * grown
        if share == 1:
            return recipe.size
        return min(max(round(recipe.size * share / self.step), 1) * self.step, recipe.size)

    def explain(self, plan):
        sides = [self.side(e, plan.recipe) for e in range(plan.recipe.epochs)]
        return (f"images of {', '.join(str(o) for o in dict.fromkeys(sides))} pixels, full from epoch "
                f"{sides.index(max(sides)) + 1} on")

    def views(self, views, plan): return replace(views, side=lambda epoch: self.side(epoch, plan.recipe))

    def model(self, model, plan):
        from fastricks.model.network import require_size
        require_size(model, self.side(0, plan.recipe), f"progressive_resize: {plan.recipe.arch}")
        return model

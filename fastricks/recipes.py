"""Named recipes, and the defaults that a data source brings."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    about: str      # one line
    source: str     # where it is from
    differs: str    # what still differs from the source
    fields: dict    # of Recipe


# small grey pictures: train at 32 pixels, from scratch, without mirroring
DATA_DEFAULTS = {"digits": dict(size=32, resize=32, pretrained=False, flip=False, epochs=12, batch_size=64, lr=1e-3)}

BLOG = dict(arch="resnet18.tv_in1k", pretrained=True, weights=None, epochs=40, batch_size=32, lr=1e-4, wd=0., opt="adam",
            size=224, resize=256, min_scale=.8, flip=True, valid=0., keep="last", schedule={"step": {"at": (.375, .75), "gamma": .1}},
            tricks={})

RECIPES = {
    "blog": Named("the PyTorch-Lightning tutorial's baseline, to the letter, on all training images",
                  "PyTorch-Lightning tutorial, 'Baseline'; its code for the defaults that the text leaves out",
                  "the test set is used once, on the final weights (the tutorial chose its checkpoint on it and averaged the "
                  "accuracies of batches); pixels are resized by PIL with antialiasing (the tutorial: OpenCV without)", BLOG),
}

"""Named recipes, and the defaults that a data source brings."""
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Named:
    about: str      # one line
    source: str     # where it is from
    differs: str    # what still differs from the source
    fields: dict[str, Any]  # of Recipe


# small grey pictures: train at 32 pixels, from scratch, without mirroring
DATA_DEFAULTS: dict[str, dict[str, Any]] = {"digits": dict(size=32, resize=32, pretrained=False, flip=False, epochs=12,
                                                           batch_size=64, lr=1e-3)}

BLOG = dict(arch="resnet18.tv_in1k", pretrained=True, weights=None, epochs=40, batch_size=32, lr=1e-4, wd=0.,
            opt="adam", size=224, resize=256, min_scale=.8, flip=True, valid=0., keep="last",
            schedule={"step": {"at": (.375, .75), "gamma": .1}}, tricks={})

BLOG_BEST = {**BLOG, "tricks": {"warmup": {"by": "epoch", "epochs": 6.}, "cosine": {}, "label_smoothing": {},
                                "distill": {"teacher": "resnet50.tv_in1k"}}}

PAPER = dict(arch="resnet50", pretrained=False, weights=None, epochs=120, batch_size=256, lr=.1, wd=1e-4, opt="sgd",
             min_scale=.08, valid=0., keep="last", schedule={"step": {"at": (.25, .5, .75), "gamma": .1}},
             tricks={"warmup": {"epochs": 5.}})

PAPER_BEST = {**PAPER, "batch_size": 1024, "epochs": 200, "tricks": {
    "linear_scaling": {"base": 256},
    "warmup": {"epochs": 5.},
    "amp": {},
    "zero_gamma": {},
    "no_bias_decay": {},
    "resnet_d": {},
    "cosine": {},
    "label_smoothing": {},
    "distill": {"teacher": "resnet152d", "form": "sum"},
    "mixup": {},
}}

KERAS = dict(arch="resnet50", pretrained=False, weights=None, epochs=100, batch_size=256, lr=.1, wd=.02, opt="sgd",
             valid=0., keep="last", tricks={
                 "warmup": {"by": "keras", "epochs": 10.},
                 "cosine": {},
                 "label_smoothing": {"form": "uniform"},
                 "zero_gamma": {},
                 "no_bias_decay": {},
             })

FROM_A_HEAD = {"one_cycle": {}, "head_first": {"C": .003}, "freeze": {"stages": 0, "averages": "all"}}

FAST = dict(epochs=3, batch_size=16, lr=2e-4, tricks={**FROM_A_HEAD, "amp": {}})

BEST = dict(epochs=12, batch_size=16, lr=5e-4, tricks={**FROM_A_HEAD, "trivial_augment": {}})

RESULTS = "this project's own comparisons, docs/results.md: chosen on the validation split, confirmed with fresh seeds"

NO_BATCHNORM = "A network without BatchNorm needs -t=-freeze"

ONCE = "the test set is used once, on the final weights"

RECIPES = {
    "blog": Named(
        "LearnOpenCV's baseline, to the letter, on all training images",
        "LearnOpenCV's tutorial, 'Baseline'; its published code for the defaults that the text leaves out",
        f"{ONCE} (the tutorial chose its checkpoint on it and averaged the accuracies of batches); pixels are resized "
        "with antialiasing (the tutorial: OpenCV without), crops cut from photos brought down to 256 pixels "
        "(--pipeline reference: from the file); its code had warm-up on, its text had not: it is off", BLOG),
    "blog-best": Named(
        "LearnOpenCV's four tricks together: warm-up, cosine, label smoothing, distillation from a ResNet-50",
        "LearnOpenCV's tutorial, 'Trick combination'",
        "as blog; cosine has the formula's rate after warm-up (the tutorial's was 1.04 times that); "
        "the teacher sees what the student sees, in eval mode", BLOG_BEST),
    "paper": Named(
        "the paper's baseline: ResNet-50 from scratch, SGD with Nesterov momentum, steps at a quarter, half and three "
        "quarters",
        "arXiv 1812.01187 §2.1 and §3.1",
        f"no colour jitter and no PCA noise; {ONCE}; whatever data you give instead of ImageNet", PAPER),
    "paper-best": Named(
        "the paper's whole stack: batch 1024 with linear scaling, all of the bag, ResNet-50-D",
        "arXiv 1812.01187 §3 to §5, table 6",
        "as paper; mixup and distillation in one run (the paper's rows add them in turn); the teacher, a ResNet-152-D, "
        "is trained on your data first; 16-bit as the device has it", PAPER_BEST),
    "fast": Named(
        "fine-tuning of pre-trained weights in about a quarter of twelve epochs' time: the new head is fitted first, "
        "BatchNorm keeps its averages, three epochs of one-cycle in small batches, 16 bits where they are faster",
        RESULTS, "measured on ResNet-18 and EfficientNet-Lite0, with 45 to 180 photos a class: with 180, twelve epochs "
                 f"are 1.4 points more accurate. {NO_BATCHNORM}", FAST),
    "best": Named(
        "fine-tuning of pre-trained weights for the highest accuracy: the new head is fitted first, BatchNorm keeps "
        "its averages, twelve epochs of one-cycle in small batches, TrivialAugment",
        RESULTS, f"measured on EfficientNet-Lite0; another network may want another --lr. {NO_BATCHNORM}", BEST),
    "keras": Named(
        "the pieces of DLology's Keras tutorial together: SGD 0.1 at batch 256, warm-up, cosine, smoothing, zero γ, no "
        "bias decay",
        "DLology's Keras tutorial; its l2(0.01) is a weight decay of 0.02",
        "the tutorial shows pieces, not a training: ResNet-50, 100 epochs with 10 of warm-up and these crops are its "
        "examples' or ours; Nesterov momentum .9 where its SGD has none; "
        "for another batch add linear_scaling:base=256", KERAS),
}

"""The experiments of docs/results.md: `fastricks ablate` lines, and what the tutorial found."""
from dataclasses import dataclass, field

from fastricks.grid.plan import parse_seeds
from fastricks.recipe.recipe import resolve

DATA = "--data {data} --size 64 --resize 64 --per-class {per_class} --epochs {epochs}"
FINE = f"{DATA} --weights {{weights}} --lr 3e-4"
SCRATCH = f"{DATA} --no-pretrained --lr 1e-3 --opt adamw --wd 0.01"
TEACHER = "distill:teacher=resnet18,weights={weights}"
PUBLIC = "--data {data} --arch tf_efficientnet_lite0 --weights {weights} --size 128 --per-class 150 --rest valid"
LITE = "--data {data} --arch tf_efficientnet_lite0 --weights {weights}"
FEW, SMALL = f"{LITE} --size 96 --per-class 60 --valid 0.25", f"{LITE} --size 64"
AUGMENTED = "one_cycle+head_first+trivial_augment"
FOUR = f"warmup+cosine+label_smoothing+{TEACHER}"
SEEDS = 3  # of each of the tutorial's rows


@dataclass(frozen=True)
class Tutorial:
    "What the tutorial measured: top-1 in percent and minutes, baseline and with the trick, and its standard deviations"
    top1: float
    sd: float
    minutes: float | None
    base: tuple = (90.21, .18, 43.)

    @property
    def gain(self): return self.top1 - self.base[0]
    @property
    def interval(self):
        "(low, high) of the gain: 95%, by Welch's t"
        from scipy.stats import t
        a, b = self.sd ** 2 / SEEDS, self.base[1] ** 2 / SEEDS
        half = t.ppf(.975, (a + b) ** 2 * (SEEDS - 1) / (a ** 2 + b ** 2)) * (a + b) ** .5
        return self.gain - half, self.gain + half
    @property
    def times(self): return self.minutes and self.minutes / self.base[2]


@dataclass(frozen=True, eq=False)
class Experiment:
    title: str
    about: str
    lines: tuple            # options of `fastricks ablate`, a line each; the first has the baseline
    seeds: str              # of every row
    own: object             # run -> whether it is one of this experiment's; they share a folder, for they share runs
    data: str = "food-101-21"    # as the commands that are kept name it
    weights: str = "WEIGHTS"
    baseline: str | None = None  # as `compare --baseline` takes it, where more than one row has no trick
    tutorial: dict = field(default_factory=dict)  # a row's name (a part of its label) -> Tutorial

    def runs(self, runs):
        seeds = {*parse_seeds(self.seeds)}
        return [r for r in runs if r.seed in seeds and self.own(r.recipe)]

    @property
    def n_runs(self):
        "Baselines and rows, times seeds"
        parts = [line.split(" -t ") for line in self.lines]
        return len(parse_seeds(self.seeds)) * (len({p[0] for p in parts}) + sum(len(p) - 1 for p in parts))

    def commands(self, **values):
        "The command lines; an advice may name {weights} too"
        values["advice"] = values["advice"].format(**values)
        verb = lambda line: ("ablate", " --jobs 2") if " -t " in line else ("train", "")
        return [f"fastricks {(v := verb(line))[0]} {line} --seeds {self.seeds}{v[1]} --threads 1".format(**values)
                for line in self.lines]


def fine(recipe): return bool(recipe.weights)
def batches(recipe): return fine(recipe) and {*recipe.tricks} <= {"linear_scaling"}
def at_32(recipe): return fine(recipe) and recipe.batch_size == 32
def lite(recipe): return recipe.arch.startswith("tf_efficientnet_lite0")
def public(recipe): return lite(recipe) and recipe.size == 128
def named(recipe, name):
    return {k: recipe.tricks.get(k) for k in ("freeze", "head_first")} == {
        k: resolve({}, recipe=name).tricks.get(k) for k in ("freeze", "head_first")}


def of_few(recipe):
    few = lite(recipe) and recipe.size == 96 and recipe.per_class == 60 and recipe.rest == "unused"
    return few and (not recipe.tricks or named(recipe, "fast") or named(recipe, "best"))


def imbalanced(recipe): return lite(recipe) and "imbalanced" in str(recipe.data)


EXPERIMENTS = {
    "table8": Experiment(
        "The tutorial's Table 8, fine-tuned",
        "Each trick alone against the baseline, the tutorial's best four together, and one row that it lacks: "
        "one-cycle. The weights that all start from were trained on Food-101's other 80 classes at 64 pixels. The "
        "teacher (the tutorial's: a ResNet-50) is the student's own architecture, from the same weights, "
        "trained by the tool with warm-up, cosine and smoothing.",
        (f"{FINE} -t warmup -t amp:dtype=bf16 -t cosine -t label_smoothing -t {TEACHER} -t mixup "
         f"-t {FOUR} --advise",
         f"{FINE} -t one_cycle"), "5", at_32,
        tutorial={"warmup": Tutorial(90.29, .02, 50), "amp": Tutorial(90.36, .11, 35),
                  "cosine": Tutorial(90.38, .19, 36),
         "label_smoothing": Tutorial(91.05, .27, 37), "distill": Tutorial(90.72, .17, 58),
                  "mixup": Tutorial(90.66, .26, 36),
         "warmup+cosine+label_smoothing+distill": Tutorial(91.14, .18, 57)}),
    "table1": Experiment(
        "The tutorial's Table 1: batch sizes, with and without linear scaling",
        "Batches of 16, 64 and 96 against 32, at the baseline's learning rate and at one scaled with the batch.",
        (FINE, *(f"{FINE} --batch-size {n} -t linear_scaling:base=32" for n in (16, 64, 96))), "3", batches,
        baseline="baseline, batch_size 32",
        tutorial={"batch_size 16": Tutorial(90.21, .35, 45), "batch_size 64": Tutorial(90.14, .16, 33),
                  "batch_size 96": Tutorial(89.81, .13, 32)}),
    "scratch": Experiment(
        "From scratch",
        "No pre-trained weights; AdamW with a weight decay of 0.01, so that there is a decay to take from biases.",
        (f"{SCRATCH} -t zero_gamma -t no_bias_decay -t resnet_d -t one_cycle",
         f"{SCRATCH} -t warmup -t amp:dtype=bf16 -t cosine -t label_smoothing -t distill:teacher=resnet18 -t mixup "
         "-t warmup+cosine+label_smoothing+distill:teacher=resnet18"), "3", lambda r: not fine(r)),
    "advice": Experiment(
        "The advice, followed",
        "What `ablate --advise` chose from the rows of Table 8 (on the validation split: what is resolved to help "
        "there, or else the best by its mean), against the baseline and the tutorial's best, with fresh seeds.",
        (f"{FINE} -t {{advice}} -t {FOUR}",), "5-9", at_32),
    "public": Experiment(
        "Photos and weights that anyone can get: a first look",
        "Food-101's first ten classes (the 4,400 photos of [public.csv](results/public.csv), made by `fastricks "
        "prepare food-101.tgz food-101-10 --list public.csv --side 192`, which prints 2190449d2b58), 1,350 of them for "
        "training, and EfficientNet-Lite0 from its ImageNet weights: which learning rate, what head-first fine-tuning "
        "with one-cycle adds, and whether a quarter of the epochs will do (not here). These photos lay in the "
        "archive's own folders, and training photos are drawn by their paths: a folder made so trains on others of the "
        "same list. The baseline's best rate is the highest that was tried. Not the whole table yet, and three seeds: "
        "what is open stays open until there are more.",
        (f"{PUBLIC} --epochs 12 --lr 3e-4", *(f"{PUBLIC} --epochs 12 --lr {lr} -t one_cycle+head_first -t {AUGMENTED}"
                                              for lr in ("1e-3", "3e-3")),
         *(f"{PUBLIC} --epochs 3 --lr {lr} -t one_cycle+head_first" for lr in ("1e-3", "3e-3"))), "0-2", public,
        data="food-101-10", weights="tf_efficientnet_lite0.safetensors", baseline="baseline, lr 0.003"),
    "recipes": Experiment(
        "The recipes fast and best",
        "Food-101's first ten classes, 450 photos for training, and EfficientNet-Lite0 from its ImageNet weights at 96 "
        "pixels: `--recipe fast` (a linear probe: every seed gives the same model) and `--recipe best` against a "
        "baseline at its own best learning rate of 3e-4, 1e-3, 3e-3 and 1e-2, chosen by the validation split's "
        "cross-entropy. Both recipes were chosen on another seed by the cross-entropy, at the fitted temperature, of "
        "2,850 photos that no training saw (n = 1 each): baseline 1.54; fast 1.29; best at a rate of 2e-4 1.20, at "
        "5e-4 1.15, at 1e-3 1.20, without freeze:averages=all 1.32, and with label_smoothing beside it 1.43. In a "
        "quarter of the epochs, one_cycle+head_first in batches of 32 1.61, of 16 1.59, of 8 1.59; with layer_decay "
        "1.64, freeze:stages=3 1.56, progressive_resize 1.77, stored answers of a teacher (one_cycle+head_first+"
        "trivial_augment, 12 epochs) 1.49, freeze:averages=all and trivial_augment 1.30. What the recipes gain here "
        "they gain over a fine-tuning that replaces BatchNorm's averages by those of small batches of small photos; on "
        "the 1,890 photos and weights of Table 8 (64 pixels, ResNet-18) fast has 46.9% (one run) "
        "and the baseline 55.0% (of five, on another machine).",
        (f"{FEW} --epochs 12 --lr 3e-3", f"{FEW} --recipe fast", f"{FEW} --recipe best"), "5-12", of_few,
        data="food-101-10", weights="tf_efficientnet_lite0.safetensors", baseline="baseline, lr 0.003"),
    "imbalance": Experiment(
        "Ten times as many photos of some classes as of others",
        "Five of Food-101's first ten classes have 80 photos, five have 8 ([imbalanced.csv](results/imbalanced.csv), a "
        "tenth of them kept for validation); the test photos, 110 a class, are balanced, so that top-1 accuracy is "
        "balanced accuracy. EfficientNet-Lite0 from its ImageNet weights at 64 pixels, four epochs of `--recipe best`.",
        (f"{SMALL} --recipe best --epochs 4 -t class_weights -t logit_adjustment",), "0-4",
        imbalanced, data="imbalanced.csv", weights="tf_efficientnet_lite0.safetensors",
        baseline="freeze:stages=0,averages=all+head_first+one_cycle+trivial_augment"),
}

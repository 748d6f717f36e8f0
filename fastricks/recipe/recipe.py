"""Recipe: everything that a training is made from, as plain data. The only configuration there is."""
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from ..core import ranks
from ..core.errors import UserError, nearest, one_of, shorten
from ..core.files import read_json
from ..core.words import parse_time
from ..model.options import is_option, require_options
from ..runfolder.record import is_soup
from ..runfolder.trackers import parse_log as trackers
from ..trick.base import T, Trick
from ..trick.range import Range
from .named import DATA_DEFAULTS, RECIPES
from .registry import adopt, build_tricks, check_all, origins, schedules, with_later_keys
from .select import select
from .size import sides_of, size_of, split_size

FIND = "find"  # --lr before it is found; the recipe of a run has the number
AUTO = "auto"  # --compile or --layout before a probe has decided; the recipe of a run has what it decided
BY_PROBE = "compile", "layout"
FULL_16 = 2**16 - 1  # the highest level of 16 bits
# fields that 0.1.0 lacked, and what it did: where a recipe.json leaves them out, that is meant
LATER: dict[str, Any] = {
    "trick_files": {},
    "arch_option": {},
    "rest": "unused",
    "drop_duplicates": False,
    "group_by": None,
    "icc": False,
    "white": FULL_16,
    "fit": "crop",
    "channels": 3,
    "shape": None,
    "class_order": "text",
    "xmp": False,
    "log": None,
    "layout": "channels_last",
}
DATA_DECIDES = "icc", "white", "class_order", "xmp"  # of these, what the data decides where nobody says it
CHOSEN_BY = {"last": "accuracy", "best": "accuracy", "best:macro_f1": "macro_f1",
             "best:balanced_accuracy": "balanced_accuracy",
             "best:loss": "valid_loss"}  # --keep -> the column of history.csv that it and --patience go by
KEEPS = tuple(CHOSEN_BY)


def option(default: T, help: str, numeric: bool = True, flag: str | None = None, metavar: str | None = None,
           word: str | None = None, reads: Callable[[object], Any] | None = None, **limits: Any) -> T:
    """A field of the recipe and its option: default, help, whether it changes the weights, its name, its range, a word
    in place of a number, what reads a value that is written in a way of its own."""
    about = dict(help=help, numeric=numeric, flag=flag, metavar=metavar, word=word, reads=reads, range=Range(**limits))
    return field(default=default, metadata=about)


def pairs_field(help: str, metavar: str) -> Any:
    "A field of names and values, whose option is given once for each, as NAME=VALUE"
    about = dict(help=help, numeric=True, flag=None, metavar=metavar, word=None, reads=None, range=None)
    return field(default_factory=dict, metadata=about)


def plain_field(default: T, numeric: bool = True) -> T:
    return field(default_factory=lambda: default, metadata=dict(numeric=numeric, help=None))


@dataclass(frozen=True)
class Recipe:
    data: str = option("digits", "digits, food-101-21, food-101, a folder, or a CSV of path,label")
    classes: str | None = option(None, "only these classes: names joined by commas, a file of names, or food-101-21")
    per_class: int | None = option(None, "at most this many training images of each class", least=1)
    valid: float = option(.1, "share of the training images kept for validation; 0 trains on all", least=0, below=1)
    rest: str = option("unused", "what the images above --per-class are: unused, or valid, looked at once at the end "
                                 "with the validation images",
                       choices=("unused", "valid"))
    drop_duplicates: bool = option(False, "leave out training images whose file is a validation or test image too",
                                   flag="--drop-duplicates/--no-drop-duplicates")
    group_by: str | None = option(None, "images of one group stay on one side: a regular expression over names, or a "
                                        "table's column",
                                  metavar="REGEX|COLUMN")
    class_order: str | None = option(None, "numbers as class names: natural (1, 2, 10), or text (1, 10, 2), by their "
                                           "letters (default: natural)",
                                     choices=("natural", "text"))
    max_bad: float = option(.01, "share of unreadable images above which to give up", numeric=False, least=0, most=1)
    arch: str = option("resnet18.tv_in1k", "any timm model")
    arch_option: dict = pairs_field(
        "what timm is to make the network with, as drop_path_rate=.1; give it once for each", "NAME=VALUE")
    pretrained: bool = option(True, "start from timm's weights (default for photos)",
                              flag="--pretrained/--no-pretrained")
    weights: str | None = option(None, "start from these weights: FILE.safetensors", metavar="FILE")
    epochs: int = option(40, "number of training epochs", least=1, most=100_000)
    batch_size: int = option(32, "images a batch, of each process where torchrun starts several", least=2)
    lr: float = option(1e-4, "learning rate; find: what fastai's lr_find suggests, before the training", word=FIND,
                       metavar="RATE|find", above=0)
    wd: float = option(0., "weight decay", least=0)
    opt: str = option("adam", "adam or adamw (betas .9, .999), sgd (Nesterov, momentum .9)",
                      choices=("adam", "adamw", "sgd"))
    seed: int = option(0, "seed of order, augmentation, new weights and tricks", least=0, most=2**63 - 1)
    size: int = option(224, "input image size in pixels, or width x height, as 320x240", reads=size_of, metavar="N|WxH",
                       least=8)
    resize: int | None = option(None, "evaluation: shorter side before the centre crop (default: 8/7 of --size)",
                                least=8)
    min_scale: float = option(.8, "training: smallest share of a photo's area that a random crop takes", above=0,
                              most=1)
    fit: str = option("crop", "how a photo of another shape fills it: crop (the middle), pad (the whole photo on "
                              "grey), squish (the whole photo)",
                      choices=("crop", "pad", "squish"))
    channels: int = option(3, "that the network takes: 3, or 1 for grey", least=1, most=3)
    icc: bool | None = option(None, "bring colours of wide-gamut and CMYK profiles to sRGB (default: where a sample "
                                    "of the images has such)",
                              flag="--icc/--no-icc")
    white: int | None = option(None, "level of 16-bit images that is white (default: what a sample's bits reach, as "
                                     "4095 of 12)",
                               least=1, most=FULL_16)
    flip: bool = option(True, "training: random horizontal flip (p=0.5)", flag="--flip/--no-flip")
    keep: str = option("last", "which weights to keep: last, or best by accuracy, or another number, of the "
                               "validation split", choices=KEEPS)
    patience: int | None = option(None, "stop after this many epochs without a better validation accuracy, or what "
                                        "--keep goes by", least=1)
    pipeline: str = option("fast", "how pixels are made: fast (decoded once, crops from those pixels) or reference "
                                   "(PIL, each crop from the file)",
                           choices=("fast", "reference"))
    device: str = option("auto", "cpu, cuda (cuda:1 is one of several GPUs), mps, or auto",
                         choices=("auto", "cpu", "cuda", "mps"), numbered="cuda", metavar="auto|cpu|cuda[:N]|mps")
    compile: bool | str = option(False, "train the network compiled by torch, which takes a minute first; --compile "
                                        "auto: where a probe finds that it pays in a run of this length",
                                 flag="--compile/--no-compile", word=AUTO)
    layout: str = option("channels_last", "how weights and images lie in memory: channels_last, contiguous, or auto: "
                                          "what is faster here by a short probe",
                         choices=("channels_last", "contiguous", AUTO))
    sync_bn: bool = option(False, "several processes: BatchNorm over the images of all (CUDA)",
                           flag="--sync-bn/--no-sync-bn")
    threads: int | None = option(None, "torch's CPU threads (default: the cores this process may use)", least=1,
                                 most=1024)
    workers: int | None = option(None, "processes that load images (default: by the size of images and machine)",
                                 numeric=False,
                              least=0)
    wandb: str | None = option(None, "W&B: online, offline or disabled (default: online when logged in, else offline)",
                            numeric=False, choices=("online", "offline", "disabled"))
    log: str | None = option(None, "log to these too, joined by commas: tensorboard, mlflow; W&B is --wandb's",
                             numeric=False,
                             metavar="tensorboard,mlflow")
    name: str | None = option(None, "name of the run's folder (default: made from the recipe)", numeric=False)
    out: str = option("runs", "folder that run folders go to", numeric=False, metavar="DIR")
    checkpoint_every: str | None = option(None,
                                          "save a checkpoint whenever this much time has passed, 0s after each step "
                                          "(default: at an epoch's end and every 5 minutes, in at most 1% of the time)",
                                          numeric=False, metavar="30s|10m")
    # the named recipe that this one came from
    recipe: str = plain_field("", numeric=False)
    # the recipe's own main schedule
    schedule: dict = plain_field({"step": {}}, numeric=False)
    # name -> keys, of what is switched on
    tricks: dict = plain_field({})
    # width x height, where they differ; then `size` is the longer
    shape: str | None = plain_field(None)
    # is a photo turned by an orientation that XMP alone keeps?
    xmp: bool | None = plain_field(None)
    # among which batches are shared out; None: not settled yet
    processes: int | None = plain_field(None)
    # tricks from outside: name -> file or entry point, and hash
    trick_files: dict = plain_field({}, numeric=False)

    def __post_init__(self) -> None:
        for f in fields(self):
            check_field(f, getattr(self, f.name))

    @property
    def from_scratch(self) -> bool: return not self.pretrained and not self.weights

    @property
    def keeps_best(self) -> bool: return self.keep != "last"

    @property
    def chosen_by(self) -> str:
        "The column of history.csv by which --keep chooses and --patience waits"
        return CHOSEN_BY[self.keep]

    @property
    def sides(self) -> tuple[int, int]:
        "(width, height) of what the network sees"
        return sides_of(self.size, self.shape)

    @property
    def image_size(self) -> int | tuple[int, int]:
        "As timm takes img_size: a square's side, or (height, width)"
        return self.size if self.shape is None else self.sides[::-1]

    @property
    def whole_batch(self) -> int:
        "Images of a batch of all processes together"
        return self.batch_size * (self.processes or ranks.world())

    @property
    def active(self) -> dict[str, dict[str, Any]]:
        """name -> all keys, of every trick in effect: those switched on, and the recipe's own main schedule if none of
        them is one
        """
        on = self.tricks if any(n in schedules() for n in self.tricks) else {**self.schedule, **self.tricks}
        return {t.name: t.keys() for t in build_tricks(on)}

    def make_tricks(self) -> tuple[Trick, ...]: return build_tricks(self.active)

    @property
    def as_dict(self) -> dict[str, Any]:
        "What recipe.json has of it"
        out = asdict(self)
        return {k: v for k, v in out.items() if k not in LATER or v != LATER[k]}  # older versions do not know it

    def to_json(self) -> str: return json.dumps(self.as_dict, indent=2, ensure_ascii=False)


def options() -> list[Field[Any]]: return [f for f in fields(Recipe) if f.metadata["help"]]


def flag_of(name: str) -> str: return "--" + name.replace("_", "-")


def takes_word(f: Field[Any]) -> bool:
    "Is it a flag that knows a word beside yes and no?"
    return bool(f.metadata.get("flag") and f.metadata.get("word"))


def check_field(f: Field[Any], v: object) -> None:
    limits, word = f.metadata.get("range"), f.metadata.get("word")
    if v is None or limits is None or v == word:
        return
    if takes_word(f) and not isinstance(v, bool):
        said = f"{flag_of(f.name)} takes no value but {word}, and {shorten(v)!r} was given"
        raise UserError(said + nearest(v, [word]))
    limits.require(f"{flag_of(f.name)} ", v, lambda x: x if isinstance(x, str) else f"{x:g}")


def resolve(given: Mapping[str, Any], selection: Iterable[str] = (), recipe: "str | Recipe | None" = None) -> Recipe:
    """The Recipe of a command line: defaults < the data source's own < a named recipe < options < -t.

    `given`: field -> value of the options that were given; `selection`: the -t texts; `recipe`: a name, a run folder or
    a recipe.json. Raises UserError for all that can be known to be wrong without data.
    """
    base = load_recipe(recipe) if recipe else {}
    data = given.get("data") or base.get("data") or Recipe.data
    if "size" in given:
        given = {**given, **split_size(size_of(given["size"]))}
    merged = {**DATA_DEFAULTS.get(data, {}), **base, **given}
    if "weights" in given and given["weights"] and "pretrained" not in given:
        merged["pretrained"] = False
    if "pretrained" in given and "weights" not in given:
        merged["weights"] = None
    if "size" in given and "resize" not in given:
        merged["resize"] = same_margin(given["size"], {**DATA_DEFAULTS.get(data, {}), **base})
    merged["tricks"] = select(merged.get("tricks", {}), selection)
    outside = origins([*merged["tricks"], *merged.get("schedule", {})])
    merged["trick_files"] = {**named_only(merged), **outside}
    return settle_fields(Recipe(**at_home(merged)))


PLACES = "data", "classes", "weights", "out"


def at_home(given: Mapping[str, Any]) -> dict[str, Any]:
    "Fields of a recipe whose `~` is the user's home: a shell knows it at a word's beginning only, Python nowhere"
    home = {k: os.path.expanduser(v) for k, v in given.items() if k in PLACES and str(v).startswith("~")}
    return {**given, **home}


def named_only(merged: Mapping[str, Any]) -> dict[str, Any]:
    "A recipe's trick files without those of tricks that are off"
    return {name: origin for name, origin in merged.get("trick_files", {}).items() if name in merged["tricks"]}


def check_rest(r: Recipe) -> None:
    if r.rest == "unused":
        return
    if not r.per_class:
        raise UserError("--rest valid is about the images that --per-class leaves out: give both, or neither")
    if r.valid == 0:
        raise UserError("--rest valid adds to the validation images: give --valid above 0")


def same_margin(size: int, old: Mapping[str, Any]) -> int | None:
    "The --resize that leaves the margin of the recipe's or the data's own sizes; None where they have none"
    return round(size * old["resize"] / old["size"]) if old.get("size") and old.get("resize") else None


def settle_fields(recipe: Recipe) -> Recipe:
    "Fill in what follows from other fields, write out every key of every trick, and check the whole"
    resize = recipe.resize or round(recipe.size * 8 / 7)
    tricks = {t.name: t.keys() for t in build_tricks(recipe.tricks)}
    schedule = {t.name: t.keys() for t in build_tricks(recipe.schedule)}
    r = replace(recipe, resize=resize, tricks=tricks, schedule=schedule)
    if r.channels not in (1, 3):
        raise UserError(f"--channels {r.channels} is neither 3 nor 1, for grey")
    if min(r.sides) < 8:
        raise UserError(f"--size {r.shape}: give at least 8 pixels a side")
    if resize < r.size:
        raise UserError(f"--resize {resize} is smaller than --size {r.size}: the centre crop would not fit")
    check_rest(r)
    if r.valid == 0 and r.keeps_best:
        raise UserError(f"--keep {r.keep} chooses by the validation split: give --valid above 0")
    if r.valid == 0 and r.patience:
        raise UserError("--patience watches the validation split: give --valid above 0")
    parse_time(r.checkpoint_every)
    if "wandb" in trackers(r.log) and r.wandb == "disabled":
        raise UserError("--log wandb and --wandb disabled: give one of them")
    require_options(r.arch_option)
    if r.name and (Path(r.name).name != r.name or r.name in (".", "..")):
        raise UserError(f"--name {r.name} must be a plain name: choose the place with --out")
    check_all(r, r.make_tricks())
    return r


def load_recipe(name: "str | Recipe") -> dict[str, Any]:
    "Fields that a named recipe, a run folder or a recipe.json sets, or those of a Recipe"
    if isinstance(name, Recipe):
        return {f.name: getattr(name, f.name) for f in fields(Recipe)}
    if name in RECIPES:
        return {"recipe": name, **RECIPES[name].fields}
    path = Path(name).expanduser()
    file = path / "recipe.json" if path.is_dir() else path
    if not file.is_file():
        near = nearest(name, RECIPES) or f"; recipes: {one_of(RECIPES)}"
        raise UserError(f"no recipe is called {name!r}, and no such run folder is there{near}")
    if is_soup(file.parent) and file.name == "recipe.json":
        raise UserError(
            f"{name} is a soup, an average of finished runs: it has no recipe that can be trained; name one of the "
            "runs that it is made of")
    return read_recipe(file)


def read_recipe(file: str | Path) -> dict[str, Any]:
    "Fields of a recipe.json, names and incidental choices of the old run left out"
    try:
        got = read_json(file)["recipe"]
    except (ValueError, KeyError, TypeError, OSError) as e:
        raise UserError(f"{file} is not the recipe of a run ({type(e).__name__})") from None
    known = {f.name for f in fields(Recipe)}
    if not isinstance(got, dict) or (new := set(got) - known):
        raise UserError(f"{file} has fields this version does not know: {one_of(sorted(new))}" if isinstance(got, dict)
                        else f"{file} is not the recipe of a run")
    require_types(got, file)
    adopt(got.get("trick_files", {}))
    return {k: v for k, v in recorded_fields(got).items()
            if k not in ("name", "out", "wandb", "log", "workers", "checkpoint_every", "processes")}


def recorded_fields(got: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a recipe.json, with the fields and the keys of tricks that came after it was written: they have what
    keeps its meaning
    """
    own = {k: with_later_keys(v) if k in ("tricks", "schedule") else v for k, v in got.items()}
    return {**LATER, **own}


def require_types(got: Mapping[str, Any], file: str | Path) -> None:
    "What a stranger's recipe.json may have put in place of numbers and words"
    hints = get_type_hints(Recipe)
    for k, v in got.items():
        ok = isinstance(v, hints[k]) or (isinstance(v, int) and hints[k] is float)
        if isinstance(v, dict):
            ok = ok and all(is_option(*o) if k == "arch_option" else isinstance(o[1], dict) for o in v.items())
        if not ok or (isinstance(v, bool) and hints[k] not in (bool, bool | None, bool | str)):
            raise UserError(f"{file} is not the recipe of a run: its {k} is {shorten(repr(v))}")
    shape, size = got.get("shape"), got.get("size")
    if shape is not None and split_size(size_of(shape)) != {"size": size, "shape": shape}:
        raise UserError(f"{file} is not the recipe of a run: its shape is {shorten(repr(shape))}")

"""A trained model in use: pixels made as its run's own evaluation made them, answers with names."""
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar, overload

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as F

from ..core.calls import require_count
from ..core.errors import UserError, one_of, plural, visible
from ..core.machine import cores
from ..core.rand import seeded
from ..core.words import Say
from ..data.pixels.ahead import ahead
from ..data.pixels.canonical import as_torch, canonical, scaled
from ..data.pixels.decoding import FULL_WHITE, PLAIN, Decoding
from ..data.pixels.fits import eval_view, is_plain, put_pil
from ..data.pixels.image import Unreadable, decode, quiet, reason, upright_rgb
from ..data.pixels.views import empty
from ..data.source import Item
from ..model.layout import CHANNELS_LAST, lay_out
from ..model.network import arch_cfg, check_arch, load_exactly, make_network
from ..model.weights import read_meta
from ..recipe.plan import arch_kwargs
from ..recipe.size import sides_of
from .saved import Saved
from .unknown import conformal, percent_of, rule_of_coverage

if TYPE_CHECKING:
    from fastai.learner import Learner

MOST_PIXELS = 10_000  # pixels of a photo's side that a stranger's file may ask for
Bad = Callable[[Any, str], object]  # is told of an image that can't be read, and why
ONE_IMAGE = str, Path, bytes, bytearray, memoryview, Image.Image, Item


class Prediction(NamedTuple):
    "What a model says about an image: classes from the most probable on"
    path: str | Path | None     # as it was given; None for what is no file
    labels: list[str]           # k class names
    probabilities: list[float]  # k numbers

    @property
    def label(self) -> str: return self.labels[0]
    @property
    def p(self) -> float: return self.probabilities[0]


class Frame(NamedTuple):
    "What a network sees of a photo, as a recipe has it"
    size: int
    resize: int
    fit: str
    shape: str | None

    @property
    def sides(self) -> tuple[int, int]: return sides_of(self.size, self.shape)


class Predictor:
    """A trained model with all that is needed to use it; `fastricks.load` makes it.

    run: Path of the run's folder; recipe: its Recipe, None for a model file alone; classes: names in the order of the
    outputs; model: the timm module, in eval mode, fp32, in the recipe's layout; meta: arch, classes, size, resize, fit,
    shape, icc, white, xmp, mean, std, pipeline, kwargs; device: torch's; temperature: that of its validation images, by
    which logits are divided before probabilities are made of them, 1 where it keeps none.
    """
    def __init__(self, saved: Saved, model: torch.nn.Module, meta: dict[str, Any], device: str) -> None:
        self.saved, self.run, self.recipe, self.meta = saved, saved.run, saved.recipe, meta
        self.classes: list[str] = list(meta["classes"])
        self.device = torch.device(device)
        layout = self.recipe.layout if self.recipe else CHANNELS_LAST
        self.model = lay_out(model, self.device, layout).eval()
        self.how = Decoding(meta["icc"], meta["white"], meta["xmp"])
        self.frame = Frame(meta["size"], meta["resize"], meta["fit"], meta["shape"])
        self.view = eval_view(self.frame)
        self.temperature: float = meta.get("temperature", 1.)
        self.mean, self.std = (torch.tensor(meta[k], device=self.device).view(1, -1, 1, 1) for k in ("mean", "std"))

    def __repr__(self) -> str:
        return (f"Predictor({str(self.run)!r}: {self.meta['arch']}, {plural(len(self.classes), 'class', 'classes')}, "
                f"{self.device})")

    def predict(self, images: Any, k: int = 5, bs: int = 64, threads: int | None = None,
                bad: Bad | None = None, raw: bool = False) -> list[Prediction]:
        """A list of `Prediction`s, the `k` most probable classes of each image.

        `images`: one or several of: the path of a file, an open file or an encoded file's bytes, a PIL image, a uint8
        array [h, w, 3] or [h, w], a tensor [3, h, w]. `k`: 1 or more; `bs`: how many go through the network together;
        `threads`: how many decode files ahead (default: as many as there are cores, 8 at most). An image that can't be
        read is a UserError, or, with `bad`, is told to it as `bad(image, reason)` and left out. `raw`: probabilities at
        temperature 1, as predictions.csv has them, not at the fitted one.
        """
        require_count("predict: k=", k)
        with quiet():
            return [o for given, logits in self.stream(listed(images), bs, threads, bad)
                    for o in self.named(given, self.softmax(logits, raw), k)]

    def probs(self, images: Any, bs: int = 64, threads: int | None = None, bad: Bad | None = None,
              raw: bool = False) -> torch.Tensor:
        "Probabilities [n, K] float32 of images, which are what `predict` takes; `raw`: at temperature 1"
        with quiet():
            got = [self.softmax(logits, raw).float() for _, logits in self.stream(listed(images), bs, threads, bad)]
        return torch.cat(got) if got else torch.zeros(0, len(self.classes))

    def stream(self, images: Iterable[Any], bs: int = 64, threads: int | None = None,
               bad: Bad | None = None) -> Iterator[tuple[list[Any], torch.Tensor]]:
        """Yields (images, logits [n, K] float32 on the CPU) of up to `bs` at a time, in the order of the iterable
        `images` and as soon
        as they are known."""
        require_count("bs=", bs)
        if threads is not None:
            require_count("threads=", threads, 0)
        some: list[Any] = []
        xs: list[torch.Tensor] = []
        for image, x in ahead(self.attempt, images, min(8, cores()) if threads is None else threads, 2 * bs):
            if isinstance(x, str):
                (bad or refuse)(image, x)
                continue
            some.append(image)
            xs.append(x)
            if len(xs) == bs:
                yield some, self.logits(torch.cat(xs))
                some, xs = [], []
        if xs:
            yield some, self.logits(torch.cat(xs))

    def softmax(self, logits: torch.Tensor, raw: bool = False) -> torch.Tensor:
        "Probabilities [n, K] float64 of logits at the fitted temperature; `raw`: at 1"
        return (logits.double() / (1. if raw else self.temperature)).softmax(1)

    def calibrated(self, raw: bool = False) -> str:
        "Of which temperature probabilities are, in words"
        if raw:
            return "probabilities at temperature 1, as predictions.csv has them"
        if "temperature" not in self.meta:
            return "probabilities at temperature 1: no validation images have calibrated this model"
        if self.temperature == 1:
            return "probabilities at temperature 1: all validation images are right, which no temperature fits"
        return f"probabilities at temperature {self.temperature:.3g}, which fits the validation images"

    def least_probability(self, coverage: float) -> float:
        """The probability that a class must have to be in an image's set, by the validation images: of images like them
        the set has the true class with this `coverage` (.50 to .99, whole percents). One that no class has it for is
        none of the classes, or a hard one.

            new = [o for o in run.predict(photos) if o.p < run.least_probability(.9)]
        """
        return conformal(self.meta, percent_of(coverage))[1]

    def unknown(self, images: Any, coverage: float = .9, bs: int = 64) -> list[bool]:
        """Of each image, which are what `predict` takes, whether it is unknown: its energy (log Σ exp of the logits) is
        below that of the share `coverage` (.50 to .99, whole percents) of images like the validation images
        """
        rule = rule_of_coverage(self.meta, coverage)
        return [rule.judge(o.labels, o.probabilities, energy).unknown
                for given, logits in self.stream(listed(images), bs)
                for o, energy in zip(self.named(given, self.softmax(logits), len(self.classes)),
                                     logits.double().logsumexp(1).tolist(), strict=True)]

    def named(self, images: list[Any], probs: torch.Tensor, k: int = 5) -> list[Prediction]:
        "Predictions of images by their probabilities [n, K]"
        p, at = probs.topk(min(k, len(self.classes)))
        return [Prediction(path_of(o), [self.classes[i] for i in ks], ps)
                for o, ks, ps in zip(images, at.tolist(), p.tolist(), strict=True)]

    @torch.inference_mode()
    def logits(self, x: torch.Tensor) -> torch.Tensor:
        "float32 [n, K] on the CPU of 8-bit pixels [n, 3, h, w]"
        return self.model(scaled(x.to(self.device), self.mean, self.std)).float().cpu()

    def pixels(self, image: Any) -> torch.Tensor:
        """uint8 [1, 3, h, w]: what evaluation sees of an image, whose kind is one that `predict` takes; raises
        Unreadable
        """
        x, resize = raw(image, self.how), self.meta["resize"]
        if self.meta["pipeline"] == "reference":
            im = decode(io.BytesIO(x) if isinstance(x, bytes) else x, how=self.how)
            return as_torch(np.array(self.crop(im)))
        out = empty(1, *self.frame.sides[::-1])
        self.view.cut(canonical(x, resize, self.how), None, None, out)
        return out

    def crop(self, im: Image.Image) -> Image.Image:
        "What the reference pipeline's evaluation sees of a photo"
        if is_plain(self.frame):
            return F.center_crop(F.resize(im, self.frame.resize), self.frame.size)
        size, at = self.view.place(im.height, im.width)
        return put_pil(im, size, at, self.frame.sides)

    def attempt(self, image: Any) -> tuple[Any, torch.Tensor | str]:
        "(image, its pixels or the reason why there are none)"
        try:
            return image, self.pixels(image)
        except Unreadable as e:
            return image, str(e)

    def learner(self, data: str | Path | None = None, say: Say = print) -> "Learner":
        """A fastai Learner of the model with its DataLoaders: `dls.train`, `dls.valid`, `dls.test`; for interpretation,
        `tta`, more training.

        The data is opened where the run found it, and must be what it was trained on (UserError); `data` opens another
        place instead, which may have fewer classes. The optimizer is the recipe's, the loss plain cross-entropy: a
        run's tricks belong to its training, which `fastricks train --recipe RUN --weights RUN/model.safetensors`
        repeats from here. The Learner has its own copy of the model. `say` gets notes about the data.
        """
        from .refit import learner_of_predictor
        return learner_of_predictor(self, data, say)


P = TypeVar("P", bound=Predictor)


@overload
def open_predictor(saved: Saved, device: str | None = "auto") -> Predictor: ...
@overload
def open_predictor(saved: Saved, device: str | None, kind: type[P]) -> P: ...
def open_predictor(saved: Saved, device: str | None = "auto", kind: type[Predictor] = Predictor) -> Predictor:
    "The Predictor of a Saved, or a `kind` of it"
    from ..core.machine import pick_device
    device = pick_device(str(device or "auto"))
    with plainly():
        meta = facts(saved)
        with seeded(0):
            model = make_network(meta["arch"], len(meta["classes"]), meta["kwargs"], image_size(meta))
        return kind(saved, load_exactly(model, meta["arch"], saved.file), meta, device)


def image_size(meta: dict[str, Any]) -> int | tuple[int, int]:
    "As timm takes img_size: a square's side, or (height, width)"
    return sides_of(meta["size"], meta["shape"])[::-1] if meta["shape"] else meta["size"]


@contextmanager
def plainly() -> Iterator[None]:
    "Nobody gave --weights here"
    try:
        yield
    except UserError as e:
        raise UserError(str(e).removeprefix("--weights ")) from None


def facts(saved: Saved) -> dict[str, Any]:
    "All that must be known to use the weights: what they say of themselves, else what the run's recipe says"
    meta, r = read_meta(saved.file), saved.recipe
    if r:
        meta = {**{k: getattr(r, k) for k in ("arch", "size", "resize", "pipeline", "fit", "shape", "white")},
                **{k: bool(getattr(r, k)) for k in ("icc", "xmp")}, **meta}
    if lacks := [k for k in ("arch", "classes", "size") if not meta.get(k)]:
        raise UserError(
            f"{saved.file} does not say its {one_of(lacks)}: give the model.safetensors of a run")
    check_arch(meta["arch"])
    cfg = arch_cfg(meta["arch"])
    meta = {"resize": round(meta["size"] * 8 / 7), "mean": cfg.mean, "std": cfg.std, "pipeline": "fast", "fit": "crop",
            "shape": None,
            "icc": False, "xmp": False, **meta, "white": meta.get("white") or FULL_WHITE}
    if not meta["size"] <= meta["resize"] <= MOST_PIXELS:
        raise UserError(f"{saved.file} asks for a centre crop of {meta['size']} from {meta['resize']} pixels, which "
                        "can't be")
    if meta["shape"] and max(sides_of(meta["size"], meta["shape"])) != meta["size"]:
        raise UserError(f"{saved.file} says that it takes {meta['shape']} pixels and also {meta['size']}, which can't "
                        "be")
    return {"kwargs": arch_kwargs(r, len(meta["classes"])) if r else {}, **meta}


def listed(images: Any) -> list[Any]:
    "A list of images, of one or several in any of the forms that `predict` takes"
    if isinstance(images, ONE_IMAGE) or hasattr(images, "read"):
        return [images]
    if isinstance(images, np.ndarray) and images.dtype.kind in "UO":
        return images.ravel().tolist()
    if isinstance(images, np.ndarray | torch.Tensor) and images.ndim < 4:
        return [images]
    if not isinstance(images, Iterable):
        raise UserError(
            f"{images!r} is no image: give a path, bytes, an open file, a PIL image, an array or a tensor, or several "
            "of them")
    return list(images)


def raw(o: Any, how: Decoding = PLAIN) -> str | Path | bytes | np.ndarray:
    "What `canonical` takes: a path, bytes, or a uint8 array"
    if isinstance(o, Item):
        o = o.image
    if hasattr(o, "read"):
        o = o.read()
    if isinstance(o, bytearray | memoryview):
        o = bytes(o)
    if isinstance(o, torch.Tensor):
        from ..data.pixels.photo import of_tensor
        return of_tensor(o)
    if not isinstance(o, Image.Image):
        return o
    try:
        return np.array(upright_rgb(o, how))
    except Exception as e:
        raise Unreadable(reason(e)) from e  # its file is read only now


def path_of(o: object) -> str | Path | None:
    return o if isinstance(o, str | Path) else o.name if isinstance(o, Item) else None


def refuse(image: object, why: str) -> NoReturn:
    raise UserError(f"{visible(path_of(image) or 'the image')} can't be read ({why})")

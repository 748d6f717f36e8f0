"""A trained run looked at: its answers to images, theirs or others, measured; the terminal's table, a page and a JSON file."""
import math
from dataclasses import dataclass, replace
from pathlib import Path

from . import page_parts as parts
from . import quality
from .errors import UserError, plural, shorten, visible
from .results import WORD, images_of, read_run
from .runs import write, write_json

TTA = "mean of the probabilities of the centre crop and of its mirror image"


@dataclass(frozen=True)
class Evaluation:
    "What a run's model makes of some images"
    run: object              # results.Run
    data: str                # name of the images' data
    split: str               # theirs, or "" where there are none
    own: bool                # is it the data that the run was trained on?
    tta: bool
    numbers: dict            # as metrics.json has them: top1, top5, correct, n, loss
    images: object           # results.Images
    quality: quality.Quality
    notes: tuple
    see: object              # name -> data URI of the image

    @property
    def where(self): return f"the {WORD[self.split] + ' ' if self.split in WORD else f'{self.split} ' if self.split else ''}images of {self.data}"

    def record(self):
        "All numbers as plain data; None where there is none"
        q, value = self.quality, lambda v: {"value": clean(v.value), "low": clean(v.low), "high": clean(v.high)}
        return {"run": self.run.name, "identity": self.run.identity, "data": self.data, "own_data": self.own, "split": self.split or None,
                "tta": TTA if self.tta else None, **self.numbers,
                "intervals": {k: [clean(v.low), clean(v.high)] for k, v in (("top1", q.top1), ("top5", q.top5), ("loss", q.loss))},
                "macro_f1": value(q.f1), "ece": {**value(q.ece), "bins": quality.BINS},
                "classes": [{"class": r.name, "n": r.n, "predicted": r.predicted, "correct": r.hits,
                             **{k: value(getattr(r, k)) for k in ("precision", "recall", "f1")}} for r in q.rows],
                "classes_without_images": q.absent, "taken_for_those": q.astray,
                "reliability": [{"low": b.low, "high": b.high, "n": b.n, "confidence": clean(b.confidence), "accuracy": value(b.accuracy)} for b in q.bins],
                "confused": [{"class": a, "predicted": b, "n": n} for a, b, n in quality.confused(q, 20)],
                "highest_losses": [str(self.images.names[i]) for i in quality.worst(self.images, parts.WORST)],
                "confusion": q.confusion.tolist(), "intervals_are": q.how(), "notes": list(self.notes)}


def clean(x): return None if math.isnan(x) else x


def evaluate(run, data=None, split=None, tta=False, say=print):
    """The Evaluation of a finished run's folder: on its own test images (validation where there are none), or on other `data`.

    `data`: what --data takes; classes go by name and need not all be there. `split`: train, valid or test. `tta`: averages the
    probabilities of each centre crop and its mirror image, the same for whoever asks. `say` gets notes. Without TTA the numbers
    of the run's own test images are those of its metrics.json. Raises UserError for what can't be opened.
    """
    run = finished(run)
    chosen = choose_images(run, data, split)
    from .load import load
    p = load(run.folder)
    return evaluated(run, chosen, p, tta, say)


def finished(folder):
    "The results.Run of a folder, or a UserError"
    if not (Path(folder) / "recipe.json").is_file(): raise UserError(f"{folder} is not the folder of a run: it has no recipe.json")
    try: return read_run(folder)
    except ValueError as e: raise UserError(f"{folder} is no finished run ({e}): `fastricks resume {folder}` goes on with it" if str(e).startswith(
        ("unfinished", "failed", "interrupted")) else f"{folder} can't be read: {e}") from None


def choose_images(run, data, split):
    from .data.others import choose
    from .files import weights_meta
    return choose(run, weights_meta(run.folder / "model.safetensors")["classes"], data, split)

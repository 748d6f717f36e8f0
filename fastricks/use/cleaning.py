"""`fastricks clean`: labels that out-of-fold probabilities speak against, as a page and a table. Light until it begins.

Each fold is trained by the project's own training, on what is not in it. Confident learning (Northcutt, Jiang and
Chuang, arXiv 1911.00068; cleanlab's) finds the labels.
"""
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import UserError, nearest, one_of, plural
from ..core.files import rows_to_csv, write, writing
from ..core.words import Say
from ..data.source import REST, Item, Source, is_path
from ..data.sources.decisions import DECISIONS, KEEP
from ..recipe.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    from numpy import ndarray

LABELS, PAGE = "labels.csv", "labels.html"


class Suspect(NamedTuple):
    "A photo whose label may be wrong"
    name: str           # as the data has it
    label: str          # as given
    suggested: str      # the class with the highest out-of-fold probability
    confidence: float   # that probability
    score: float        # the given label's: the lower, the more suspicious


@dataclass(frozen=True)
class Cleaning:
    "What `clean` found: where its page and its table are, and the suspects, the most suspicious first"
    page: Path
    table: Path
    n: int                     # labels that were looked at
    suspects: tuple[Suspect, ...]

    @property
    def frame(self) -> "pd.DataFrame":
        import pandas as pd
        return pd.DataFrame(self.suspects, columns=Suspect._fields)

    @property
    def lines(self) -> list[str]:
        share = f"{len(self.suspects) / self.n:.1%}"
        return [f"{len(self.suspects):,} of {plural(self.n, 'label')} suspicious ({share}): {self.page}",
                f"decide    in the column decision of {self.table}: {one_of(DECISIONS)}; then give --data {self.table}"]

    def __repr__(self) -> str: return "\n".join(self.lines)


@dataclass(frozen=True)
class CleanOptions:
    "How labels are looked at"
    folds: int = 5
    decide: str = KEEP                          # the decision that suspects begin with
    to: str | PathLike[str] | None = None       # a folder; None: clean-DATA below the recipe's --out


def clean_labels(recipe: Recipe, asked: CleanOptions, say: Say = print) -> Cleaning:
    """Train a recipe once for each fold, and write the labels of its training and validation photos that the others
    speak against.

    The folds are a function of the recipe's seed and stratified; copies, and groups of --group-by, are kept in one. A
    fold that is trained already is found and not trained again. Test photos are neither trained on nor looked at; the
    table has them as they are. Raises UserError, before any training for what can be known then.
    """
    check_clean(asked)
    from ..data.checked import open_data
    from ..data.sources.open import group_reader
    from ..training.settle import settle_machine
    recipe = settle_machine(recipe)
    source = open_data(recipe, say=say)
    require_files(source)
    folder = new_folder(asked.to or Path(recipe.out, f"clean-{source.name}"))
    items, group_of = [o for o in source.items if o.split != "test"], group_reader(recipe)
    folds = parted(source, items, asked.folds, recipe.seed, group_of)
    there, probs = out_of_fold(recipe, source, [[o for o in items if folds[o.name] == k] for k in range(asked.folds)],
                               FoldTable(folder, group_of), say)
    found, scores = judged(there, probs, source.classes)
    rows = table_rows(source, found, scores, asked.decide, FoldTable(folder, group_of))
    write(folder / LABELS, rows_to_csv(rows))
    write(folder / PAGE, page_of(recipe, source, found, there))
    return Cleaning(folder / PAGE, folder / LABELS, len(there), tuple(found))


# -- before any training

def check_clean(asked: CleanOptions) -> None:
    if asked.folds < 2:
        raise UserError(f"--folds {asked.folds}: give 2 or more")
    if asked.decide not in DECISIONS:
        raise UserError(
            f"--decide {asked.decide} is none of {one_of(DECISIONS)}{nearest(asked.decide, DECISIONS)}")
    if not find_spec("cleanlab"):
        raise UserError("clean needs cleanlab: pip install 'fastricks[clean]'")


def require_files(source: Source) -> None:
    if odd := next((o for o in source.items if not is_path(o.image)), None):
        raise UserError(f"clean is for files, and {odd.name} of {source.name} is none: give a folder or a CSV")


def new_folder(to: str | PathLike[str]) -> Path:
    "The folder, with no table of labels in it: that may hold decisions of a person"
    folder = Path(os.path.abspath(Path(to).expanduser()))
    if (folder / LABELS).exists():
        raise UserError(f"{folder / LABELS} is there, perhaps with your decisions: move it, or choose another folder "
                        "with --to")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def parted(source: Source, items: list[Item], n: int, seed: int, group_of: Any) -> dict[str, int]:
    "{name: its fold}"
    from ..data.folds import folds_of
    from ..data.same import pixel_checksums, same_files
    return folds_of(items, n, seed, group_of, same_files(items, pixel_checksums(source)))


# -- the folds

class FoldTable:
    "Rows of a table of images in a folder, which --data takes: paths as they are seen from there, groups if there are"
    def __init__(self, folder: Path, group_of: Any) -> None: self.folder, self.group_of = folder, group_of

    def row(self, o: Item, split: str) -> dict[str, Any]:
        group = {"group": self.group_of(o)} if self.group_of else {}
        return {"path": self.path(o), "label": o.label, "split": split, **group}

    def path(self, o: Item) -> str:
        image = os.path.abspath(str(o.image))
        try:
            return Path(os.path.relpath(image, self.folder)).as_posix()
        except ValueError:
            return image  # on another drive

    def write(self, fold: Sequence[Item], others: Iterable[Item], name: str) -> Path:
        "A table in which a fold is the test set of what is trained on the others"
        rows = [*(self.row(o, "train") for o in others), *(self.row(o, "test") for o in fold)]
        write(self.folder / name, rows_to_csv(rows))
        return self.folder / name


def out_of_fold(recipe: Recipe, source: Source, folds: list[list[Item]], table: FoldTable,
                say: Say) -> "tuple[list[Item], ndarray]":
    "(the Items that can be read, their probabilities [n, K] by the network that was trained without their fold)"
    import numpy as np
    there: list[Item] = []
    probs = []
    for k, fold in enumerate(folds):
        say(f"fold {k + 1} of {len(folds)}: {plural(len(fold), 'image')} out of fold")
        others = [o for j, other in enumerate(folds) if j != k for o in other]
        data = table.write(fold, others, f"fold-{k + 1}-of-{len(folds)}.csv")
        own, p = trained_without(of_fold(recipe, data, table), fold, source.classes, say)
        there += own
        probs.append(p)
    return there, np.concatenate(probs)


def of_fold(recipe: Recipe, data: Path, table: FoldTable) -> Recipe:
    "The recipe of a fold's training: its table says which images and classes there are"
    return replace(recipe, data=str(data), classes=None, per_class=None, rest="unused", drop_duplicates=False,
                   group_by="group" if table.group_of else None, name=None, out=str(table.folder / "folds"))


def trained_without(recipe: Recipe, fold: list[Item], classes: Sequence[str],
                    say: Say) -> "tuple[list[Item], ndarray]":
    "The recipe trained, or found, and what its network makes of the fold: (Items that can be read, probabilities)"
    from .evaluate import logits_of
    from .predictor import open_predictor
    from .saved import find_saved
    from .train import train
    run = train(recipe, say, job_type="clean", resume=True)
    p = open_predictor(find_saved(run.folder), recipe.device)
    there, logits = logits_of(p, fold, 2 * recipe.batch_size, bad=lambda o, why: say(f"left out: {o.name} ({why})"))
    return there, p.softmax(logits)[:, [p.classes.index(c) for c in classes]].numpy()


# -- what they say

def judged(items: list[Item], probs: "ndarray", classes: Sequence[str]) -> tuple[list[Suspect], dict[str, float]]:
    """(Suspects, the most suspicious first; {name: the probability of its given label}).

    Confident learning says how many labels are wrong; those with the lowest probability of their own are suspects, so
    that there is one order.
    """
    import numpy as np
    from cleanlab.filter import find_label_issues
    given = np.array([classes.index(o.label) for o in items])
    order = find_label_issues(given, probs, filter_by="low_self_confidence", n_jobs=1,
                              return_indices_ranked_by="self_confidence")
    own, best = probs[np.arange(len(given)), given], probs.argmax(1)
    found = [Suspect(items[i].name, items[i].label, classes[best[i]], float(probs[i, best[i]]), float(own[i]))
             for i in order.tolist()]
    return found, {o.name: float(p) for o, p in zip(items, own, strict=True)}


def table_rows(source: Source, found: list[Suspect], scores: dict[str, float], decide: str,
               table: FoldTable) -> list[dict[str, Any]]:
    "All images: the suspects first, then the others by their score, then those that were not looked at"
    of, place = {o.name: o for o in source.items}, {s.name: i for i, s in enumerate(found)}
    last = len(found)
    order = sorted(of, key=lambda name: (place.get(name, last), scores.get(name, 2.), name))
    return [{**table.row(of[name], "valid" if of[name].split == REST else of[name].split),
             "suggested": found[place[name]].suggested if name in place else "",
             "score": f"{scores[name]:.4f}" if name in scores else "",
             "decision": decide if name in place else KEEP} for name in order]


def page_of(recipe: Recipe, source: Source, found: list[Suspect], looked_at: list[Item]) -> str:
    from ..report.pages.labels import labels_page
    return labels_page(recipe, source, found, looked_at, LABELS)

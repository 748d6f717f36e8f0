"""A finished run in Python: its files, its numbers and its model, as one object."""
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.errors import plural
from ..core.files import read_json
from ..core.words import duration
from ..report.html import TABLE_STYLE, Html, png_element, table_element
from ..report.listing import soup_words
from ..report.runs import SPLIT_WORD, read_run
from ..runfolder.record import soup_of
from .predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from fastai.learner import Learner
    from matplotlib.figure import Figure


class Run(Predictor):
    """A finished run: `fastricks.load` opens one, `fastricks.train` leaves one.

    folder: its Path, of a model file alone that file's folder; recipe: its Recipe (None for a model file alone); learn:
    the fastai Learner that was trained, of `fastricks.train` alone; classes, model, meta, device, `predict`, `probs`
    and `learner()` are the Predictor's. It stands for its folder wherever a path is taken: `fastricks.evaluate(run)`,
    `Path(run)`.
    """
    learn: "Learner | None" = None

    def __fspath__(self) -> str: return str(self.folder if self.saved.recipe else self.file)

    @property
    def folder(self) -> "Path": return self.saved.run

    @property
    def file(self) -> "Path":
        "Its model.safetensors"
        return self.saved.file

    @cached_property
    def metrics(self) -> dict[str, Any]:
        "What metrics.json has: top1, top5, correct, n, loss, split, seconds …; {} for a model file alone"
        file = self.folder / "metrics.json"
        return read_json(file) if self.saved.recipe and file.is_file() else {}

    @cached_property
    def record(self) -> dict[str, Any]:
        "What recipe.json has; {} for a model file alone"
        return read_json(self.folder / "recipe.json") if self.saved.recipe else {}

    @cached_property
    def history(self) -> "pd.DataFrame":
        "A row an epoch: epoch, lr, train_loss, valid_loss, accuracy, seconds …"
        return self.table("history.csv")

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        "A row for each image that the run was evaluated on: image, label, predicted, its probability, rank and loss"
        return self.table("predictions.csv")

    def table(self, name: str) -> "pd.DataFrame":
        "A CSV of the run's folder; empty for a model file alone"
        import pandas as pd
        file = self.folder / name
        return pd.read_csv(file) if self.saved.recipe and file.is_file() else pd.DataFrame()

    def __repr__(self) -> str: return f"Run({str(self.folder)!r}: {self.summary})"

    @property
    def summary(self) -> str:
        "`resnet18, 10 classes, top-1 98.61% of 359 test images`"
        what = f"{self.meta['arch'].split('.')[0]}, {plural(len(self.classes), 'class', 'classes')}"
        return f"{what}, top-1 {self.metrics['top1']:.2%} of {self.images}" if self.metrics else what

    @property
    def images(self) -> str:
        "`359 test images`: what its numbers are of"
        return f"{self.metrics['n']:,} {SPLIT_WORD.get(self.metrics['split'], self.metrics['split'])} images"

    def facts(self) -> dict[str, str]:
        "What the run is, in words"
        m, r = self.metrics, self.recipe
        classes = plural(len(self.classes), "class", "classes")
        out = {"folder": str(self.folder), "network": f"{self.meta['arch']}, {classes}"}
        if r and (soup := soup_of(self.record.get("facts"))):
            out |= {"data": r.data, "made of": soup_words(soup, r.seed).removeprefix("soup of ")}
        elif r:
            out |= {"data": r.data, "tricks": " + ".join(r.tricks) or "none",
                    "epochs": f"{r.epochs}, batch {r.batch_size}, seed {r.seed}"}
        if m:
            out |= {"top-1": f"{m['top1']:.2%} ({m['correct']:,} of {self.images})",
                    "cross-entropy": f"{m['loss']:.4f}",
                    "time": f"{duration(m['train_seconds'])} of training"}
        return out

    def _repr_html_(self) -> str:
        facts = table_element(("run", self.folder.name), [("", row) for row in self.facts().items()],
                              ("words", "words"))
        curves = [png_element(self.curves(), f"Learning curves of {self.folder.name}")] if len(self.history) else []
        return str(Html("\n").join([Html("<style>{}</style>").format(TABLE_STYLE), facts, *curves]))

    def curves(self) -> "Figure":
        "Losses and validation accuracy of the epochs, as a matplotlib Figure"
        from ..report.pages.pictures import draw_curves
        return draw_curves(read_run(self.folder).history)

    def show(self) -> None:
        "Show the numbers and the curves in a notebook; elsewhere print the numbers and where the run's page is"
        from fastcore.imports import IN_NOTEBOOK
        if IN_NOTEBOOK:
            from IPython.display import HTML, display
            display(HTML(self._repr_html_()))
            return
        for k, v in self.facts().items():
            print(f"{k:<14}{v}")
        if (page := self.folder / "index.html").is_file():
            print(f"{'page':<14}{page}")

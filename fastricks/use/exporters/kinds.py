"""The formats that a trained model can be written in: a file `to_*.py` in this folder is one. Light."""
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..predictor import Predictor


class Exporter:
    """Base of all formats. A subclass stands in a file `to_*.py` that imports nothing heavy at its top: its facts are
    for `--help`.

    An export is one file, whose name ends in `suffix`, or, where that is empty, a folder of `files`.
    """
    name = ""                     # as `--to` takes it
    meaning = ""                  # for whom it is
    suffix = ""                   # of its file
    files: tuple[str, ...] = ()   # in its folder
    needs: tuple[str, ...] = ()   # modules that must be installed

    def write(self, p: "Predictor", x: "Tensor", out: Path, sizes: Sequence[int]) -> float:
        """Write a Predictor's model to the path `out`, and return the largest difference of its logits from the model's
        own.

        What is written has first been read back and asked for the logits of pixels `x` in batches of `sizes`, as
        `common.agree` does; where they differ it is a UserError, and what lay at `out` before is still there.
        """
        raise NotImplementedError

    def how(self, p: "Predictor", out: Path) -> list[str]:
        "Lines that say how to use what was written"
        return []

    def default_path(self, folder: Path, weights: Path) -> Path:
        "Where the export of a run's folder and its file of weights goes if nobody says"
        return weights.with_suffix(self.suffix) if self.suffix else folder / self.name


def exporters() -> dict[str, Exporter]:
    "name -> Exporter, in the order of their files; looked up anew each time"
    from .. import exporters as package
    names = [m.name for m in iter_modules(package.__path__) if m.name.startswith("to_")]
    modules = [import_module(f"{package.__name__}.{name}") for name in names]
    found = [exporter_in(m)() for m in modules]
    return {o.name: o for o in found}


def exporter_in(module: ModuleType) -> type[Exporter]:
    classes = [o for o in vars(module).values() if isinstance(o, type) and issubclass(o, Exporter)]
    return next(o for o in classes if o.__module__ == module.__name__)

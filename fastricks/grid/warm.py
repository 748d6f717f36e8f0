"""Imported by the process that an ablation's trainings are forked from, as multiprocessing takes the names of modules:
all that a training imports, once for all of them.
"""
import gc
from importlib import import_module

from ..core.imports import uncollected
from ..data.pixels.image import formats
from ..model.known import code_stamps
from ..recipe.registry import registry
from ..runfolder.environment import package_versions

MODULES = (
    "wandb.sdk.launch.inputs.internal", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
    *(f"fastricks.{name}" for name in (
        "use.train", "training.prepare", "training.finish", "training.lr_find", "training.skipped", "data.checked",
        "data.scan", "data.loader.loaders", "data.loader.fast", "data.pixels.resident", "model.cam", "model.trial",
        "callbacks.history", "callbacks.seen", "callbacks.wandb_log", "report.batch", "report.plots",
        "report.pages.run", "report.pages.index", "report.tracked")))

with uncollected():
    for name in MODULES:
        import_module(name)
    formats()
    registry()
code_stamps()
package_versions()
# the children's searches for garbage leave it out, and the memory that it lies in stays shared
gc.freeze()

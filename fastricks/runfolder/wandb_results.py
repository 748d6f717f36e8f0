"""What a finished run's W&B run has beside numbers: confusion matrix, classes, mistakes, page, model and recipe."""
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.files import read_json
from .tracking import one_line, say, within

FILES = "model.safetensors", "recipe.json", "metrics.json"  # of the artifact
# of the environment: no host, no path
SAFE = "fastricks", "python", "torch", "torchvision", "fastai", "timm", "numpy", "device", "processes"
MOST_SECONDS = 60


@dataclass(frozen=True)
class TrackedResults:
    "What a run's final numbers are made of, as plain data"
    classes: list      # names
    labels: list       # class numbers of the images
    predicted: list    # class numbers
    class_rows: list   # a dict a class: class, n, predicted, correct, recall, precision, f1
    mistakes: list     # (PIL image, dict: image, label, predicted, confidence, loss), the highest losses first


def log_results(run, folder, results, patience=MOST_SECONDS):
    "Log what there is, each part by itself: one that fails is told, and the others and the training go on"
    if run is None:
        return
    folder = Path(folder)
    parts = {"environment": lambda: log_environment(run, folder), "page": lambda: log_page(run, folder / "index.html"),
             "artifact": lambda: log_files(run, folder)}
    if results:
        parts |= {"confusion matrix": lambda: log_confusion(run, results), "classes": lambda: log_classes(run, results),
                  "mistakes": lambda: log_mistakes(run, results)}
    failed = {}
    if not within(patience, log_parts, parts, failed):
        say(f"W&B: no answer for {patience:g} s; going on without the rest of the results")
    elif failed:
        say(f"W&B: {one_line(next(iter(failed.values())))}; not logged: {', '.join(failed)}")


def log_parts(parts, failed):
    "Each part by itself; those that fail are noted with their errors"
    make_media_folder()
    for name, log in parts.items():
        try:
            log()
        except Exception as e:
            failed[name] = e


def make_media_folder():
    """The folder that wandb made when it was imported, for tables and pictures on their way.

    A process that is forked from one with wandb in it shares it, and the first one that ends removes it.
    """
    with suppress(ImportError, AttributeError, OSError):
        from wandb.sdk.data_types._private import MEDIA_TMP
        Path(MEDIA_TMP.name).mkdir(0o700, parents=True, exist_ok=True)


def log_environment(run, folder):
    "Versions, device and the code's revision, as config"
    found = read_json(folder / "environment.json")
    git = found.get("git") or {}
    run.config.update({"environment": {**{k: found.get(k) for k in SAFE}, "code": git.get("revision"),
                                       "code_changed": git.get("changed")}})


def log_page(run, file):
    import wandb
    if file.is_file():
        run.log({"page": wandb.Html(file, inject=False)})


def log_files(run, folder):
    "An artifact of type model: weights, recipe and numbers"
    import wandb
    artifact = wandb.Artifact(f"run-{run.id}-model", "model", description=folder.name)
    for name in FILES:
        if (folder / name).is_file():
            artifact.add_file(str(folder / name), policy="immutable")  # read where it lies: no copy in the user's home
    run.log_artifact(artifact)


def log_confusion(run, results):
    import wandb
    run.log({"confusion_matrix": wandb.plot.confusion_matrix(
        y_true=results.labels, preds=results.predicted, class_names=results.classes, title="Confusion matrix")})


def log_classes(run, results):
    import wandb
    columns = list(results.class_rows[0])
    run.log({"per_class": wandb.Table(columns=columns, data=[[r[k] for k in columns] for r in results.class_rows])})


def log_mistakes(run, results):
    import wandb
    if not results.mistakes:
        return
    columns = list(results.mistakes[0][1])
    data = [[wandb.Image(im), *(facts[k] for k in columns)] for im, facts in results.mistakes]
    run.log({"mistakes": wandb.Table(columns=["picture", *columns], data=data)})

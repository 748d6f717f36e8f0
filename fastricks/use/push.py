"""A run sent to the Hugging Face hub: safetensors, JSON and Markdown, nothing else; without paths of this machine, and
without names of photos.
"""
import shutil
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

from ..core.errors import UserError
from ..core.files import read_json, write_json
from ..core.words import Say
from ..report.stored import without_folders
from .evaluate import finished_run
from .hub import MODEL, answered
from .model_card import UNKNOWN_LICENCE, CardOptions, model_card, require_place
from .predictor import Predictor, open_predictor
from .saved import Saved, find_saved

CARD = "README.md"
ALLOWED = ".safetensors", ".json", ".md"


def push(run: str | PathLike[str], options: CardOptions, public: bool = False, say: Say = print) -> str:
    """Send a finished run to the hub, to the place that `options` has: its address. Files of the same names are
    replaced; a new place is private.

    It gets the weights, timm's config.json (checked: timm makes the model's own logits of the two), recipe.json and
    metrics.json, and as README.md the run's own, else a card that is made now. Raises UserError.
    """
    require_place(options.place, "push:")
    saved = find_saved(run)
    if saved.recipe is None:
        raise UserError(f"{run} is a model file alone: push sends a run, whose card has its numbers")
    require_login()
    with TemporaryDirectory(prefix="fastricks-push-") as folder:
        stage(saved, Path(folder), options, say)
        return send(Path(folder), options.place, public, say)


def require_login() -> None:
    from huggingface_hub import get_token
    if not get_token():
        raise UserError("not logged in to the Hugging Face hub: `hf auth login` does that, or HF_TOKEN")


def stage(saved: Saved, folder: Path, options: CardOptions, say: Say) -> None:
    "Write all that is sent to an empty folder"
    own = saved.run / CARD
    if own.is_file():
        keep_own(own, folder, options, say)
    else:
        (folder / CARD).write_text(model_card(finished_run(saved), options), encoding="utf-8")
    write_timm(open_predictor(saved, "cpu"), saved.file, folder)
    write_json(folder / "recipe.json", without_folders(read_json(saved.run / "recipe.json")))
    write_json(folder / "metrics.json", read_json(saved.run / "metrics.json"))


def keep_own(card: Path, folder: Path, options: CardOptions, say: Say) -> None:
    "The run's own card, as its owner may have edited it"
    if (options.licence, options.dataset) != (UNKNOWN_LICENCE, None):
        raise UserError(f"{card} is sent as it is: state licence and data there, or remove it")
    shutil.copyfile(card, folder / CARD)
    say(f"card      {card}, as it is")


def write_timm(p: Predictor, file: Path, folder: Path) -> None:
    "timm's config.json beside the run's own weights, from which timm makes the model's logits"
    from .export import samples
    from .exporters.to_timm import difference, save_folder
    with TemporaryDirectory(prefix="fastricks-timm-") as made:
        save_folder(p, Path(made))
        shutil.copyfile(Path(made) / "config.json", folder / "config.json")
    shutil.copyfile(file, folder / MODEL)
    difference(p, samples(p)[0], (1, 2), folder)


def send(folder: Path, place: str, public: bool, say: Say) -> str:
    files = sorted(folder.iterdir())
    if odd := [f.name for f in files if f.suffix not in ALLOWED or not f.is_file()]:
        raise UserError(f"{odd[0]} is none of {ALLOWED}: it is not sent")
    from huggingface_hub import CommitOperationAdd, HfApi
    api = HfApi(library_name="fastricks")
    with answered(f"push to {place}"):
        url = api.create_repo(place, private=not public, exist_ok=True)
        api.create_commit(place, [CommitOperationAdd(f.name, str(f)) for f in files],
                          commit_message="A run of fastricks")
    for f in files:
        say(f"sent      {f.name} ({f.stat().st_size / 1e6:,.2f} MB)")
    return str(url)

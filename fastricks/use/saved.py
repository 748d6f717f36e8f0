"""A trained model as it lies on the disk: a finished run's folder, or its model.safetensors alone. Light."""
from dataclasses import dataclass, field
from itertools import islice
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import Any

from ..core.errors import UserError, nearest, one_of
from ..core.files import neighbours, read_json
from ..recipe.recipe import Recipe, read_recipe, settle_fields
from ..runfolder.record import is_finished
from .hub import MODEL, downloaded, is_on_hub


@dataclass(frozen=True)
class Saved:
    "Where a trained model lies, and what its run's recipe.json says"
    run: Path                                           # the run's folder; of a file alone the folder that it lies in
    file: Path                                          # its model.safetensors
    recipe: Recipe | None = None                        # None for a file alone
    data: dict[str, Any] = field(default_factory=dict)  # the data's fingerprint, name and numbers of images


def find_saved(run: str | PathLike[str]) -> Saved:
    """The Saved of a run's folder, a FILE.safetensors or hf://user/name; UserError for anything else, and for a run
    that is not finished
    """
    if is_on_hub(run):
        return of_folder(downloaded(str(run)))
    path = Path(run).expanduser()
    try:
        if path.is_dir():
            return of_folder(path)
        if path.is_file() and path.suffix == ".safetensors":
            whole = path.name == MODEL and (path.parent / "recipe.json").is_file()
            return of_folder(path.parent) if whole else Saved(path.parent, path)
        if path.is_file():
            raise UserError(f"{run} is a file: give a run's folder, or its {MODEL}")
        raise UserError(f"there is no run {run}{nearest(run, neighbours(path))}")
    except OSError as e:
        raise UserError(f"{run} can't be read ({e.strerror or e})") from None


def of_folder(folder: Path) -> Saved:
    file, recipe = folder / MODEL, folder / "recipe.json"
    if not recipe.is_file():
        if file.is_file():
            return Saved(folder, file)
        raise UserError(f"{folder} is not the folder of a run: it has no recipe.json{runs_in(folder)}")
    if not file.is_file() and is_finished(folder):
        raise UserError(f"{folder} is finished, and its {MODEL} is not there: `fastricks train --recipe "
                        f"{quote(str(folder))}` makes it again")
    if not file.is_file() or ((folder / "status.json").exists() and not is_finished(folder)):
        raise UserError(f"{folder} is not finished: `fastricks resume {quote(str(folder))}` resumes it")
    return Saved(folder, file, *read(recipe))


def read(file: Path) -> tuple[Recipe, dict[str, Any]]:
    "(Recipe, facts about its data) of a recipe.json, which may be a stranger's"
    given = read_recipe(file)
    try:
        return settle_fields(Recipe(**given)), facts_of_data(read_json(file).get("data"))
    except (TypeError, ValueError, OverflowError, AttributeError, KeyError) as e:
        raise UserError(f"{file} is not the recipe of a run ({type(e).__name__})") from None


def facts_of_data(data: object) -> dict[str, Any]:
    kinds = {"fingerprint": str, "name": str, "train": int, "valid": int, "test": int}
    return {k: data[k] for k, kind in kinds.items() if type(data.get(k)) is kind} if isinstance(data, dict) else {}


def runs_in(folder: Path) -> str:
    "A folder of runs may have been meant for one of them"
    names = [o.parent.name for o in islice(sorted(folder.glob("*/recipe.json")), 4)]
    return f"; it has runs, name one of them: {one_of(names[:3])}{', …' if len(names) > 3 else ''}" if names else ""

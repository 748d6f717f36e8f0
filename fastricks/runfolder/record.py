"""What a run folder says of its run: recipe.json and status.json, as one object."""
from dataclasses import dataclass
from pathlib import Path

from ..core.files import read_json

RECIPE, STATUS = "recipe.json", "status.json"
SOUP = "soup"  # of the facts in recipe.json: what a soup is made of


@dataclass(frozen=True)
class RunRecord:
    "The two files by which a run folder is one. Other files of it are only there when it is finished"
    folder: Path
    # recipe.json: the recipe, its identity (None in old folders), the data's facts, what the tricks settled
    what: dict
    state: dict    # status.json: its status and time; the reason of one that failed

    @property
    def identity(self): return self.what["identity"]

    @property
    def status(self): return self.state["status"]

    @property
    def finished(self): return self.status == "finished"


def read_record(folder):
    "The RunRecord of a folder. Raises OSError where a file cannot be read, ValueError where it says no such thing"
    folder = Path(folder)
    return RunRecord(folder, {"identity": None, **read_object(folder / RECIPE)}, read_status(folder))


def read_status(folder):
    "What status.json says, which has the key `status`; errors as `read_record`"
    state = read_object(Path(folder) / STATUS)
    if "status" not in state:
        raise ValueError(f"{STATUS} has no status")
    return state


def read_object(file):
    found = read_json(file)
    if not isinstance(found, dict):
        raise ValueError(f"{file.name} is not a JSON object")
    return found


def soup_of(facts):
    """What recipe.json's facts say of the runs whose weights were averaged to this one's; None for a training.

    rows: the rows (`row_key`) that it was chosen from, sorted; across_seeds; varies: the recipe's fields in which those
    rows differ; ingredients: in the order in which they were tried, each with its run, identity, row, seed, whether it
    was kept, and top-1 on the validation split alone and of the average with it.
    """
    found = facts.get(SOUP) if isinstance(facts, dict) else None
    if not isinstance(found, dict):
        return None
    lists = "rows", "varies", "ingredients"
    return found if all(isinstance(found.get(k), list) for k in lists) else None


def is_soup(folder):
    "Is a folder that of a soup, not of a training?"
    try:
        return soup_of(read_record(folder).what.get("facts")) is not None
    except (OSError, ValueError):
        return False


def is_finished(folder):
    "Does its status.json say that all was written?"
    try:
        return read_status(folder)["status"] == "finished"
    except (OSError, ValueError):
        return False

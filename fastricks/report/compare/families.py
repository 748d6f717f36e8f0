"""Which rows were looked at together: what a false verdict is counted over, whatever part of it is shown later.

An ablation records its family in OUT/families/HASH.json before its first look. A row's identity there is that of its
recipe without the seed, and of its data.
"""
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import UserError, nearest, one_of
from ...core.files import read_json, write_json
from ...recipe.identity import numeric
from ...runfolder.record import soup_of

if TYPE_CHECKING:
    from ...recipe.recipe import Recipe

FAMILIES, ADVICE = "families", "advice"


def row_key(recipe: "Recipe", facts: dict, fingerprint: str) -> str:
    "What a row is: a hash (16 hex digits) over its recipe's numeric fields but for the seed, and its data"
    what = {**numeric(recipe, recipe.weights, facts), "seed": None, "data": fingerprint}
    if soup := soup_of(facts):
        what["soup"] = [*soup["rows"], *(["all seeds"] if soup.get("across_seeds") else [])]
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Family:
    "Rows that are compared with one baseline"
    baseline: str                 # row_key
    rows: dict[str, str]          # row_key -> the row's name
    mode: str = "add"
    margin: float = .5
    metric: str = "top1"
    once: bool = False            # one look at 5% over all seeds, instead of the ladder
    seeds: tuple[int, ...] = ()   # of an advice: the fresh ones that it is confirmed with
    tuned: str = ""               # `lr=0.0001/0.001`: what each row has its own best of
    date: str = field(default="", compare=False)  # of its first look

    @property
    def name(self) -> str:
        "A hash of all but the date"
        what = {**asdict(self), "rows": sorted(self.rows), "date": ""}
        if not self.tuned:
            del what["tuned"]  # names of families that were recorded before it was a field
        return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]

    def holds(self, baseline: str, rows: Iterable[str]) -> bool:
        return self.baseline == baseline and set(rows) <= self.rows.keys()


def record_family(out: str | Path, family: Family) -> Family:
    "The Family as OUT/families has it: written there before its first look, and with the date of that look ever after"
    file = Path(out) / FAMILIES / f"{family.name}.json"
    old = read_family(file)
    if old:
        return old
    new = Family(**{**asdict(family), "date": time.strftime("%Y-%m-%d %H:%M:%S")})
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, asdict(new))
    return new


def read_family(file: Path) -> Family | None:
    "The Family of a file; None where it is none"
    try:
        found = Family(**{**(got := read_json(file)), "seeds": tuple(got.get("seeds", ()))})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return found if sane(found) else None


def sane(f: Family) -> bool:
    "A stranger's file may say anything"
    texts = [f.baseline, f.mode, f.metric, f.date, f.tuned]
    if not all(isinstance(s, int) for s in f.seeds):
        return False
    if not isinstance(f.rows, dict) or not all(isinstance(x, str) for x in (*texts, *f.rows, *f.rows.values())):
        return False
    return isinstance(f.margin, int | float) and f.margin > 0 and isinstance(f.once, bool)


def families_beside(folders: Iterable[str | Path]) -> list[Family]:
    """Those of the folders that these run folders lie in, the newest first; of one second that with more rows, which
    another joined
    """
    places = dict.fromkeys(Path(f).parent / FAMILIES for f in folders)
    found = [f for place in places for file in place.glob("*.json") if (f := read_family(file))]
    return sorted(found, key=lambda f: (f.date, len(f.rows)), reverse=True)


def family_of(found: list[Family], baseline: str, rows: Iterable[str], name: str | None = None) -> Family | None:
    """The newest that contains all these rows, or the one of this name; None where there is none. An advice's is of its
    fresh seeds alone
    """
    rows = [*rows]
    if name is None:
        return next((f for f in found if f.mode != ADVICE and f.holds(baseline, rows)), None)
    named = [f for f in found if f.name.startswith(name)]
    if len(named) != 1:
        names = [f.name for f in found]
        there = f"of {one_of(names)}" if names else "that is recorded beside these runs"
        raise UserError(f"--family {name} is {'more than one' if named else 'none'} {there}{nearest(name, names)}")
    if named[0].holds(baseline, rows):
        return named[0]
    raise UserError(f"--family {name} has not all of these rows, or another baseline")

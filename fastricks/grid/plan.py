"""Which trainings an ablation is made of: rows of recipes times seeds. Plain data, instant."""
import re
from dataclasses import dataclass
from itertools import combinations

from ..core.errors import UserError, nearest, one_of, plural
from ..core.words import parse_time
from ..recipe.recipe import Recipe, resolve

GRID_MODES = {"add": "the baseline, and each row alone on it (LearnOpenCV's table)",
              "drop": "all rows together, and all but each",
              "stack": "the baseline, then one row after the other on top (the paper's table)",
              "all": "the baseline, two or three rows alone, and all that can be made of them together: "
                    "do they add up?"}
MOST_TOGETHER = 3  # rows of `all`: they make 2³ recipes

TUNABLE = {"lr": float, "wd": float, "batch_size": int, "min_scale": float}  # what rows may have their own best of
CONTROL = "control"  # the row that must be null: it is judged with the others, and never advised


@dataclass(frozen=True)
class GridRow:
    name: str        # as the -t text has it; `baseline`, `all`, `all but …`, `+ …`
    recipe: Recipe   # with the first seed


def parse_seeds(text):
    "`5` is 0 … 4; `0,1,2` and `0-4` say which"
    text = str(text).strip()
    try:
        if re.fullmatch(r"\d+", text):
            seeds = list(range(int(text)))
        else:
            seeds = [s for part in text.split(",") for s in seed_range(part.strip())]
    except ValueError:
        raise UserError(f"--seeds {text} is no number, list or range: as in 5, 0,1,2 or 0-4") from None
    if not seeds:
        raise UserError(f"--seeds {text} names no seed: give 1 or more")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text} names a seed twice")
    return seeds


def seed_range(part):
    a, dash, b = part.partition("-")
    if not dash:
        return [int(a)]
    if int(b) < int(a):
        raise ValueError
    return list(range(int(a), int(b) + 1))


def make_rows(mode, given, base, texts):
    """The rows of `ablate -t A -t B+C …` on a recipe: `given` options, `base` a recipe's name or None, `texts` the -t
    texts.

    Each row is checked by itself, at once: a conflict names its row.
    """
    if mode not in GRID_MODES:
        raise UserError(f"--mode {mode} is not one of {', '.join(GRID_MODES)}")
    if not texts:
        raise UserError("ablate needs at least one -t: each is a row, as in -t mixup -t warmup+cosine")
    texts = [t.removeprefix("=") for t in texts]
    if len(set(texts)) < len(texts):
        raise UserError("two -t rows are the same")
    if mode == "all" and not 2 <= len(texts) <= MOST_TOGETHER:
        raise UserError(f"--mode all takes two or three -t rows, and {plural(len(texts), 'was', 'were')} given: name "
                        "those that help alone")
    first = ("all", texts) if mode == "drop" else ("baseline", [])
    named = [first, *NAMED_ROWS[mode](texts)]
    return [GridRow(name, of_row(name, given, part, base)) for name, part in named]


def rows_to_add(texts): return ((t, [t]) for t in texts)
def rows_to_stack(texts): return ((f"+ {t}", texts[:i + 1]) for i, t in enumerate(texts))
def rows_to_drop(texts): return ((f"all but {t}", [o for o in texts if o != t]) for t in texts)
def rows_of_subsets(texts): return (("+".join(some), some) for some in subsets(texts))


# mode -> (name, -t texts) of the rows below the first one
NAMED_ROWS = {"add": rows_to_add, "drop": rows_to_drop, "stack": rows_to_stack, "all": rows_of_subsets}


def subsets(texts):
    "All of one, of two, of three …"
    return [[*some] for n in range(1, len(texts) + 1) for some in combinations(texts, n)]


def of_row(name, given, texts, base):
    try:
        return resolve(given, texts, base)
    except UserError as e:
        raise UserError(f"row {name!r}: {e}") from None


def parse_budget(text): return parse_time(text, "--budget")


# -- what is tuned

@dataclass(frozen=True)
class Tuning:
    "What is tuned: a field of the recipe and its values"
    field: str
    values: tuple

    def __str__(self): return f"{self.field}=" + "/".join(f"{v:g}" for v in self.values)


def parse_tuning(text):
    "The Tuning of `lr=1e-4/3e-4/1e-3`; raises UserError"
    name, _, values = str(text).partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    if name not in TUNABLE:
        raise UserError(f"--tune {text}: {name!r} is not one of {one_of(TUNABLE)}{nearest(name, TUNABLE)}")
    try:
        found = tuple(TUNABLE[name](v) for v in values.split("/"))
    except ValueError:
        raise UserError(f"--tune {text}: give numbers with / between them, as lr=1e-4/3e-4/1e-3") from None
    if len({*found}) < max(2, len(found)):
        raise UserError(f"--tune {text}: give two or more values, each once")
    return Tuning(name, found)

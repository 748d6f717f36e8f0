"""Which trainings an ablation is made of: rows of recipes times seeds. Plain data, instant."""
import re
from dataclasses import dataclass

from ..core.errors import UserError
from ..core.words import parse_time
from ..recipe.recipe import Recipe, resolve

MODES = {"add": "the baseline, and each row alone on it (the tutorial's table)",
         "drop": "all rows together, and all but each", "stack": "the baseline, then one row after the other on top (the paper's table)"}

CONTROL = "control"  # the row that must be null: it is judged with the others, and never advised


@dataclass(frozen=True)
class GridRow:
    name: str        # as the -t text has it; `baseline`, `all`, `all but …`, `+ …`
    recipe: Recipe   # with the first seed


def parse_seeds(text):
    "`5` is 0 … 4; `0,1,2` and `0-4` say which"
    text = str(text).strip()
    try:
        if re.fullmatch(r"\d+", text): seeds = list(range(int(text)))
        else: seeds = [s for part in text.split(",") for s in seed_range(part.strip())]
    except ValueError: raise UserError(f"--seeds {text} is no number, list or range: as in 5, 0,1,2 or 0-4") from None
    if not seeds: raise UserError(f"--seeds {text} names no seed: give 1 or more")
    if len(set(seeds)) < len(seeds): raise UserError(f"--seeds {text} names a seed twice")
    return seeds


def seed_range(part):
    a, dash, b = part.partition("-")
    if not dash: return [int(a)]
    if int(b) < int(a): raise ValueError
    return list(range(int(a), int(b) + 1))


def make_rows(mode, given, base, texts):
    """The rows of `ablate -t A -t B+C …` on a recipe: `given` options, `base` a recipe's name or None, `texts` the -t texts.

    Each row is checked by itself, at once: a conflict names its row.
    """
    if mode not in MODES: raise UserError(f"--mode {mode} is not one of {', '.join(MODES)}")
    if not texts: raise UserError("ablate needs at least one -t: each is a row, as in -t mixup -t warmup+cosine")
    texts = [t.removeprefix("=") for t in texts]
    if len(set(texts)) < len(texts): raise UserError("two -t rows are the same")
    pick = {"add": [("baseline", []), *((t, [t]) for t in texts)],
            "drop": [("all", texts), *((f"all but {t}", [o for o in texts if o != t]) for t in texts)],
            "stack": [("baseline", []), *((f"+ {t}", texts[:i + 1]) for i, t in enumerate(texts))]}[mode]
    return [GridRow(name, of_row(name, given, part, base)) for name, part in pick]


def of_row(name, given, texts, base):
    try: return resolve(given, texts, base)
    except UserError as e: raise UserError(f"row {name!r}: {e}") from None


def parse_budget(text): return parse_time(text, "--budget")

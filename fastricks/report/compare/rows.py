"""Rows of a comparison: recipes with their seeds, what sets them apart, which is the baseline.

And what may not be compared.
"""
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import UserError, nearest, plural
from ...core.words import NONE, Say
from ...recipe.identity import numeric
from ...recipe.registry import build_tricks, schedules
from ...recipe.select import select
from ...runfolder.record import SOUP
from ..find import groups_of
from ..runs import DivergedRun, FinishedRun, Metric
from .families import Family, row_key
from .samples import NAN
from .times import TimeRatio

if TYPE_CHECKING:
    from ...recipe.recipe import Recipe


Texts = dict[str, str]


@dataclass(frozen=True)
class ComparisonRow:
    "A recipe with its seeds, and what they say of it; values in the metric's units, differences in its points"
    label: str                    # what sets it apart from the other rows
    tricks: str                   # as -t has them, or `baseline`
    varies: dict[str, str]        # field -> text, of the fields that differ between rows
    runs: tuple[FinishedRun, ...]  # one a seed
    summary: Any = None            # a Summary: of the metric
    seconds: float = NAN           # of training, mean
    baseline: bool = False
    diff: Any = None               # an Effect: to the baseline, over all seeds; None: all seeds diverged
    call: Any = None               # a Call: what was decided, and at how many seeds
    agreement: float = NAN         # share of images predicted as by the baseline; the baseline: by another seed of it
    gained: float = NAN            # images a run gets right that the baseline's misses, mean over pairs of seeds
    lost: float = NAN
    ratio: TimeRatio = TimeRatio(NAN)  # of training times to the baseline's
    failed: int = 0                # seeds that diverged
    chance: float = NAN            # that the next rung settles it
    verdict: str = ""              # helps, hurts, as good, no difference, the same model, failed, open; baseline
    words: str = ""                # the verdict, in full

    @property
    def seeds(self) -> list[int]: return [r.seed for r in self.runs]
    @property
    def applied(self) -> bool: return not any(f.get("applied") is False for r in self.runs for f in r.facts.values())

    def values(self, metric: Metric, split: str) -> dict[int, float]:
        return {r.seed: r.value(metric, split) for r in self.runs}
    def times(self) -> dict[int, float]: return {r.seed: r.seconds for r in self.runs}

    def record(self) -> dict[str, Any]:
        "All of it as one flat dict of numbers and texts; None where there is nothing to say"
        of = lambda name: getattr(self.diff, name, None)
        called = lambda name: getattr(self.call, name, None)
        found = {
            "label": self.label,
            "tricks": self.tricks,
            **self.varies,
            "seeds": " ".join(map(str, self.seeds)),
            **asdict(self.summary),
            "failed": self.failed,
            "paired": of("paired"),
            "n_compared": of("n"),
            "n_baseline": of("n_base"),
            "delta": of("delta"),
            "delta_low": of("low"),
            "delta_high": of("high"),
            "seeds_low": of("seeds_low"),
            "seeds_high": of("seeds_high"),
            "rung": called("rung"),
            "p": called("p"),
            "p_holm": called("p_holm"),
            "p_as_good": called("p_good"),
            "df": of("df"),
            "delta_sd": of("sd"),
            "steadied": of("steadied"),
            "R": of("R"),
            "agreement": self.agreement,
            "gained": self.gained,
            "lost": self.lost,
            "train_seconds": self.seconds,
            "time_ratio": self.ratio.ratio,
            "time_ratio_low": self.ratio.low,
            "time_ratio_high": self.ratio.high,
            "verdict": self.verdict,
            "words": self.words,
            "chance_next": self.chance,
        }
        return {k: number_or_none(v) for k, v in found.items()}


Rows = Sequence[ComparisonRow]


def number_or_none(v: Any) -> Any:
    "A value as JSON has it: no numpy, None for nan"
    if isinstance(v, np.generic):
        v = v.item()
    return None if isinstance(v, float) and v != v else v


def recipe_key(run: FinishedRun | DivergedRun) -> str:
    "What makes a recipe: its numeric fields but for the seed, and its data"
    return row_key(run.recipe, run.facts, run.data["fingerprint"])


def key_of_row(row: ComparisonRow) -> str: return recipe_key(row.runs[0])


def tricks_of_run(run: FinishedRun) -> str:
    "The selection of a run's tricks; those that were found to be of no use here are marked"
    if run.soup:
        return SOUP
    off = {n for n, f in run.facts.items() if f.get("applied") is False}
    texts = [short_paths(str(t)) + (" (not applied)" if t.name in off else "") for t in build_tricks(run.recipe.tricks)]
    return "+".join(texts) or "baseline"


def short_paths(text: str) -> str: return re.sub(r"=[^,=]*[/\\]([^,/\\=]+)", r"=\1", text)


def field_texts(run: FinishedRun) -> Texts:
    "field -> text of all that a row can differ in"
    r = run.recipe
    own = {} if any(n in schedules() for n in r.tricks) else r.schedule
    said_apart = {"seed", "tricks", "data"}
    settings = {k: field_text(v) for k, v in numeric(r, r.weights).items() if k not in said_apart}
    found = {"tricks": tricks_of_run(run),
             "schedule": "+".join(str(t) for t in build_tricks(own)),
             "data": f"{run.data['name']} ({run.data['train']:,} images)",
             **settings,
             "teacher": " / ".join(run.needed)}
    varied = found.keys() & {*run.soup["varies"]} if run.soup else ()
    return found | dict.fromkeys(varied, "")


def field_text(v: object) -> str:
    if v is None:
        return NONE
    if isinstance(v, bool):
        return "yes" if v else "no"
    return f"{v:g}" if isinstance(v, float) else str(v)


def comparison_rows(runs: Sequence[FinishedRun], say: Say, anyway: bool = False) -> list[ComparisonRow]:
    "Rows in the order of their first runs, those without tricks first; a FinishedRun a seed in the order of seeds"
    found: dict[str, list[FinishedRun]] = {}
    for r in runs:
        found.setdefault(recipe_key(r), []).append(r)
    seeds_of = lambda rs: tuple(sorted(one_a_seed(rs, say, anyway), key=lambda r: r.seed))
    rows = [seeds_of(rs) for rs in found.values()]
    rows.sort(key=lambda rs: not rs[0].plain)
    texts = same_fields([field_texts(rs[0]) for rs in rows])
    differ = [k for k in texts[0] if len({t[k] for t in texts if t[k]}) > 1]
    trained = [t for rs, t in zip(rows, texts, strict=True) if not rs[0].soup]
    names = iter(row_labels(trained, differ))
    labels = numbered_labels([SOUP if rs[0].soup else next(names) for rs in rows])
    made = []
    for label, own, rs in zip(labels, texts, rows, strict=True):
        varies = {k: own[k] or NONE for k in differ}
        made.append(ComparisonRow(label, own["tricks"], varies, rs))
    return made


def same_fields(texts: list[Texts]) -> list[Texts]:
    "Texts of the same fields: one that a run does not have (threads beside a GPU) is empty, and no difference"
    fields = dict.fromkeys(k for t in texts for k in t)
    return [{k: t.get(k, "") for k in fields} for t in texts]


def row_labels(texts: list[Texts], differ: list[str]) -> list[str]:
    "`mixup:alpha=0.4, lr 0.01`: the tricks, and of the other fields what is not as in most rows"
    others = [k for k in differ if "tricks" in differ and k != "tricks"]
    usual = {k: usual_value([t[k] for t in texts]) for k in others}
    short = [row_label(t, [k for k in differ if k not in usual or t[k] != usual[k]]) for t in texts]
    if len(set(short)) == len(short):
        return short
    return numbered_labels([row_label(t, differ) for t in texts])


def usual_value(values: list[str]) -> str | None:
    "What most of them are, or None"
    value, n = Counter(values).most_common(1)[0]
    return value if 2 * n > len(values) else None


def row_label(texts: Texts, differ: list[str]) -> str:
    words = [texts[k] if k == "tricks" else f"{k} {texts[k] or NONE}" for k in differ]
    return ", ".join(words) or texts["tricks"]


def numbered_labels(labels: list[str]) -> list[str]:
    "Labels that stand more than once get a number each: `a #1`, `a #2`"
    seen: Counter[str] = Counter()
    times, out = Counter(labels), []
    for label in labels:
        seen[label] += 1
        out.append(label if times[label] == 1 else f"{label} #{seen[label]}")
    return out


def one_a_seed(runs: list[FinishedRun], say: Say, anyway: bool) -> list[FinishedRun]:
    "Equal runs count once; unequal ones of a seed are made by different code or weights, and can't be told apart"
    kept: dict[int, FinishedRun] = {}
    for r in runs:
        old = kept.setdefault(r.seed, r)
        if old is r:
            continue
        if old.identity == r.identity:
            say(f"{r.name} is the same run as {old.name}: counted once")
        elif anyway:
            say(f"warning: {r.name} has the recipe and the seed of {old.name} but is another run: left out")
        else:
            raise UserError(f"{old.name} and {r.name} have one recipe and one seed but are not the same run (other "
                            "weights to start from, or another version): leave one out, or take the first with "
                            "--force")
    return [*kept.values()]


# -- what may be compared

def obstacles(a: FinishedRun, b: FinishedRun, split: str | None) -> Iterator[str]:
    "What forbids to compare two runs, in words"
    x, y = a.metrics["split"], b.metrics["split"]
    if split is None and x != y:
        yield f"one is evaluated on {x}, the other on {y}"
    x, y = size_text(a), size_text(b)
    if x != y:
        yield f"they are evaluated at another size ({x} and {y})"
    if a.data["fingerprint"] == b.data["fingerprint"]:
        return
    x, y = true_classes(a), true_classes(b)
    if x != y:
        yield f"they have other classes ({len(x)} and {len(y)} of them)"
    elif a.recipe.class_order != b.recipe.class_order:
        orders = f"--class-order {a.recipe.class_order} and {b.recipe.class_order}"
        yield f"they number the same classes in another order ({orders})"
    else:
        yield f"they have other data or another split ({data_text(a)}, and {data_text(b)})"


def true_classes(run: FinishedRun) -> set[str]: return set(run.own_images.labels) if run.own_images else set()


def size_text(r: FinishedRun) -> str: return f"{r.recipe.resize}→{r.recipe.size}"


def data_text(run: FinishedRun) -> str:
    d = run.data
    images = f"{d['train']:,} train, {d['valid']:,} validation, {d['test']:,} test images"
    return f"{d['name']} {d['fingerprint'][:6]}: {images}"


def check_comparable(rows: Rows, split: str | None, anyway: bool) -> list[str]:
    "Lines of warning, or a UserError, for rows that are not comparable to the first"
    first = rows[0].runs[0]
    lines: list[str] = []
    for row in rows[1:]:
        for what in obstacles(first, row.runs[0], split):
            line = f"{first.name} and {row.runs[0].name} are not comparable: {what}"
            if not anyway:
                raise UserError(f"{line}; --force compares runs with different data or settings")
            lines.append(f"warning: {line}")
    return lines


# -- the baseline

class NoBaseline(UserError):
    "No row is the baseline by itself, or more than one"


def choose_baseline(rows: Rows, name: str | None = None, families: Sequence[Family] = ()) -> ComparisonRow:
    """The row of this name: its label, tricks, named recipe, or a run of it; without a name a family's baseline, or the
    one without tricks
    """
    if len(rows) == 1 and name is None:
        return rows[0]
    found = [row for row in rows if row.label == name] or [row for row in rows if name_fits(row, name)]
    if len(found) == 1:
        return found[0]
    recorded = [] if name else of_families(rows, families)
    if recorded:
        return recorded[0]
    labels = "; ".join(repr(r.label) for r in found or rows)
    near = nearest(name, [r.label for r in rows]) if name and not found else ""
    raise NoBaseline(f"{why_no_baseline(name, len(found))}: choose with --baseline one of {labels}{near}")


def of_families(rows: Rows, families: Sequence[Family]) -> list[ComparisonRow]:
    "Rows that are the baseline of a family that has all of these, the newest family's first"
    keys = {key_of_row(row): row for row in rows}
    return [keys[f.baseline] for f in families if f.baseline in keys and keys.keys() <= {f.baseline, *f.rows}]


def why_no_baseline(name: str | None, n: int) -> str:
    if name:
        return f"--baseline {name} is {plural(n, 'row') if n else 'none'} of these"
    return f"{n} rows are without tricks" if n else "no row is without tricks"


def name_fits(row: ComparisonRow, name: str | None) -> bool:
    if name is None:
        return row.runs[0].plain
    name = str(name)
    if row.label == name:
        return True
    folders = {x for r in row.runs for x in (r.name, str(r.folder), str(r.folder.resolve()))}
    if name in folders or name.rstrip("/") in folders or name in groups_of(row.runs[0].folder):
        return True
    if row.runs[0].soup:
        return name == row.tricks
    return name in (row.tricks, row.runs[0].recipe.recipe) or selects(name, row.runs[0].recipe)


def selects(name: str, recipe: "Recipe") -> bool:
    "Is this -t text all that the recipe has?"
    try:
        tricks = select({}, [name])
        return tricks.keys() == recipe.tricks.keys() and keys_of_tricks(tricks) == keys_of_tricks(recipe.tricks)
    except UserError:
        return False


def keys_of_tricks(tricks: Mapping[str, Any]) -> dict[str, Any]: return {t.name: t.keys() for t in build_tricks(tricks)}

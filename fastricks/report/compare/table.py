"""A comparison as the cells of a table, and the facts below it."""
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from ...core.errors import plural
from ...core.words import (
    NONE,
    duration,
    each,
    fold_text,
    interval,
    none,
    number,
    p_text,
    share,
    signed,
    span,
    with_interval,
)
from ..runs import SPLIT_WORD, device
from .rows import ComparisonRow
from .stats import HELPS, HURTS, OPEN, PAIRED, SAME, WELCH

VERSIONS = "fastricks", "python", "torch", "torchvision", "fastai", "timm", "numpy"


# -- the table's columns

@dataclass(frozen=True)
class Column:
    name: str            # what a narrow terminal drops it by
    head: str
    cell: Callable[[ComparisonRow], str]
    left: bool = False   # words, not numbers


# what a narrow terminal does without, in this order; ONE: all that differs goes into one column
ONE = "one"
DROPPED = "test", "p", "agree", ONE, "images", "ratio", "time", "holm"


def table_columns(c):
    "The Columns of a Comparison's table"
    time = Column("time", "time", lambda row: duration(row.seconds))
    if len(c.rows) == 1: return [*recipe_columns(c), value_column(c), time]
    ratio = Column("ratio", "× time", lambda row: number(row.ratio[0], 2))
    verdict = Column("verdict", "verdict", lambda row: row.words, True)
    return [*recipe_columns(c), value_column(c), *difference_columns(c), time, ratio, verdict]


def recipe_columns(c):
    "What sets the rows apart, and how many seeds they have"
    differ = [Column(name, name, lambda row, name=name: row.varies[name], True) for name in c.baseline.varies]
    return [*(differ or [recipe_column()]), Column("n", "n", lambda row: str(row.summary.n))]


def value_column(c):
    head = f"{c.metric.title.removesuffix(' accuracy')} {c.metric.unit} ± sd"
    return Column("value", head, lambda row: mean_sd(row.summary, c.metric.digits))


def difference_columns(c):
    "The difference to the baseline, and how sure it is"
    digits = c.metric.digits
    delta = of_difference(lambda d: with_interval(d.delta, d.low, d.high, digits))
    return [Column("delta", f"Δ {c.metric.points} [95%]", delta),
            Column("test", "test", of_difference(lambda d: d.test), True),
            Column("p", "p", of_difference(lambda d: p_text(d.p))),
            Column("holm", "Holm p", lambda row: p_text(row.p_holm)),
            Column("images", "seeds & images", lambda row: interval(*row.images, digits)),
            Column("agree", "agree", lambda row: share(row.agreement))]


def of_difference(text):
    "A cell's text out of a row's Difference; the baseline has none"
    return lambda row: text(row.diff) if row.diff else NONE


def recipe_column(): return Column("tricks", "recipe", lambda row: row.label, True)


def mean_sd(s, k): return number(s.mean, k) + ("" if none(s.sd) else f" ± {s.sd:.{k}f}")


# -- its words

def explanation(c, agree=True):
    "What the columns are (with or without `agree`) and what the intervals cover: sentences"
    images = plural(c.n_images, SPLIT_WORD[c.split] + " image")
    first = (f"n seeds; {c.metric.title} on {images} of {c.data_name}, mean ± sd over the seeds; time of training, "
             "mean over the seeds")
    if len(c.rows) == 1: return [first + ".", *mean_interval(c)]
    margin = f"{c.margin:g} {c.metric.points}"
    verdict = ("Verdicts: helps or hurts where Holm p < 0.05; no difference where the 95% interval lies within "
               f"±{margin}; else about how many seeds would settle it (80% power at {margin}).")
    ratio = " (× time: geometric mean of the ratios to the baseline's)."
    return [first + ratio, delta_explanation(c, agree), verdict, coverage(c)]


def delta_explanation(c, agree):
    "`Δ: to baseline, with its 95% interval by a paired t over the seeds; …`"
    words = {PAIRED: "a paired t over the seeds", WELCH: "Welch's t over unpaired seeds"}
    tests = " or ".join(words[t] for t in c.tests)
    how = f"with its 95% interval by {tests}" if tests else "with no test: too few seeds"
    parts = [f"Δ: to {c.baseline.label}, {how}"]
    if c.family: parts.append(f"Holm p: adjusted for {plural(c.family, 'comparison')}")
    if agree and any(not none(r.agreement) for r in c.rows[1:]):
        parts.append("agree: share of images predicted as by the baseline (baseline: as by its other seeds)")
    return "; ".join(parts) + "."


def mean_interval(c):
    s, k, unit = c.baseline.summary, c.metric.digits, c.metric.unit
    if none(s.low): return []
    return [f"95% interval of the mean over {plural(s.n, 'seed')}: {s.low:.{k}f} to {s.high:.{k}f} {unit}; lowest "
            f"{s.min:.{k}f}, highest {s.max:.{k}f}. It covers the choice of seeds, not of data or test images."]


def coverage(c):
    "What the intervals cover, and what they do not"
    both = any(not none(r.images[0]) for r in c.rows)
    images = "; “seeds & images” also covers the choice of its images" if both else ""
    return ("The first interval covers the choice of seeds only (order, augmentation, new weights), on this very "
            f"{SPLIT_WORD[c.split]} set{images}. None covers other data, another split of it, other settings or other "
            "pre-trained weights.")


def verdicts(c):
    "verdict -> `a (+1.20), b (+0.80)`"
    groups = {word: [row for row in c.rows if row.verdict == word] for word in (HELPS, HURTS, SAME, OPEN)}
    return {word: ", ".join(gain_text(c, row) for row in rows) for word, rows in groups.items() if rows}


def gain_text(c, row): return f"{row.label} ({signed(row.diff.delta, c.metric.digits)})"


def measured_facts(c):
    "What the numbers were measured on and with: heading -> text"
    runs = c.runs
    environments = [r.environment for r in runs]
    return {"data": data_fact(runs), "network": network_fact(runs), "seeds": seeds_fact(c),
            "hardware": each(device(r) for r in runs),
            "versions": ", ".join(version_fact(name, environments) for name in VERSIONS),
            "code": each(revision(e.get("git") or {}) for e in environments),
            "date": f"runs {span(r.date[:10] for r in runs)}; report {date.today()}"}


def data_fact(runs):
    name, fingerprint = each(r.data["name"] for r in runs), each(r.data["fingerprint"] for r in runs)
    train, valid, test = (each(f"{r.data[split]:,}" for r in runs) for split in ("train", "valid", "test"))
    return f"{name} ({fingerprint}): {train} training, {valid} validation, {test} test images"


def network_fact(runs):
    arch, epochs = each(r.recipe.arch for r in runs), each(plural(r.recipe.epochs, "epoch") for r in runs)
    return f"{arch}, {epochs}, {each(r.recipe.size for r in runs)} pixels"


def seeds_fact(c):
    seeds = {row.label: " ".join(map(str, row.seeds)) for row in c.rows}
    if len({*seeds.values()}) == 1: return f"{seeds[c.baseline.label]}, the same for all rows"
    return "; ".join(f"{label}: {own}" for label, own in seeds.items())


def version_fact(name, environments): return f"{name} {each(e.get(name, '?') for e in environments)}"


def revision(git):
    if not git.get("revision"): return "no git"
    return f"git {git['revision'][:12]}" + (" with changes" if git.get("changed") else "")


def comparison_title(c):
    if len(c.rows) == 1: return f"{c.baseline.label} on {c.data_name}"
    return f"{plural(len(c.rows) - 1, 'recipe')} against {c.baseline.label} on {c.data_name}"


def fit_columns(c, cols, width):
    "(columns, letters for a column of words) that `width` holds"
    for dropped in [None, *DROPPED]:
        cols = in_one(c, cols) if dropped == ONE else [o for o in cols if o.name != dropped]
        for letters in (999, 40, 28, 20):
            if table_width(c, cols, letters) <= width: return cols, letters
    return cols, 16


def table_width(c, cols, letters): return sum(2 + column_width(c, o, letters) for o in cols) - 2


def column_width(c, col, letters):
    texts = [col.head, *(fold(col, col.cell(row), letters) for row in c.rows)]
    return max(len(line) for text in texts for line in text.split("\n"))


def in_one(c, cols):
    "The columns with all that differs in a single one"
    return [recipe_column(), *(o for o in cols if o.name not in c.baseline.varies and o.name != "tricks")]


def fold(col, text, letters): return fold_text(text, letters) if col.left else text

"""A comparison as the cells of a table, and the facts below it."""
from dataclasses import dataclass
from datetime import date

from ...core.errors import plural
from ...core.words import NONE, duration, each, fold_text, interval, none, number, p_text, share, signed, span, with_interval
from ..runs import WORD, device
from .stats import HELPS, HURTS, OPEN, PAIRED, SAME, WELCH

VERSIONS = "fastricks", "python", "torch", "torchvision", "fastai", "timm", "numpy"


# -- the table's columns

@dataclass(frozen=True)
class Column:
    name: str            # what a narrow terminal drops it by
    head: str
    cell: object         # Row -> text
    left: bool = False   # words, not numbers


# what a narrow terminal does without, in this order; ONE: all that differs goes into one column
ONE = "one"
DROPPED = "test", "p", "agree", ONE, "images", "ratio", "time", "holm"


def columns(c):
    "The Columns of a Comparison's table"
    m, k = c.metric, c.metric.digits
    d = lambda f: lambda row: f(row.diff) if row.diff else NONE
    varies = [Column(x, x, lambda row, x=x: row.varies[x], True) for x in c.baseline.varies] or [recipe_column()]
    first = [*varies, Column("n", "n", lambda row: str(row.summary.n)),
             Column("value", f"{m.title.removesuffix(' accuracy')} {m.unit} ± sd", lambda row: mean_sd(row.summary, k))]
    time = Column("time", "time", lambda row: duration(row.seconds))
    if len(c.rows) == 1: return [*first, time]
    return [*first, Column("delta", f"Δ {m.points} [95%]", d(lambda x: with_interval(x.delta, x.low, x.high, k))),
            Column("test", "test", d(lambda x: x.test), True), Column("p", "p", d(lambda x: p_text(x.p))),
            Column("holm", "Holm p", lambda row: p_text(row.p_holm)),
            Column("images", "seeds & images", lambda row: interval(*row.images, k)),
            Column("agree", "agree", lambda row: share(row.agreement)), time,
            Column("ratio", "× time", lambda row: number(row.ratio[0], 2)), Column("verdict", "verdict", lambda row: row.words, True)]


def recipe_column(): return Column("tricks", "recipe", lambda row: row.label, True)


def mean_sd(s, k): return number(s.mean, k) + ("" if none(s.sd) else f" ± {s.sd:.{k}f}")


# -- its words

def explain(c, agree=True):
    "What the columns are (with or without `agree`) and what the intervals cover: sentences"
    m, x = c.metric, f"{c.margin:g} {c.metric.points}"
    images = plural(c.n_images, WORD[c.split] + " image")
    out = f"n seeds; {m.title} on {images} of {c.data_name}, mean ± sd over the seeds; time of training, mean over the seeds"
    if len(c.rows) == 1: return [out + ".", *mean_interval(c)]
    return [out + " (× time: geometric mean of the ratios to the baseline's).", how(c, agree),
            f"Verdicts: helps or hurts where Holm p < 0.05; no difference where the 95% interval lies within ±{x}; else about how many "
            f"seeds would settle it (80% power at {x}).", coverage(c)]


def how(c, agree):
    "`Δ: to baseline, with its 95% interval by a paired t over the seeds; …`"
    tests = " or ".join({PAIRED: "a paired t over the seeds", WELCH: "Welch's t over unpaired seeds"}[t] for t in c.tests)
    parts = [f"Δ: to {c.baseline.label}, " + (f"with its 95% interval by {tests}" if tests else "with no test: too few seeds")]
    if c.family: parts.append(f"Holm p: adjusted for {plural(c.family, 'comparison')}")
    if agree and any(not none(r.agreement) for r in c.rows[1:]):
        parts.append("agree: share of images predicted as by the baseline (baseline: as by its other seeds)")
    return "; ".join(parts) + "."


def mean_interval(c):
    s, k, u = c.baseline.summary, c.metric.digits, c.metric.unit
    if none(s.low): return []
    return [f"95% interval of the mean over {plural(s.n, 'seed')}: {s.low:.{k}f} to {s.high:.{k}f} {u}; lowest {s.min:.{k}f}, highest "
            f"{s.max:.{k}f}. It covers the choice of seeds, not of data or test images."]


def coverage(c):
    "What the intervals cover, and what they do not"
    both = any(not none(r.images[0]) for r in c.rows)
    return ("The first interval covers the choice of seeds only (order, augmentation, new weights), on this very "
            f"{WORD[c.split]} set" + ("; “seeds & images” also covers the choice of its images" if both else "") +
            ". None covers other data, another split of it, other settings or other pre-trained weights.")


def verdicts(c):
    "verdict -> `a (+1.20), b (+0.80)`"
    text = lambda r: f"{r.label} ({signed(r.diff.delta, c.metric.digits)})"
    groups = {w: [text(r) for r in c.rows if r.verdict == w] for w in (HELPS, HURTS, SAME, OPEN)}
    return {w: ", ".join(rows) for w, rows in groups.items() if rows}


def facts(c):
    "What the numbers were measured on and with: heading -> text"
    runs, e = c.runs, [r.environment for r in c.runs]
    split = {k: each(f"{r.data[k]:,}" for r in runs) for k in ("train", "valid", "test")}
    return {"data": f"{each(r.data['name'] for r in runs)} ({each(r.data['fingerprint'] for r in runs)}): {split['train']} training, "
                    f"{split['valid']} validation, {split['test']} test images",
            "network": f"{each(r.recipe.arch for r in runs)}, {each(plural(r.recipe.epochs, 'epoch') for r in runs)}, "
                       f"{each(r.recipe.size for r in runs)} pixels",
            "seeds": "; ".join(f"{row.label}: {' '.join(map(str, row.seeds))}" for row in c.rows) if len(
                {tuple(row.seeds) for row in c.rows}) > 1 else f"{' '.join(map(str, c.baseline.seeds))}, the same for all rows",
            "hardware": each(device(r) for r in runs),
            "versions": ", ".join(f"{k} {each(x.get(k, '?') for x in e)}" for k in VERSIONS),
            "code": each(revision(x.get("git") or {}) for x in e),
            "date": f"runs {span(r.date[:10] for r in runs)}; report {date.today()}"}


def revision(git): return f"git {git['revision'][:12]}{' with changes' if git.get('changed') else ''}" if git.get("revision") else "no git"


def title(c):
    if len(c.rows) == 1: return f"{c.baseline.label} on {c.data_name}"
    return f"{plural(len(c.rows) - 1, 'recipe')} against {c.baseline.label} on {c.data_name}"


def fit(c, cols, width):
    "(columns, letters for a column of words) that `width` holds"
    for dropped in [None, *DROPPED]:
        cols = in_one(c, cols) if dropped == ONE else [o for o in cols if o.name != dropped]
        for words in (999, 40, 28, 20):
            if sum(2 + width_of(c, o, words) for o in cols) - 2 <= width: return cols, words
    return cols, 16


def in_one(c, cols): return [recipe_column(), *(o for o in cols if o.name not in c.baseline.varies and o.name != "tricks")]


def width_of(c, col, words): return max(len(line) for row in c.rows for line in [col.head, *fold(col, col.cell(row), words).split("\n")])


def fold(col, text, n): return fold_text(text, n) if col.left else text

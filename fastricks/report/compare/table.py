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
    none,
    number,
    p_text,
    share,
    signed,
    span,
    with_interval,
)
from ..runs import SPLIT_WORD, FinishedRun, device
from .effects import Effect
from .ladder import AS_GOOD, FAILED, HELPS, HURTS, IDENTICAL, OPEN, RUNGS, SAME
from .outcome import Looked, Outcome
from .rows import ComparisonRow
from .stats import Summary
from .sums import sum_words

VERSIONS_SHOWN = "fastricks", "python", "torch", "torchvision", "fastai", "timm", "numpy"


# -- the table's columns

CellText = Callable[[ComparisonRow], str]


@dataclass(frozen=True)
class Column:
    name: str            # what a narrow terminal drops it by
    head: str
    cell: CellText
    left: bool = False   # words, not numbers


# what a narrow terminal does without, in this order; ONE: all that differs goes into one column
ONE_RUN = "one"
WHOLE_WIDTH = 999  # letters of a column of words that is not folded
DROPPED = "R", "p", "agree", "holm", "time", ONE_RUN, "n", "ratio"


def table_columns(c: Outcome) -> list[Column]:
    "The Columns of a Comparison's table: what matters first, then the figures behind it"
    time = Column("time", "time", lambda row: duration(row.seconds))
    if len(c.rows) == 1:
        return [*recipe_columns(c), value_column(c), time]
    return [*recipe_columns(c), value_column(c), gain_column(c), Column("ratio", "× time", ratio_text),
            Column("verdict", "verdict", lambda row: row.words, True), *figure_columns(c), time]


def recipe_columns(c: Outcome) -> list[Column]:
    "What sets the rows apart, and how many seeds they have"
    differ = [Column(name, name, varying(name), True) for name in c.baseline.varies]
    return [*(differ or [recipe_column()]), Column("n", "n", lambda row: str(row.summary.n))]


def value_column(c: Outcome) -> Column:
    head = f"{c.metric.title.removesuffix(' accuracy')} {c.metric.unit} ± sd"
    return Column("value", head, lambda row: mean_sd(row.summary, c.metric.digits))


def gain_column(c: Outcome) -> Column:
    "The difference to the baseline and its 95% interval"
    digits = c.metric.digits
    gain = of_difference(lambda d: with_interval(d.delta, d.low, d.high, digits))
    return Column("delta", f"gain in {c.metric.points}, 95% interval", gain)


def ratio_text(row: ComparisonRow) -> str:
    "`0.67 [0.64, 0.70]`"
    r = row.ratio
    return number(r.ratio, 2) + ("" if none(r.low) else f" [{r.low:.2f}, {r.high:.2f}]")


def figure_columns(c: Outcome) -> list[Column]:
    "p at the last look, Holm's over the family, R and agreement"
    return [Column("p", "p", lambda row: p_text(row.call.p) if row.call else NONE),
            Column("holm", "Holm p", lambda row: p_text(row.call.p_holm) if row.call else NONE),
            Column("R", "R", of_difference(lambda d: number(d.R, 1))),
            Column("agree", "agree", lambda row: share(row.agreement))]


def varying(name: str) -> CellText: return lambda row: row.varies[name]


def of_difference(text: Callable[[Effect], str]) -> CellText:
    "A cell's text out of a row's Effect; the baseline has none"
    return lambda row: text(row.diff) if row.diff else NONE


def recipe_column() -> Column: return Column("tricks", "recipe", lambda row: row.label, True)


def mean_sd(s: Summary, k: int) -> str: return number(s.mean, k) + ("" if none(s.sd) else f" ± {s.sd:.{k}f}")


# -- its words

def headline(c: Outcome) -> str:
    """What was looked for, what could be seen, whose luck it is: the line over the table; empty for a single row.

    `look 1 (5 seeds) of 5, 8, 12, 16, 24 · 8 rows · could see 1.1 points · 5,250 test images`
    """
    if len(c.rows) == 1:
        return ""
    l = c.looked
    rows = plural(l.family, "row")
    if l.family != l.shown:
        rows = f"{l.shown} of a family of {rows}"
    digits = max(1, c.metric.digits - 1)
    sees = [] if none(l.sees) else [f"could see {l.sees:.{digits}f} {c.metric.points}"]
    images = plural(c.n_images, SPLIT_WORD[c.split] + " image")
    return " · ".join([look_text(l), rows, *sees, images])


def look_text(l: Looked) -> str:
    if l.once:
        return "one look at 5%, for good"
    rungs = ", ".join(map(str, RUNGS))
    if not l.rung:
        return f"no look yet: verdicts at {rungs} seeds"
    return f"look {RUNGS.index(l.rung) + 1} ({l.rung} seeds) of {rungs}"


def explanation(c: Outcome, agree: bool = True) -> list[str]:
    "What the numbers are, how often a verdict may be false and what the intervals cover: sentences"
    images = plural(c.n_images, SPLIT_WORD[c.split] + " image")
    first = (f"n seeds; {c.metric.title} on {images} of {c.data_name}, mean ± sd over the seeds; time of training, "
             "mean over the seeds")
    if len(c.rows) == 1:
        return [first + ".", *mean_interval(c)]
    ratio = " (× time: geometric mean of the ratios to the baseline's)"
    return [*sums(c), *tuning(c), promise(c), coverage(c), *winners_luck(c), *next_step(c), *variances(c),
            f"{first}{ratio}.{agreement_explanation(c) if agree else ''}"]


def sums(c: Outcome) -> list[str]:
    "Do the tricks of a row add up?"
    return [sum_words(t, c.metric, c.margin) + "." for t in c.together]


def tuning(c: Outcome) -> list[str]:
    "Was each row given its own best value?"
    what = c.looked.tuned
    return [f"Each row, the baseline too, has its own best of {what}, chosen on the validation split in one run "
            "each."] if what else []


def promise(c: Outcome) -> str:
    "How often a verdict may be false"
    there = {r.verdict for r in c.rows}
    climbed = "" if c.looked.once else ", however many rungs you climb"
    said = f"In 95 of 100 such tables no “helps” or “hurts” is false{climbed}"
    if AS_GOOD in there:
        said += ", and in 97 no “as good, in less time”"
    if SAME in there:
        said += f". That a difference is less than {c.margin:g} {c.metric.points} is said of each row by itself"
    return said + "."


def coverage(c: Outcome) -> str:
    "What the intervals cover, and what they do not"
    images = any(r.diff and r.diff.images for r in c.rows)
    what = f"seeds and {SPLIT_WORD[c.split]} images" if images else "seeds alone, on these very images"
    return (f"Intervals: each row's own 95%, {what}; not other data, another split of it, other settings or other "
            "pre-trained weights.")


def winners_luck(c: Outcome) -> list[str]:
    "The best of several is best by luck too"
    if sum(r.verdict == HELPS for r in c.rows) == 0 or len(c.rows) < 3:
        return []
    return ["The best row of a table owes some of its gain to luck: quote what fresh seeds say of it."]


def next_step(c: Outcome) -> list[str]:
    "`Next: the same command with --seeds 8 trains 27 runs (the 4 open rows alone: 15).`"
    l, rows = c.looked, [r for r in c.rows[1:] if r.verdict == OPEN]
    if l.once or not l.next or not rows:
        return []
    missing = lambda some: sum(max(0, l.next - len(r.runs) - r.failed) for r in (c.baseline, *some))
    trained = [r for r in c.rows[1:] if not r.runs[0].soup]
    again = [r for r in rows if not r.runs[0].soup]
    alone = ""
    if again and len(again) < len(trained):
        alone = f" (the {plural(len(again), 'open row')} alone: {missing(again)})"
    soups = ", then `fastricks soup` makes theirs" if len(trained) < len(c.rows) - 1 else ""
    runs = plural(missing(trained), "run")
    return [f"Next: the same ablation with --seeds {l.next} trains {runs}{alone}{soups}."]


def variances(c: Outcome) -> list[str]:
    "What R says of the spreads, and by which t the tests are"
    pool = c.looked.pool
    if none(pool.mean_R):
        return ["Plain t over the seeds."]
    said = f"R {pool.mean_R:.1f}: the spread over seeds is {pool.mean_R:.1f} × that of images which flip by themselves"
    if not pool.steadies:
        return [f"{said}, more than 5, and so the images steady no variance: plain t."]
    return [f"{said}, by which the images steady each row's variance ({pool.df} degrees of freedom more; --plain-t "
            "does without)."]


def agreement_explanation(c: Outcome) -> str:
    if all(none(r.agreement) for r in c.rows[1:]):
        return ""
    return " Agree: share of images predicted as by the baseline (baseline: as by its other seeds)."


def mean_interval(c: Outcome) -> list[str]:
    s, k, unit = c.baseline.summary, c.metric.digits, c.metric.unit
    if none(s.low):
        return []
    low, high, least, most = (f"{x:.{k}f}" for x in (s.low, s.high, s.min, s.max))
    seeds = plural(s.n, "seed")
    return [f"95% interval of the mean over {seeds}: {low} to {high} {unit}; lowest {least}, highest {most}. "
            "It covers the choice of seeds, not of data or test images."]


def verdict_groups(c: Outcome) -> dict[str, str]:
    "verdict -> `a (+1.20), b (+0.80)`"
    groups = {word: [row for row in c.rows if row.verdict == word]
              for word in (HELPS, HURTS, AS_GOOD, SAME, IDENTICAL, FAILED, OPEN)}
    return {word: ", ".join(gain_text(c, row) for row in rows) for word, rows in groups.items() if rows}


def gain_text(c: Outcome, row: ComparisonRow) -> str:
    if row.verdict == AS_GOOD:
        return f"{row.label} ({row.ratio.ratio:.2f} × the time)"
    return f"{row.label} ({signed(row.diff.delta, c.metric.digits)})" if row.diff else row.label


def measured_facts(c: Outcome) -> dict[str, str]:
    "What the numbers were measured on and with: heading -> text"
    runs = c.runs
    environments = [r.environment for r in runs]
    return {
        "data": data_fact(runs),
        "network": network_fact(runs),
        "seeds": seeds_fact(c),
        "hardware": each(device(r) for r in runs),
        "versions": ", ".join(version_fact(name, environments) for name in VERSIONS_SHOWN),
        "code": each(revision(e.get("git") or {}) for e in environments),
        "date": f"runs {span(r.date[:10] for r in runs)}; report {date.today()}",
    }


def data_fact(runs: list[FinishedRun]) -> str:
    name = each(r.data["name"] for r in runs)
    fingerprint = each(r.data["fingerprint"] for r in runs)
    train, valid, test = (each(f"{r.data[split]:,}" for r in runs) for split in ("train", "valid", "test"))
    return f"{name} ({fingerprint}): {train} training, {valid} validation, {test} test images"


def network_fact(runs: list[FinishedRun]) -> str:
    arch, epochs = each(r.recipe.arch for r in runs), each(plural(r.recipe.epochs, "epoch") for r in runs)
    return f"{arch}, {epochs}, {each(r.recipe.size for r in runs)} pixels"


def seeds_fact(c: Outcome) -> str:
    seeds = {row.label: " ".join(map(str, row.seeds)) for row in c.rows}
    if len({*seeds.values()}) == 1:
        return f"{seeds[c.baseline.label]}, the same for all rows"
    return "; ".join(f"{label}: {own}" for label, own in seeds.items())


def version_fact(name: str, environments: list[dict]) -> str:
    return f"{name} {each(e.get(name, '?') for e in environments)}"


def revision(git: dict) -> str:
    if not git.get("revision"):
        return "no git"
    return f"git {git['revision'][:12]}" + (" with changes" if git.get("changed") else "")


def comparison_title(c: Outcome) -> str:
    if len(c.rows) == 1:
        return f"{c.baseline.label} on {c.data_name}"
    return f"{plural(len(c.rows) - 1, 'recipe')} against {c.baseline.label} on {c.data_name}"


def fit_columns(c: Outcome, cols: list[Column], width: int) -> tuple[list[Column], int]:
    "(columns, letters for a column of words) that `width` holds"
    for dropped in [None, *DROPPED]:
        cols = in_one(c, cols) if dropped == ONE_RUN else [o for o in cols if o.name != dropped]
        for letters in (WHOLE_WIDTH, 40, 28, 20):
            if table_width(c, cols, letters) <= width:
                return cols, letters
    return cols, next((n for n in (16, 12) if table_width(c, cols, n) <= width), 12)


def table_width(c: Outcome, cols: list[Column], letters: int) -> int:
    return sum(2 + column_width(c, o, letters) for o in cols) - 2


def column_width(c: Outcome, col: Column, letters: int) -> int:
    return widest_line([head_text(c, col, letters), *(fold(col, col.cell(row), letters) for row in c.rows)])


def head_text(c: Outcome, col: Column, letters: int) -> str:
    "A column's head; where there is little room, in lines as long as its cells"
    if letters == WHOLE_WIDTH:
        return col.head
    return fold_text(col.head, widest_line([fold(col, col.cell(row), letters) for row in c.rows]))


def widest_line(texts: list[str]) -> int: return max(len(line) for text in texts for line in text.split("\n"))


def in_one(c: Outcome, cols: list[Column]) -> list[Column]:
    "The columns with all that differs in a single one"
    return [recipe_column(), *(o for o in cols if o.name not in c.baseline.varies and o.name != "tricks")]


def fold(col: Column, text: str, letters: int) -> str: return fold_text(text, letters) if col.left else text

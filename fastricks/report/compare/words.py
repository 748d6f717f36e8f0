"""Verdicts in words, the same in every report."""
from ...core.words import none, signed
from ..runs import Metric
from .effects import ALPHA, FEWEST_SEEDS
from .ladder import AS_GOOD, FAILED, HELPS, HURTS, IDENTICAL, OPEN, RUNGS, SAME, Terms
from .outcome import Looked
from .rows import ComparisonRow

STYLE_CLASSES = {HELPS: "helps", HURTS: "hurts", AS_GOOD: "as-good", SAME: "no-difference", IDENTICAL: "no-difference",
                 FAILED: "failed", OPEN: "open"}


def style_of(row: ComparisonRow) -> str:
    "The CSS class of a row"
    return STYLE_CLASSES.get(row.verdict, row.verdict)


def margin_words(margin: float, unit: str) -> str:
    "`0.5 points`, `1 point`, `0.02 nats`"
    return f"{margin:g} {'point' if margin == 1 and unit == 'points' else unit}"


def verdict_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    "The verdict in full: how sure, how much at most, or what it could be"
    words = VERDICT_WORDS[row.call.verdict](row, terms, looked, metric)
    have = min(row.diff.n, row.diff.n_base) if row.diff else 0
    called_before = row.call.verdict not in (OPEN, FAILED) and row.call.rung and row.call.rung < have
    return words + (f" (at {row.call.rung} of {have} seeds)" if called_before else "")


def sure_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    small = -terms.margin < row.diff.low and row.diff.high < terms.margin
    return row.call.verdict + (f", by less than {margin_words(terms.margin, metric.points)}" if small else "")


def good_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    return f"as good, in {row.ratio.ratio:.2f} × the time"


def same_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    most = max(abs(row.diff.low), abs(row.diff.high))
    return f"{SAME} (at most {most:.{metric.digits}f})"


def identical_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    return IDENTICAL + ("" if row.applied else ": it was not applied")


def failed_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    return f"failed in {row.failed} of {row.failed + len(row.runs)}"


def open_words(row: ComparisonRow, terms: Terms, looked: Looked, metric: Metric) -> str:
    "`open: +0.3 to +1.5, likely helps; 50 in 100 that 8 seeds settle it`"
    d, digits = row.diff, max(1, metric.digits - 1)
    if d is None or none(d.low):
        return f"open: {d.why if d else 'no seed was finished'}"
    words = f"open: {signed(d.low, digits)} to {signed(d.high, digits)}"
    if d.p < ALPHA:
        words += f", likely {HELPS if terms.sign * d.delta > 0 else HURTS}"
    return words + more_seeds(row, looked)


def more_seeds(row: ComparisonRow, looked: Looked) -> str:
    "What the next rung may say"
    if not none(row.chance):
        return f"; {100 * row.chance:.0f} in 100 that {looked.next} seeds settle it"
    first = FEWEST_SEEDS if looked.once else RUNGS[0]
    return f"; verdicts from {first} seeds on" if min(row.diff.n, row.diff.n_base) < first else ""


VERDICT_WORDS = {
    HELPS: sure_words,
    HURTS: sure_words,
    AS_GOOD: good_words,
    SAME: same_words,
    IDENTICAL: identical_words,
    FAILED: failed_words,
    OPEN: open_words,
}

"""Numbers, durations and lists as text."""
import math
import re
from collections.abc import Callable, Iterable

from .errors import UserError

Say = Callable[[str], object]  # `print`, `silent` and others that are told a line


def parse_time(text: str | None, flag: str = "--checkpoint-every") -> float | None:
    "`2h`, `90m`, `1h30m`, `45s` -> seconds; None stays None"
    if text is None:
        return None
    m = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip())
    if not m or not any(m.groups()):
        raise UserError(f"{flag} {text} is no time: as in 30s, 10m or 1h30m")
    return sum(float(x or 0) * s for x, s in zip(m.groups(), (3600, 60, 1), strict=True))

NONE = "–"


# -- numbers as text

def none(x: float | None) -> bool: return x is None or x != x


def number(x: float | None, digits: int) -> str: return NONE if none(x) else f"{x:.{digits}f}"


def signed(x: float | None, digits: int) -> str: return NONE if none(x) else f"{x:+.{digits}f}"


def interval(low: float | None, high: float | None, digits: int) -> str:
    return NONE if none(low) else f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def with_interval(x: float | None, low: float | None, high: float | None, digits: int) -> str:
    return signed(x, digits) + ("" if none(low) else " " + interval(low, high, digits))


def p_text(p: float | None) -> str:
    if p is None or none(p):
        return NONE
    return "<0.001" if p < .0005 else f"{p:.3f}"


def share(x: float | None) -> str: return NONE if none(x) else f"{x:.1%}"


def duration(s: float) -> str:
    "`4.2 s`, `43 s`, `12 min`, `1.5 h`"
    for most, unit, name in ((90, 1, "s"), (5400, 60, "min"), (math.inf, 3600, "h")):
        if s < most:
            return f"{s / unit:.{1 if s < 10 * unit else 0}f} {name}"
    return NONE  # not a finite number


def each(values: Iterable[object]) -> str: return " / ".join(dict.fromkeys(str(v) for v in values))


def span(days: Iterable[str]) -> str:
    days = sorted({*days})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def fold_text(text: str, n: int) -> str:
    "Lines of at most `n` letters where that can be, cut after a space, + , or :, but for a number's +"
    lines = [""]
    for part in re.findall(r"(?:[^ +,:]|\+(?=[\d.]))*(?:[ ,:]|\+(?![\d.]))+|(?:[^ +,:]|\+(?=[\d.]))+$", text):
        if lines[-1] and len((lines[-1] + part).rstrip()) > n:
            lines.append("")
        lines[-1] += part
    return "\n".join(x.rstrip() for x in lines)


def silent(_: object) -> None: "Says nothing: `train(recipe, silent)` shows no rows either"

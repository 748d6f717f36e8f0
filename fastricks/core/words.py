"""Numbers, durations and lists as text."""
import math
import re

from .errors import UserError


def parse_time(text, flag="--checkpoint-every"):
    "`2h`, `90m`, `1h30m`, `45s` -> seconds; None stays None"
    if text is None: return None
    m = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip())
    if not m or not any(m.groups()): raise UserError(f"{flag} {text} is no time: as in 30s, 10m or 1h30m")
    return sum(float(x or 0) * s for x, s in zip(m.groups(), (3600, 60, 1), strict=True))

NONE = "–"


# -- numbers as text

def none(x): return x is None or x != x


def number(x, digits): return NONE if none(x) else f"{x:.{digits}f}"


def signed(x, digits): return NONE if none(x) else f"{x:+.{digits}f}"


def interval(low, high, digits): return NONE if none(low) else f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def with_interval(x, low, high, digits): return signed(x, digits) + ("" if none(low) else " " + interval(low, high, digits))


def p_text(p): return NONE if none(p) else "<0.001" if p < .0005 else f"{p:.3f}"


def share(x): return NONE if none(x) else f"{x:.1%}"


def duration(s):
    "`4.2 s`, `43 s`, `12 min`, `1.5 h`"
    for most, unit, name in ((90, 1, "s"), (5400, 60, "min"), (math.inf, 3600, "h")):
        if s < most: return f"{s / unit:.{1 if s < 10 * unit else 0}f} {name}"


def each(values): return " / ".join(dict.fromkeys(str(v) for v in values))


def span(days):
    days = sorted({*days})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def fold_text(text, n):
    "Lines of at most `n` letters where that can be, cut after a space, + , or :"
    lines = [""]
    for part in re.findall(r"[^ +,:]*[ +,:]+|[^ +,:]+$", text):
        if lines[-1] and len((lines[-1] + part).rstrip()) > n: lines.append("")
        lines[-1] += part
    return "\n".join(x.rstrip() for x in lines)


def silent(_): "Says nothing: `train(recipe, silent)` shows no rows either"

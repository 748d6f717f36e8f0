"""The selection language: `a+b:key=value,key=value`."""
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from os.path import expanduser
from pathlib import Path
from typing import Any

from ..core.errors import UserError, nearest, one_of
from ..trick.base import Trick, show
from .registry import schedules, trick_class


def parse_key(trick: str, f: Field[Any], text: str) -> object:
    "Text of a key as the type of its field"
    default = f.default
    try:
        if isinstance(default, tuple):
            return tuple(float(o) for o in text.split("/"))
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return require_finite(float(text))
    except (ValueError, KeyError):
        want = ("numbers joined by /" if isinstance(default, tuple) else "true or false" if isinstance(default, bool)
                else "a whole number" if isinstance(default, int) else "a number")
        raise UserError(f"{trick}:{f.name}={text} is not {want}") from None
    return expanduser(text)  # where it is a place


def require_finite(x: float) -> float:
    if x != x or x in (float("inf"), float("-inf")):
        raise ValueError
    return x


def parse_keys(cls: type[Trick], text: str) -> dict[str, Any]:
    "`eps=0.2,form=paper` -> {'eps': .2, 'form': 'paper'}"
    known, got = {f.name: f for f in fields(cls)}, {}
    for pair in filter(None, split_unquoted(text, ",")):
        k, eq, v = pair.partition("=")
        v = unquoted(v)
        if k not in known:
            meant = nearest(k, known) or f"; its keys: {one_of(known) or 'none'}"
            raise UserError(f"{cls.name} has no key {k!r}{meant}")
        if not eq or not v:
            raise UserError(f"{cls.name}:{k} needs a value, as in {cls.name}:{k}={show(known[k].default)}")
        if k in got:
            raise UserError(f"{cls.name}:{k} is given twice")
        got[k] = parse_key(cls.name, known[k], v)
    return got


def split_unquoted(text: str, sign: str) -> list[str]:
    """Parts of a text between a `sign`, which does not divide what stands in quotes, nor the path of a file or folder
    that is there.

    Quotes begin a value (`teacher='a+b'`), so that a path may have one inside it.
    """
    parts: list[str] = []
    for piece in text.split(sign):
        if parts and (is_open(parts[-1]) or is_path_begun(parts, piece, sign, text)):
            parts[-1] += sign + piece
        else:
            parts.append(piece)
    return parts


def is_open(part: str) -> bool:
    "Does a value begin with a quote that does not end yet?"
    return any(len(re.findall(f"(?<==){quote}", part)) > len(re.findall(f"(?<!=){quote}(?=,|$)", part))
               for quote in "'\"")


def is_path_begun(parts: list[str], piece: str, sign: str, text: str) -> bool:
    "Is the last value of `parts` the beginning of a longer path of the text that is there?"
    value = parts[-1].rpartition("=")[2] if "=" in parts[-1] else ""
    if not value or value[0] in "'\"":
        return False
    rest = text[len(sign.join(parts)):]
    ends = [m.end() for m in re.finditer(r"[^+,]*", rest) if m.end()]
    return any(end > len(sign) and Path(value + rest[:end]).exists() for end in ends)


def unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def split_file(part: str) -> tuple[str, ...] | None:
    "`./my_trick.py:key=1` in three, as str.partition has it; None for what is no Python file"
    match = re.fullmatch(r"(.+\.py)(:?)(.*)", part, re.DOTALL)
    return match.groups() if match else None


def parse_selection(texts: Iterable[str]) -> list[tuple[str, str, dict[str, Any]]]:
    "The -t options -> [(op, name, keys)] with op one of '+', '-', 'none'"
    ops: list[tuple[str, str, dict[str, Any]]] = []
    for part in (p.strip() for t in texts for p in split_unquoted(t.removeprefix("="), "+")):
        if not part:
            raise UserError("an empty trick in -t: names are joined by single +, as in -t warmup+cosine")
        if part == "none":
            ops.append(("none", "", {}))
            continue
        if part.startswith("-"):
            ops.append(("-", trick_class(part[1:]).name, {}))
            continue
        named, _, keys = split_file(part) or part.partition(":")
        cls = trick_class(named)
        name = cls.name
        if any(op == "+" and n == name for op, n, _ in ops):
            raise UserError(f"the trick {name} is named twice")
        ops.append(("+", name, parse_keys(cls, keys)))
    main = [n for op, n, _ in ops if op == "+" and n in schedules()]
    if len(main) > 1:
        raise UserError(f"{' and '.join(main)} are both schedules of the learning rate, of which a run has one")
    return ops


def select(tricks: Mapping[str, Mapping[str, Any]], texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Apply -t options to a recipe's `tricks` (name -> keys) and return the new mapping.

    A named trick joins, or changes the keys that it names; a named main schedule takes the place of another.
    """
    out = {n: dict(k) for n, k in tricks.items()}
    for op, name, keys in parse_selection(texts):
        if op == "none":
            out = {}
        elif op == "-":
            if name not in out:
                raise UserError(f"-{name}: this recipe has no {name} to take away")
            del out[name]
        else:
            if name in schedules():
                out = {n: k for n, k in out.items() if n == name or n not in schedules()}
            out[name] = {**out.get(name, {}), **keys}
    return out

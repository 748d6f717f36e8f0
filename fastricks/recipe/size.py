"""`--size`: pixels of a square, or width × height. Light."""
import re
from numbers import Integral

from ..core.errors import UserError, shorten

MEANT = "give the pixels of a square, as 224, or width x height, as 320x240"


def size_of(given: object) -> int | str:
    "224 of 224, `224` or `224x224`; `320x240` of that, of `320×240` or (320, 240). Raises UserError for anything else"
    if isinstance(given, Integral) and not isinstance(given, bool):
        return int(given)
    text = "x".join(map(str, given)) if isinstance(given, tuple | list) else str(given)
    found = re.fullmatch(r"\s*(\d{1,5})\s*(?:[xX×*]\s*(\d{1,5})\s*)?", text)
    if not found:
        raise UserError(f"invalid value for '--size': {shorten(repr(given))} is not a valid integer or width x "
                        f"height: {MEANT}")
    w, h = int(found[1]), int(found[2] or found[1])
    return w if w == h else f"{w}x{h}"


def sides_of(size: int, shape: str | None) -> tuple[int, int]:
    "(width, height) of what the network sees"
    if shape is None:
        return size, size
    w, h = map(int, shape.split("x"))
    return w, h


def split_size(given: int | str) -> dict[str, object]:
    "The recipe's fields of a --size: `size`, the longer side, and `shape`, None for a square"
    if isinstance(given, int):
        return {"size": given, "shape": None}
    return {"size": max(map(int, given.split("x"))), "shape": given}

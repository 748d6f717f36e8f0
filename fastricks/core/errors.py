"""What a user did wrong, in one sentence."""
import re
from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    "Bad input. Its text is one clear sentence: what is wrong, where, and the nearest right thing. Exit code 2."
    def __init__(self, text: object = "") -> None:
        super().__init__(text)
        self.text = str(text)
    def __str__(self) -> str: return self.text  # fastai writes into the args of what a callback raises


def nearest(word: object, words: Iterable[object]) -> str:
    "`; did you mean 'x'?` for the nearest of `words`, or nothing"
    lower = {str(w).lower(): str(w) for w in words}
    hit = get_close_matches(str(word).lower(), lower, 1, .6)
    return f"; did you mean {lower[hit[0]]!r}?" if hit else ""


def first_line(said: object) -> str:
    "The first line of what an exception says, or of a text; empty where it says nothing"
    return next(iter(str(said).strip().splitlines()), "")


def one_of(words: Iterable[object]) -> str: return ", ".join(str(w) for w in words)


def plural(n: int, word: str, words: str | None = None) -> str:
    "`1 image`, `2 images`, `21 classes`"
    return f"{n:,} {word if n == 1 else words or word + 's'}"


def shorten(name: object, n: int = 24) -> str:
    "A name in one line of at most `n` letters"
    name = " ".join(str(name).split())
    return name if len(name) <= n else name[:n - 1] + "…"


def visible(text: object) -> str:
    """One line that can be shown and kept: what moves a terminal's cursor or hides, as names of files can, is written
    out.

    So is the user and password of a URL left out.
    """
    text = re.sub(r"(?<=://)[^/@\s]+@", "***@", str(text))
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

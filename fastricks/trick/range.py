"""Which values a number or a word may take: of an option as of a trick's key."""
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from ..core.errors import UserError, nearest, one_of


@dataclass(frozen=True)
class Range:
    """Open (`above`, `below`) and closed (`least`, `most`) limits of a number, or the `choices` of a word; None sets no
    limit.

    `numbered` is a choice that a number may follow, as in cuda:1.
    """
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    choices: tuple[str, ...] | None = None
    numbered: str | None = None

    @property
    def text(self) -> str:
        "`above 0 and below 1`"
        if self.choices:
            return one_of(self.choices)
        limits = {"above": self.above, "at least": self.least, "below": self.below, "at most": self.most}
        return " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)

    def __contains__(self, value: float) -> bool:
        if not isfinite(value):
            return self == Range()
        if self.above is not None and not value > self.above:
            return False
        if self.least is not None and not value >= self.least:
            return False
        if self.below is not None and not value < self.below:
            return False
        return self.most is None or value <= self.most

    def is_choice(self, value: object) -> bool:
        word, colon, number = str(value).partition(":")
        return value in (self.choices or ()) or (word == self.numbered and colon == ":" and number.isdecimal())

    def require(self, name: str, value: object, show: Callable[[object], str] = str) -> None:
        """Raise UserError where `value` (a number, a word, or a tuple of numbers) is outside; `name` is how a message
        begins
        """
        if self.choices and not self.is_choice(value):
            raise UserError(f"{name}{show(value)} is not one of {one_of(self.choices)}{nearest(value, self.choices)}")
        for x in value if isinstance(value, tuple) else (value,):
            if self.text and not self.choices and not isinstance(x, int | float):
                raise UserError(f"{name}{show(x)} is not a number")
            if isinstance(x, int | float) and x not in self:
                raise UserError(f"{name}{show(x)} is out of range: it must be {self.text}")

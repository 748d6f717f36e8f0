"""What training offers a trick while it settles."""
from dataclasses import dataclass

from ..core.words import silent
from ..data.source import fingerprint
from .teacher import find_network


@dataclass(frozen=True)
class Room:
    """Lines are said by `say`; networks that a trick needs are trained by `train`.

    With `dry` nothing is trained and a network that would be has just an identity; without `train` it must be there
    already.
    """
    say: object = silent
    dry: bool = False
    train: object = None

    def fingerprint(self, source): return fingerprint(source)

    def network(self, wanted, recipe, source): return find_network(wanted, recipe, source, self)

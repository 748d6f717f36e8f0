"""`predict --sort-into`: photos copied into a folder a class. Nothing is moved, nothing that is there is written over.
Light.
"""
import filecmp
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from ..core.errors import UserError, plural, visible
from .unknown import UNKNOWN


class Sorter:
    """Copies photos into folders of `out`, one for each of `names`; UserError where that can't be, before any photo
    where it can be known
    """
    def __init__(self, out: str | os.PathLike[str], names: Iterable[str]) -> None:
        self.out, self.folders = Path(out).expanduser(), folders_of(names)
        self.copied: Counter[str] = Counter()
        self.there = 0  # photos that an earlier run has copied
        with told(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
        if not os.access(self.out, os.W_OK):
            raise UserError(f"--sort-into {out}: can't be written to")

    def __call__(self, photo: str, name: str) -> None:
        folder = self.out / self.folders[name]
        with told(self.out):
            folder.mkdir(exist_ok=True)
            if copied(Path(photo), folder):
                self.copied[name] += 1
            else:
                self.there += 1

    def said(self) -> str:
        of = ", ".join(f"{n:,} {visible(name)}" for name, n in sorted(self.copied.items()))
        again = f"; {self.there:,} lay there already" if self.there else ""
        return (f"copied    {plural(self.copied.total(), 'photo')} into "
                f"{visible(str(self.out))}{': ' if of else ''}{of}{again}")


class told:
    "What the disk refuses is one sentence"
    def __init__(self, out: Path) -> None: self.out = out
    def __enter__(self) -> None: pass

    def __exit__(self, kind: object, e: BaseException | None, trace: object) -> None:
        if not isinstance(e, OSError):
            return
        place = visible(str(e.filename or self.out))
        raise UserError(f"--sort-into {visible(str(self.out))}: {place} can't be copied or written "
                        f"({e.strerror or e})") from None


def folders_of(names: Iterable[str]) -> dict[str, str]:
    "name -> a folder's name, in which no letter leads elsewhere; UserError where two names are one folder"
    found: dict[str, str] = {}
    for name in names:
        folder = "".join("_" if c in '/\\:\0' else c for c in name).strip().lstrip(".") or "_"
        if clash := next((o for o, f in found.items() if f.casefold() == folder.casefold()), None):
            raise UserError(
                f"--sort-into: {visible(clash)!r} and {visible(name)!r} would be one folder, {visible(folder)!r}")
        found[name] = folder
    return found


def copied(photo: Path, folder: Path) -> bool:
    "Copy a photo under its own name, or with a number where another has that; False where the same photo lies there"
    for place in free_places(photo, folder):
        if os.path.lexists(place):
            if place.is_file() and filecmp.cmp(photo, place, shallow=False):
                return False
            continue
        copy(photo, place)
        return True
    return False


def free_places(photo: Path, folder: Path) -> Iterator[Path]:
    yield folder / photo.name
    for n in count(2):
        yield folder / f"{photo.stem}-{n}{photo.suffix}"


def copy(photo: Path, place: Path) -> None:
    "Whole or not at all; a file that came there meanwhile is an error"
    with open(photo, "rb") as old, open(place, "xb") as new:
        try:
            shutil.copyfileobj(old, new)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
    shutil.copystat(photo, place)


def names_of(classes: Iterable[str], unknown: bool) -> list[str]:
    "The folders' names: classes, and where photos may be it, unknown"
    names = [*classes, *([UNKNOWN] if unknown else [])]
    if names.count(UNKNOWN) > 1:
        raise UserError(f"--sort-into: the model has a class {UNKNOWN!r}, which photos that are unknown would be "
                        "mixed with")
    return names

"""Tricks from outside: a file of the user's own (`-t ./my_trick.py:key=1`), or an installed package's entry point.

A recipe names such a trick by the file's stem, and says in `trick_files` where it is from and what its hash is. A file
that a recipe from elsewhere names is run only where the user trusts it; until then a `Stranger` stands in its place,
which can be shown but not run.
"""
import sys
from collections.abc import Container, Mapping
from dataclasses import is_dataclass
from hashlib import sha256
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getfile
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..core.errors import UserError, first_line, plural
from ..trick.base import HOOKS, Trick, show
from ..trick.types import RecipeLike

GROUP = "fastricks.tricks"            # of entry points: name = the trick's name, value = module:Class
trust = False                         # --trust: may files be run that a recipe names?
loaded: dict[str, type[Trick]] = {}   # name -> class of a file that was named by the user, or trusted
strangers: dict[str, str] = {}        # name -> where such a file is said to be, for those that were not


class Stranger(Trick):
    "A trick whose code is not run here."
    def __init__(self, name: str, given: dict[str, Any]) -> None: self.name, self.given = name, given

    def keys(self) -> dict[str, Any]: return self.given

    def check(self, recipe: RecipeLike, tricks: tuple[Trick, ...]) -> None: self.refuse()

    def refuse(self, *args: object) -> NoReturn:
        raise UserError(f"the trick {self.name} is the file {strangers[self.name]}, "
                        "which this recipe names and you have not: read it, then give --trust to run it")

    def __str__(self) -> str:
        return self.name + (":" + ",".join(f"{k}={show(v)}" for k, v in self.given.items()) if self.given else "")


for hook in HOOKS:
    setattr(Stranger, hook, Stranger.refuse)


def load_file(path: str | Path, builtin: Container[str]) -> type[Trick]:
    "The Trick class of a file, run now; `builtin`: the names that are taken. Raises UserError for what is no trick"
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise UserError(f"-t {path}: there is no such file")
    name, code = path.stem, path.read_bytes()
    if not name.isidentifier():
        raise UserError(f"-t {path}: a trick is called as its file, and {name!r} is no name: use letters, digits and _")
    if name in builtin:
        raise UserError(f"-t {path}: there is a trick called {name} already: give the file another name")
    hashed = sha256(code).hexdigest()
    old = loaded.get(name)
    if old and origin_of(old)["sha256"] == hashed:
        return old
    if old and (file := origin_of(old)["file"]) != str(path):
        raise UserError(f"-t {path}: {file} is called {name} too: give one another name")
    cls = class_in(run_file(path, name), str(path))
    cls.name, cls.origin = name, {"file": str(path), "sha256": hashed}
    loaded[name] = cls
    strangers.pop(name, None)
    return cls


def origin_of(cls: type[Trick]) -> dict[str, str]:
    "Its file or entry point, and its hash; empty for our own tricks"
    return cls.origin or {}


def run_file(path: Path, name: str) -> ModuleType:
    spec = spec_from_file_location(f"fastricks_own_{name}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"-t {path}: a trick is a Python file, as my_trick.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as e:
        raise UserError(f"-t {path}: can't be run ({type(e).__name__}: {first_line(e)})") from e
    return module


def class_in(module: ModuleType, where: str) -> type[Trick]:
    "The one Trick that a module defines"
    own = [o for o in vars(module).values() if isinstance(o, type) and issubclass(o, Trick)
           and o.__module__ == module.__name__]
    if len(own) != 1:
        raise UserError(f"{where} has {plural(len(own), 'class', 'classes')} that extend Trick: it must have one")
    if not is_dataclass(own[0]):
        raise UserError(f"{where}: {own[0].__name__} must be a dataclass: put @dataclass(frozen=True) above it")
    return own[0]


def installed() -> dict[str, type[Trick]]:
    "name -> class of the tricks that installed packages bring; one that can't be loaded is left to `why_missing`"
    found = {}
    for point in entry_points(group=GROUP):
        try:
            cls = point.load()
        except Exception:
            continue
        if not (isinstance(cls, type) and issubclass(cls, Trick) and is_dataclass(cls)):
            continue
        cls.name = point.name
        cls.origin = {"entry_point": point.value, "sha256": sha256(Path(getfile(cls)).read_bytes()).hexdigest()}
        found[point.name] = cls
    return found


def why_missing(name: str) -> str:
    "What is wrong with an installed trick of this name; empty where there is none"
    point = next(iter(entry_points(group=GROUP, name=name)), None)
    if point is None:
        return ""
    try:
        point.load()
    except Exception as e:
        return f"the trick {name} is {point.value}, which can't be loaded ({type(e).__name__}: {first_line(e)})"
    return f"the trick {name} is {point.value}, which is no dataclass that extends Trick"


def adopt_files(files: Mapping[str, Mapping[str, Any]], builtin: Container[str]) -> None:
    """Make the tricks known that a recipe's `trick_files` names: run those that are trusted, let a Stranger stand for
    the others
    """
    for name, origin in files.items():
        if name in builtin or (name in loaded and origin_of(loaded[name])["sha256"] == origin.get("sha256")):
            continue
        file = str(origin.get("file") or origin.get("entry_point"))
        strangers[name] = file
        if trust and origin.get("file"):
            load_trusted(name, file, origin.get("sha256"), builtin)


def load_trusted(name: str, file: str, hashed: object, builtin: Container[str]) -> None:
    cls = load_file(file, builtin)
    if cls.name == name and origin_of(cls)["sha256"] == hashed:
        return
    loaded.pop(cls.name)
    raise UserError(f"{file} has changed since this recipe was trained: name it by -t {file} to use it as it is now")

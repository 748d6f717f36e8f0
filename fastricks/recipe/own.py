"""Tricks from outside: a file of the user's own (`-t ./my_trick.py:key=1`), or an installed package's entry point.

A recipe names such a trick by the file's stem, and says in `trick_files` where it is from and what its hash is. A file that a recipe
from elsewhere names is run only where the user trusts it; until then a `Stranger` stands in its place, which can be shown but not run.
"""
import sys
from dataclasses import is_dataclass
from hashlib import sha256
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from ..core.errors import UserError, first_line, plural
from ..trick.base import HOOKS, Trick, show

GROUP = "fastricks.tricks"  # of entry points: name = the trick's name, value = module:Class
trust = False               # --trust: may files be run that a recipe names?
loaded = {}                 # name -> class of a file that was named by the user, or trusted
strangers = {}              # name -> where such a file is said to be, for those that were not


class Stranger(Trick):
    "A trick whose code is not run here."
    def __init__(self, name, given): self.name, self.given = name, given

    def keys(self): return self.given

    def check(self, recipe, tricks): self.refuse()

    def refuse(self, *args):
        raise UserError(f"the trick {self.name} is the file {strangers[self.name]}, which this recipe names and you have not: "
                        "read it, then give --trust to run it")

    def __str__(self):
        return self.name + (":" + ",".join(f"{k}={show(v)}" for k, v in self.given.items()) if self.given else "")


for hook in HOOKS: setattr(Stranger, hook, Stranger.refuse)


def load_file(path, builtin):
    "The Trick class of a file, run now; `builtin`: the names that are taken. Raises UserError for what is no trick"
    path = Path(path).expanduser().resolve()
    if not path.is_file(): raise UserError(f"-t {path}: there is no such file")
    name, code = path.stem, path.read_bytes()
    if not name.isidentifier(): raise UserError(f"-t {path}: a trick is called as its file, and {name!r} is no name: use letters, digits and _")
    if name in builtin: raise UserError(f"-t {path}: there is a trick called {name} already: give the file another name")
    hashed = sha256(code).hexdigest()
    old = loaded.get(name)
    if old and old.origin["sha256"] == hashed: return old
    if old and old.origin["file"] != str(path): raise UserError(f"-t {path}: {old.origin['file']} is called {name} too: give one another name")
    cls = class_in(run_file(path, name), str(path))
    cls.name, cls.origin = name, {"file": str(path), "sha256": hashed}
    loaded[name] = cls
    strangers.pop(name, None)
    return cls


def run_file(path, name):
    spec = spec_from_file_location(f"fastricks_own_{name}", path)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try: spec.loader.exec_module(module)
    except Exception as e: raise UserError(f"-t {path}: can't be run ({type(e).__name__}: {first_line(e)})") from e
    return module


def class_in(module, where):
    "The one Trick that a module defines"
    own = [o for o in vars(module).values() if isinstance(o, type) and issubclass(o, Trick) and o.__module__ == module.__name__]
    if len(own) != 1: raise UserError(f"{where} has {plural(len(own), 'class', 'classes')} that extend Trick: it must have one")
    if not is_dataclass(own[0]): raise UserError(f"{where}: {own[0].__name__} must be a dataclass: put @dataclass(frozen=True) above it")
    return own[0]


def installed():
    "name -> class of the tricks that installed packages bring; one that can't be loaded is left to `why_missing`"
    found = {}
    for point in entry_points(group=GROUP):
        try: cls = point.load()
        except Exception: continue
        if not (isinstance(cls, type) and issubclass(cls, Trick) and is_dataclass(cls)): continue
        cls.name = point.name
        cls.origin = {"entry_point": point.value, "sha256": sha256(Path(sys.modules[cls.__module__].__file__).read_bytes()).hexdigest()}
        found[point.name] = cls
    return found


def why_missing(name):
    "What is wrong with an installed trick of this name; empty where there is none"
    point = next(iter(entry_points(group=GROUP, name=name)), None)
    if point is None: return ""
    try: point.load()
    except Exception as e: return f"the trick {name} is {point.value}, which can't be loaded ({type(e).__name__}: {first_line(e)})"
    return f"the trick {name} is {point.value}, which is no dataclass that extends Trick"


def adopt(files, builtin):
    "Make the tricks known that a recipe's `trick_files` names: run those that are trusted, let a Stranger stand for the others"
    for name, origin in files.items():
        if name in builtin or (name in loaded and loaded[name].origin["sha256"] == origin.get("sha256")): continue
        file = str(origin.get("file") or origin.get("entry_point"))
        strangers[name] = file
        if trust and origin.get("file"): load_trusted(name, file, origin.get("sha256"), builtin)


def load_trusted(name, file, hashed, builtin):
    cls = load_file(file, builtin)
    if cls.name == name and cls.origin["sha256"] == hashed: return
    loaded.pop(cls.name)
    raise UserError(f"{file} has changed since this recipe was trained: name it by -t {file} to use it as it is now")

"""The picture of the house in CONTRIBUTING.md against the imports, and what no file may know."""
import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest
from support.paths import ROOT

PACKAGE = ROOT / "fastricks"
PICTURE = re.findall(r"^ {4,}(\d+)  ((?:\w+/ *)+)", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
FLOORS = {room: int(n) for n, rooms in PICTURE for room in rooms.replace("/", "").split()}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(f): f for f in FILES}


@cache
def imported(file):
    "Our modules that a file imports, anywhere in it"
    here = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import): found |= {a.name for a in node.names}
        if not isinstance(node, ast.ImportFrom): continue
        up = here.split(".")[:len(here.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*up, *([node.module] if node.module else [])])
        found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names}
    return {m for m in found if m in MODULES} - {module_of(file)}


def room_of(module): return module.split(".")[1] if "." in module else ""


def rooms_below(room):
    "Rooms that a room's files import"
    files = [f for f in FILES if room_of(module_of(f)) == room]
    return {room_of(m) for f in files for m in imported(f)} - {room, ""}


def test_the_picture_has_every_room():
    rooms = {f.name for f in PACKAGE.iterdir() if f.is_dir() and list(f.glob("*.py"))}
    assert rooms == FLOORS.keys() and len(rooms) <= 13 and max(FLOORS.values()) <= 10
    assert {f.stem for f in PACKAGE.glob("*.py")} == {"__init__", "__main__"}


@pytest.mark.parametrize("room", sorted(FLOORS))
def test_a_room_stands_just_above_what_it_imports(room):
    below = rooms_below(room)
    assert FLOORS[room] == 1 + max((FLOORS[o] for o in below), default=0), below


def test_no_files_import_in_a_circle():
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path, module])
        if module in done: return
        path.append(module)
        for other in sorted(imported(MODULES[module])):
            if MODULES[other].name != "__init__.py": visit(other)
        path.pop()
        done.add(module)
    tricks = {m for m in MODULES if m.startswith("fastricks.tricks.")}
    for module in MODULES: visit(module)
    reachable = set()

    def reach(module):
        if module in reachable: return
        reachable.add(module)
        for other in imported(MODULES[module]): reach(other)
    for trick in tricks: reach(trick)
    assert "fastricks.recipe.registry" not in reachable  # which imports them all by name


NAMED = re.compile(r"\b(distill|accumulate|amp)\b")
ALLOWED = {"recipe/named.py"}  # a named recipe is a selection of tricks, as a command line is


def texts(file):
    "Names, strings and comments of a file with their lines"
    for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline): yield token.start[0], token.string


@pytest.mark.parametrize("file", [f for f in FILES if f.parent.name not in ("tricks", "callbacks")],
                         ids=lambda f: str(Path(f).relative_to(PACKAGE)))
def test_a_trick_is_known_by_its_own_file_alone(file):
    if str(file.relative_to(PACKAGE)) in ALLOWED: return
    assert [(n, text) for n, text in texts(file) if NAMED.search(text)] == []

"""Where test files lie and what they import; git has every file of the package, and ignores only what is made at the
top.
"""
import ast
import shutil
import subprocess

import pytest
from support.paths import ROOT

TESTS, PACKAGE = ROOT / "tests", ROOT / "fastricks"
TEST_FILES = sorted(TESTS.rglob("test_*.py"))
MADE = "build", "dist", "runs", "wandb"
in_a_repository = pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(),
                                     reason="this is no git repository")


def git(*words): return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)


def is_a_room(folder): return any((PACKAGE / folder).glob("*.py"))


def imported_names(file):
    "Every part of the dotted names that a file imports, anywhere in it"
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import): names.update(a.name for a in node.names)
        if isinstance(node, ast.ImportFrom): names.update([node.module or "", *(a.name for a in node.names)])
    return {part for name in names for part in name.split(".")}


def test_each_test_file_lies_in_a_room_or_in_project():
    folders = {f.parent.relative_to(TESTS).as_posix() for f in TEST_FILES}
    assert "." not in folders and "project" in folders
    assert [f for f in sorted(folders - {"project"}) if not is_a_room(f)] == []


def test_all_else_lies_in_support():
    others = {*TESTS.rglob("*.py")} - {*TEST_FILES}
    assert [f for f in sorted(others) if f.name != "conftest.py" and f.parent != TESTS / "support"] == []


def test_no_test_file_imports_from_another():
    forbidden = {f.stem for f in TEST_FILES} | {"conftest"}
    found = {f.relative_to(TESTS).as_posix(): imported_names(f) & forbidden for f in sorted(TESTS.rglob("*.py"))}
    assert {name: names for name, names in found.items() if names} == {}


@in_a_repository
def test_git_has_the_package_as_it_is_on_disk():
    listed = {name for name in git("ls-files", "-z", "fastricks").stdout.split("\0") if name.endswith(".py")}
    assert listed == {f.relative_to(ROOT).as_posix() for f in PACKAGE.rglob("*.py")}


def test_only_what_is_made_at_the_top_is_ignored():
    lines = (ROOT / ".gitignore").read_text().split()
    for name in MADE: assert [line for line in lines if line.strip("/") == name] == [f"/{name}/"]


@in_a_repository
@pytest.mark.parametrize("name", MADE)
def test_a_room_may_be_called_so(name):
    assert git("check-ignore", "-q", f"{name}/file").returncode == 0
    assert git("check-ignore", "-q", f"fastricks/{name}/file.py").returncode == 1

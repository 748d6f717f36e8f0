"""The wheel and the sdist work where the checkout is not; what a package says of itself; the Dockerfile copies what is
there.
"""
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from support.commands import TINY_WORDS
from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


def build(kind, source, out):
    subprocess.run([sys.executable, "-c", BUILD.format(kind), str(out)], cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    "(sdist of the sources alone, wheel made from that sdist)"
    pytest.importorskip("setuptools", "77")
    top = tmp_path_factory.mktemp("packages")
    source, out = top / "source", top / "out"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"): shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "fastricks", source / "fastricks", ignore=shutil.ignore_patterns("__pycache__"))
    build("sdist", source, out)
    sdist, = out.glob("*.tar.gz")
    with tarfile.open(sdist) as tar: tar.extractall(top / "unpacked", filter="data")
    build("wheel", next((top / "unpacked").iterdir()), out)
    return sdist, next(out.glob("*.whl"))


def test_a_package_has_the_sources_and_no_more(packages):
    names = {n for n in ZipFile(packages[1]).namelist() if ".dist-info/" not in n}
    sources = {f.relative_to(ROOT).as_posix() for f in (ROOT / "fastricks").rglob("*")
               if f.suffix in (".py", ".pyi", ".typed")}
    assert names == sources | {"fastricks/py.typed"}


def test_a_package_says_what_it_is(packages):
    with ZipFile(packages[1]) as z: text = z.read(next(n for n in z.namelist() if n.endswith("METADATA"))).decode()
    assert f"Project-URL: REPOSITORY, {PROJECT['urls']['REPOSITORY']}" in text and "License-Expression: MIT" in text
    for line in PROJECT["classifiers"]: assert f"Classifier: {line}" in text


@pytest.mark.slow
def test_a_wheel_works_without_the_checkout(packages, tmp_path):
    "In a virtual environment that sees this one's packages, not its fastricks"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    site, = (tmp_path / "venv").rglob("site-packages")
    pip = [sys.executable, "-m", "pip", "--python", binaries / "python", "install", "-q", "--no-deps", "--no-index",
           packages[1]]
    subprocess.run(pip, check=True, capture_output=True)
    # its own .pth files, as an editable install's, are not read
    (site / "first.pth").write_text(sysconfig.get_path("purelib") + "\n")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def said(name, *words):
        return subprocess.run([binaries / name, *words], cwd=tmp_path, env=env, check=True, capture_output=True,
                              text=True).stdout
    assert Path(said("python", "-c", "import fastricks; print(fastricks.__file__)").strip()).is_relative_to(site)
    assert "train" in said("fastricks", "--help")
    assert re.search(r"accuracy +\d+\.\d\d% test",
                     said("fastricks", "train", *TINY_WORDS, "--out", "runs", "--name", "tiny"))
    assert (tmp_path / "runs" / "tiny" / "index.html").is_file()
    assert "README.md" in said("fastricks", "card", "runs/tiny")


def test_the_readme_is_made_of_the_one_address():
    made = runpy.run_path(str(ROOT / "docs" / "repository.py"))
    text, url = (ROOT / "README.md").read_text(), PROJECT["urls"]["REPOSITORY"]
    assert made["with_lines"](text, url) == text and f"pip install git+{url}" in text and f"]({url})" in text
    moved = made["with_lines"](text, "https://example.org/me/tricks")
    assert url not in moved and "pip install git+https://example.org/me/tricks" in moved


@pytest.mark.parametrize("file", sorted((ROOT / "nbs").glob("*.ipynb")), ids=lambda f: f.stem)
def test_a_notebooks_badge_is_made_of_it_too(file):
    made = runpy.run_path(str(ROOT / "docs" / "repository.py"))
    text, url = file.read_text(), PROJECT["urls"]["REPOSITORY"]
    assert made["with_badge"](text, file.name, url) == text
    moved = made["with_badge"](text, file.name, "https://example.org/me/tricks")
    assert url not in moved and f"/github/me/tricks/blob/main/nbs/{file.name}" in moved


def test_nothing_else_has_the_address():
    files = [f for o in ("*.md", "*.toml", "*.yml", "Dockerfile", "docs/*", "fastricks/**/*.py") for f in ROOT.glob(o)
             if f.is_file()]
    found = {f.name for f in files if PROJECT["urls"]["REPOSITORY"].encode() in f.read_bytes()}
    assert found == {"pyproject.toml", "README.md"}


def test_the_dockerfile_copies_what_is_there():
    text = (ROOT / "Dockerfile").read_text()
    names = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.M) for name in line.split()]
    kept = (ROOT / ".dockerignore").read_text().split()
    assert names and all((ROOT / name).exists() and f"!{name}" in kept for name in names)
    python = re.search(r"FROM python:(3\.\d+)", text)[1]
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]

"""Bring REPOSITORY of pyproject.toml to the lines of README.md that are made of it: `python docs/repository.py`."""
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FIRST, LAST = "<!-- made by docs/repository.py -->\n", "<!-- up to the install line -->\n"


def repository(): return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["REPOSITORY"]


def lines(url):
    "The badge and the install line"
    name = "/".join(url.rstrip("/").split("/")[-2:])
    label = name.replace("-", "--").replace("_", "__").replace("/", "%2F")
    return (f"[![{name}](https://img.shields.io/badge/code-{label}-blue)]({url})\n\n"
            f"    pip install git+{url}   # Python 3.11 or newer\n\n")


def with_lines(text, url):
    return re.sub(f"(?<={FIRST}).*?(?={LAST})", lambda _: "\n" + lines(url), text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_lines(README.read_text(), repository()))

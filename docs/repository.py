"""Bring REPOSITORY of pyproject.toml to the lines of README.md and of the notebooks that are made of it: `python
docs/repository.py`.
"""
import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, NOTEBOOKS = ROOT / "README.md", sorted((ROOT / "nbs").glob("*.ipynb"))
FIRST, LAST = "<!-- made by docs/repository.py -->\n", "<!-- up to the install line -->\n"
COLAB = "https://colab.research.google.com"


def repository(): return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["REPOSITORY"]
def name_of(url): return "/".join(url.rstrip("/").split("/")[-2:])


def lines(url):
    "The badge and the install line"
    name = name_of(url)
    label = name.replace("-", "--").replace("_", "__").replace("/", "%2F")
    return (f"[![{name}](https://img.shields.io/badge/code-{label}-blue)]({url})\n\n"
            f"    pip install git+{url}   # Python 3.11 or newer\n\n")


def with_lines(text, url):
    return re.sub(f"(?<={FIRST}).*?(?={LAST})", lambda _: "\n" + lines(url), text, flags=re.DOTALL)


def title_of(notebook, title, url):
    "A notebook's first cell: its title and what it shows, then its Colab badge and what Colab lacks"
    place, folder = f"{COLAB}/github/{name_of(url)}/blob/main/nbs/{notebook}", name_of(url).split("/")[-1]
    badge = (f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({place}) There, first, in a cell of its own: "
             f"`!git clone -q {url} && pip install -q ./{folder}`, and in another `%cd {folder}/nbs`")
    return "\n\n".join([*title.split("\n\n")[:2], badge])


def with_badge(text, notebook, url):
    "A notebook's file with the first cell of that repository"
    nb = json.loads(text)
    first = nb["cells"][0]
    first["source"] = title_of(notebook, "".join(first["source"]), url).splitlines(keepends=True)
    return json.dumps(nb, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    README.write_text(with_lines(README.read_text(), repository()))
    for file in NOTEBOOKS:
        file.write_text(with_badge(file.read_text(), file.name, repository()))

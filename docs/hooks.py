"""Pages that are not written but made: the first one from README.md, those of the API from docstrings and cards, a page
a module.
"""
import ast
import re
import tomllib
from pathlib import Path

from mkdocs.structure.files import File

from fastricks.report.cards import card_lines

ROOT = Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md",
         "benchmarks.md": "benchmarks/README.md"}
ROOMS = ("tricks", "callbacks", "trick", "recipe", "data", "model", "training", "runfolder", "report", "use", "grid",
         "cli", "core")
GROUPS = {room: room.capitalize() for room in ROOMS}


def on_files(files, config):
    for page, source in PAGES.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, page, content=text.replace("](docs/", "](")))
    for group, found in modules().items():
        for name, _ in found:
            files.append(File.generated(config, page_of(name), content=f"# {name}\n\n{card_of(name)}::: {name}\n"))
        files.append(File.generated(config, f"api/{group}.md", content=overview(group, found)))
    return files


def modules():
    "group -> (dotted name, first sentence of its docstring) of each module"
    found = {g: [] for g in GROUPS}
    for file in sorted((ROOT / "fastricks").rglob("*.py")):
        path = file.relative_to(ROOT).with_suffix("")
        if file.name.startswith("__") or "." in str(path):
            continue
        found[path.parts[1]].append((".".join(path.parts), sentence(file)))
    return found


def sentence(file):
    module = ast.parse(file.read_text())
    docs = [ast.get_docstring(o) for o in (module, *(o for o in module.body if isinstance(o, ast.ClassDef)))]
    doc = next(filter(None, docs), "")
    return re.sub(r"([<>|*_])", r"\\\1", doc.partition("\n\n")[0].replace("\n", " "))


def card_of(name):
    "What `fastricks tricks NAME` says of a trick's module"
    name = name.removeprefix("fastricks.tricks.")
    lines = [] if "." in name else ["```text", *card_lines(name), "```", "", ""]
    return "\n".join(lines)


def page_of(name): return f"api/{name}.md"


def overview(group, found):
    return "\n".join([f"# {GROUPS[group]}", "", "| module | |", "|---|---|",
                      *(f"| [{name}]({name}.md) | {said} |" for name, said in found)])


def on_config(config):
    config.repo_url = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["REPOSITORY"]
    config.nav = [{"fastricks": "index.md"}, {"Contributing": "contributing.md"}, {"Changelog": "changelog.md"},
                  {"Benchmarks": "benchmarks.md"},
                  *({title: f"{p.stem}.md"} for p in sorted((ROOT / "docs").glob("*.md"))
                    for title in [p.stem.capitalize()]),
                  *({title: [{"all": f"api/{g}.md"}, *({n.removeprefix("fastricks."): page_of(n)} for n, _ in found)]}
                    for (g, title), found in zip(GROUPS.items(), modules().values(), strict=True))]
    return config

"""The pages of the site that are made, not written, and the order of all of them. mkdocs calls `on_config` and
`on_files`.
"""
import re
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

from mkdocs.structure.files import File
from notebooks import notebook_files
from reference import cli_pages, python_page, tricks_page

COPIED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md",
          "benchmarks.md": "benchmarks/README.md"}
# the site's order; a page of these folders that is not named here comes last, one that is not there is left out
ORDER = {
    "Tutorials": ["tutorials/my-photos", "tutorials/table8", "tutorials/index", "tutorials/05_your_photos",
                  "tutorials/01_tricks", "tutorials/04_which_tricks_pay", "tutorials/03_distillation",
                  "tutorials/02_your_own_learner", "tutorials/06_look_inside"],
    "How-to": ["howto/data", "howto/clean", "howto/ablate", "howto/table", "howto/imbalance", "howto/distillation",
               "howto/killed", "howto/gpus", "howto/cluster", "howto/predict", "howto/unknown", "howto/export",
               "howto/share", "howto/wandb", "howto/tensorboard", "howto/fastai", "howto/trick"],
    "Reference": ["reference/tasks", "reference/cli", "reference/tricks", "reference/python", "reference/files",
                  "reference/formats", "reference/environment", "networks"],
    "Explanation": ["explanation/pairs", "results", "explanation/determinism", "explanation/speed",
                    "explanation/scale", "explanation/limits", "explanation/others"],
    "Project": ["contributing", "changelog", "benchmarks"]}

# in the menu, where a page's own title is too long or says too little
TITLES = {"tutorials/index": "A first notebook", "reference/tasks": "By task", "results": "Results"}

LAST_FOUND = "---\nsearch: {boost: 0.01}\n---\n\n"  # what is for those who develop it comes last in a search


def on_config(config):
    config.repo_url = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["REPOSITORY"]
    config.repo_name = "/".join(config.repo_url.rstrip("/").split("/")[-2:])
    made = made_pages()
    config.nav = [{"Home": "index.md"}, *({section: listed(section, made)} for section in ORDER)]
    return config


def on_files(files, config):
    for page, text in made_pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def made_pages():
    "page or picture -> its content"
    copied = {page: LAST_FOUND * (page != "index.md") + links_of_the_site((ROOT / source).read_text())
              for page, source in COPIED.items()}
    return {**copied, **cli_pages(), "reference/tricks.md": tricks_page(), "reference/python.md": python_page(),
            **notebook_files()}


def links_of_the_site(text):
    "Links between the repository's files as links between pages"
    for source, place in {"](docs/": "](", "](CONTRIBUTING": "](contributing", "](CHANGELOG": "](changelog"}.items():
        text = text.replace(source, place)
    return re.sub(r"\]\(nbs/(\w+)\.ipynb", r"](tutorials/\1.md", text)


def listed(section, made):
    "The pages of a section, in order; those of the command line below their overview"
    there = {p.relative_to(DOCS).with_suffix("").as_posix() for p in DOCS.rglob("*.md")}
    there |= {name.removesuffix(".md") for name in made if name.endswith(".md")}
    folders = {name.split("/")[0] for name in ORDER[section] if "/" in name}
    others = sorted(name for name in there if name.split("/")[0] in folders and name.count("/") == 1)
    names = dict.fromkeys(name for name in [*ORDER[section], *others] if name in there)
    return [entry(name, there) for name in names]


def entry(name, there):
    below = sorted(o for o in there if o.startswith(f"{name}/"))
    if below:
        return {"Command line": [f"{o}.md" for o in (name, *below)]}
    return {TITLES[name]: f"{name}.md"} if name in TITLES else f"{name}.md"

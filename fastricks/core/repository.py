"""Where the project lives, as its package says it: `REPOSITORY` of pyproject.toml's [project.urls]. Light."""
from importlib.metadata import PackageNotFoundError, metadata

PLACEHOLDER = "/OWNER/"  # until its owner has named the place


def repository() -> str | None:
    "The address of the project, of the installed package; None where it was never said"
    try:
        found = dict(o.split(", ", 1) for o in metadata("fastricks").get_all("Project-URL") or [])
    except PackageNotFoundError:
        return None
    url = found.get("REPOSITORY", PLACEHOLDER)
    return None if PLACEHOLDER in url else url


def install_line() -> str:
    "The command that installs the project from its place"
    url = repository()
    if url:
        return f"pip install git+{url}"
    return "pip install PATH/TO/fastricks  # its source, as whoever made this has it"

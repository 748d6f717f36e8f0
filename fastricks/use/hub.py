"""A run that lies on the Hugging Face hub: its weights and two JSON files come from there, never a pickle. Light until
it is asked for.

The token is huggingface_hub's own, from HF_TOKEN or where `hf auth login` keeps it: no argument takes it, and nothing
here reads it.
"""
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UserError, visible

PREFIX = "hf://"
HUB_NAME = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"  # user/name
MODEL = "model.safetensors"
COMES = MODEL, "recipe.json", "metrics.json"   # what `load` takes; the first must be there


class OnHub(NamedTuple):
    "A model's place: user/name, and a branch, tag or commit of it"
    name: str
    revision: str | None = None


def is_on_hub(run: object) -> bool: return isinstance(run, str) and run.startswith(PREFIX)


def parse_place(text: str) -> OnHub:
    "hf://user/name or hf://user/name@revision; UserError for anything else"
    m = re.fullmatch(rf"{PREFIX}({HUB_NAME})(?:@([\w./-]+))?", text)
    if not m:
        raise UserError(f"{text} is no model on the hub: as hf://user/name, or hf://user/name@revision")
    return OnHub(m[1], m[2])


@contextmanager
def answered(what: str) -> Iterator[None]:
    "Whatever the hub, or the way to it, says is one sentence, without a token"
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
    try:
        yield
    except RepositoryNotFoundError:
        raise UserError(f"{what}: there is no such model, or none that your login may see (`hf auth login`)") from None
    except LocalEntryNotFoundError:
        raise UserError(f"{what}: the hub can't be reached, and it was not downloaded before") from None
    except Exception as e:
        raise UserError(f"{what}: {without_token(hub_error(e))}") from None


def hub_error(e: Exception) -> str:
    "What went wrong, and the last line, in which the hub says why"
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    return " ".join(dict.fromkeys([*lines[:1], *lines[-1:]])) or type(e).__name__


def without_token(text: str) -> str:
    from huggingface_hub import get_token
    token = get_token()
    return visible(re.sub(r"hf_\w{8,}", "***", text.replace(token, "***") if token else text))


def downloaded(run: str) -> Path:
    """The local folder of hf://user/name: its weights, and the run's recipe and numbers where they are there. Raises
    UserError.

    huggingface_hub keeps them in its cache, and asks only whether they have changed.
    """
    place = parse_place(run)
    model = fetch_file(place, MODEL)
    if model is None:
        raise UserError(f"{run} has no {MODEL}, and nothing else is loaded from there: a pickle can run code")
    for name in COMES[1:]:
        fetch_file(place, name, revision=model.parent.name)
    return model.parent


def fetch_file(place: OnHub, name: str, revision: str | None = None) -> Path | None:
    "A file of a model, None where it has none of that name"
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError
    with answered(f"{PREFIX}{place.name}"):
        try:
            return Path(hf_hub_download(place.name, name, revision=revision or place.revision,
                                        library_name="fastricks"))
        except RemoteEntryNotFoundError:
            return None
        except LocalEntryNotFoundError:
            if name == MODEL:
                raise
            return None  # without the network: it never had one

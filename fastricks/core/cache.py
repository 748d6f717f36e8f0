"""The user's cache folder, and small facts remembered in it."""
import json
import os
from contextlib import suppress
from pathlib import Path

from .files import whole_file


def cache_dir():
    "$FASTRICKS_CACHE, else fastricks/ in $XDG_CACHE_HOME, else ~/.cache/fastricks"
    own, xdg = (os.environ.get(o) for o in ("FASTRICKS_CACHE", "XDG_CACHE_HOME"))
    return Path(own).expanduser() if own else (Path(xdg).expanduser() if xdg else Path.home()/".cache")/"fastricks"


def recall(path):
    "What `remember` wrote, or None where that is missing or broken"
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def remembered(folder, what, name, measure):
    """What `measure()` found, plain data, under a `name`: measured once for the same `what` and kept in that `folder`
    of the user's cache, so that all runs get the same answer.
    """
    what = json.loads(json.dumps(what))  # which has lists for tuples
    file = cache_dir() / folder / f"{facts_hash(what):016x}.json"
    old = recall(file)
    if isinstance(old, dict) and old.get("what") == what and name in old:
        return old[name]
    found = measure()
    remember(file, {"what": what, name: found})
    return found


def facts_hash(what):
    from .rand import key_of
    return key_of(json.dumps(what))


def remember(path, value):
    "Writes `value` as JSON, whole or not at all; a cache that cannot be written is no error"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, path.with_name(f"{path.name}.{os.getpid()}.part")) as part:
            part.write_text(json.dumps(value))

"""Files of a run, which may be a stranger's."""
import json
from pathlib import Path

MOST = 1 << 28  # bytes; predictions of a million images have less


def read_text(path):
    "The text of a plain file of sensible size; ValueError or OSError for anything else: a pipe would be waited for, a device never end"
    path = Path(path)
    size = path.stat().st_size
    if not path.is_file(): raise ValueError(f"{path.name} is no file")
    if size > MOST: raise ValueError(f"{path.name} is too large")
    return path.read_text(encoding="utf-8")


def read_json(path):
    "What a JSON file says; ValueError or OSError where it says nothing"
    try: return json.loads(read_text(path))
    except RecursionError: raise ValueError(f"{Path(path).name} is too deep") from None

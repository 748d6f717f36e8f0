"""Options of timm's networks: names and values as the command line, Python and files give them. Light."""
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from ..core.errors import UserError, shorten

Option = bool | int | float | str
OURS = {"img_size": "--size", "num_classes": "the data's classes", "pretrained": "--pretrained"}  # what says it here
NEVER = {  # that would load something, or make what is no classifier of RGB images
    "in_chans", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "pretrained_filter_fn",
    "pretrained_model_args", "kwargs_filter", "checkpoint_path", "cache_dir", "model_cfg", "feature_cfg",
    "features_only", "out_indices", "feature_cls", "cfg", "pruned", "scriptable", "exportable", "no_jit", "device",
    "dtype", "model_name"}
MOST_WHOLE = 100_000  # of a whole number


def parse_options(given: object) -> dict[str, Option]:
    "name -> value of a mapping, or of one or several texts NAME=VALUE; raises UserError for what is none"
    if isinstance(given, Mapping):
        found = {str(k): v for k, v in given.items()}
    elif isinstance(given, str):
        found = dict([parse_option(given)])
    elif isinstance(given, Iterable):
        found = dict(map(parse_option, given))
    else:
        raise UserError(f"--arch-option {shorten(repr(given))}: give NAME=VALUE, as in drop_path_rate=.1")
    require_options(found)
    return found


def parse_option(text: object) -> tuple[str, Option]:
    name, eq, value = str(text).partition("=")
    if not (name and eq and value):
        raise UserError(f"--arch-option {text}: give NAME=VALUE, as in drop_path_rate=.1")
    return name.strip(), parse_value(value.strip())


def parse_value(text: str) -> Option:
    "true and false, numbers, else the text itself"
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def require_options(options: Mapping[str, Any]) -> None:
    "Raise UserError for an option that is set elsewhere, that is none of the network's, or whose value can't be"
    for k, v in options.items():
        if k in OURS:
            raise UserError(f"--arch-option {k}={v}: {OURS[k]} says that here")
        if not is_option(k, v):
            raise UserError(f"--arch-option {shorten(k)}={shorten(str(v))}: a network has no such option, or no such "
                            "value of it")
        if k.endswith(("_rate", "drop")) and not (is_number(v) and 0 <= v < 1):
            raise UserError(f"--arch-option {k}={v}: give a number from 0 to below 1")


def is_number(v: object) -> bool: return isinstance(v, int | float) and not isinstance(v, bool)


def is_option(name: object, value: object) -> bool:
    "May a file, perhaps a stranger's, ask timm for this?"
    if not (isinstance(name, str) and name.isidentifier() and len(name) < 50 and name not in NEVER
            and name not in OURS):
        return False
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, int):
        return abs(value) <= MOST_WHOLE
    return isinstance(value, str) and 0 < len(value) < 50 and value.isprintable()


def option_texts(options: Mapping[str, Option]) -> list[str]:
    "`NAME=VALUE` of each, as `parse_options` reads them"
    return [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in options.items()]

"""Arrays as they are handed in: hits or losses [seeds, images], seconds [seeds]."""
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import UserError
from .samples import Floats


def family(rows: Mapping[str, ArrayLike], base: ArrayLike) -> tuple[dict[str, Floats], Floats]:
    "Rows and baseline as arrays, checked"
    if not rows:
        raise UserError("a family needs at least one row: give a dict of name -> array [seeds, images]")
    b = two_axes("the baseline", base)
    arrays = {name: two_axes(f"row {name!r}", a) for name, a in rows.items()}
    for name, a in arrays.items():
        check_images(f"row {name!r}", a, b)
    return arrays, b


def two_axes(what: str, values: ArrayLike) -> Floats:
    "Values as an array [seeds, images] of numbers"
    try:
        x = np.asarray(values, float)
    except (ValueError, TypeError) as e:
        raise UserError(f"{what} is no array of numbers ({e}): it must be [seeds, images]") from None
    if x.ndim != 2 or 0 in x.shape:
        raise UserError(f"{what} has the shape {x.shape}: it must be [seeds, images]")
    return x


def check_images(what: str, row: Floats, base: Floats) -> None:
    if row.shape[1] != base.shape[1]:
        raise UserError(f"{what} has {row.shape[1]:,} images and the baseline {base.shape[1]:,}: give the same images "
                        "in one order")


def checked_seconds(arrays: Mapping[str, Floats], seconds: Mapping[str, ArrayLike] | None) -> dict[str, Floats]:
    "name -> seconds, the baseline's too; {} without any"
    if seconds is None:
        return {}
    if "baseline" not in seconds:
        raise UserError("seconds has no 'baseline': give its training times beside the rows'")
    unknown = seconds.keys() - arrays.keys() - {"baseline"}
    if unknown:
        raise UserError(f"seconds has {sorted(unknown)[0]!r}, which is no row")
    return {name: np.asarray(x, float) for name, x in seconds.items()}


def finite_seeds(x: Floats) -> NDArray[np.bool_]:
    "[n]: seeds that did not diverge"
    return np.asarray(np.isfinite(x).all(1), np.bool_)

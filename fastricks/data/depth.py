"""Do 16-bit images use their 16 bits? Microscopes and machine-vision cameras write 10, 12 or 14 into them."""
from .source import is_path
from .split import first

SAMPLE = 32  # images that are looked at
DARK = 1 / 4  # of the full range: what is never brighter has at most 14 bits
ENDINGS = ".png", ".tif", ".tiff", ".pgm", ".jp2"
FULL = 2**16 - 1


def dark_note(items):
    "A line where none of a sample of the 16-bit images is brighter than a quarter of their range, in a list; else an empty one"
    files = [o for o in items if is_path(o.image) and o.image.suffix.lower() in ENDINGS]
    levels = [top for o in first(files, SAMPLE, "depth") if (top := brightest(o.image)) is not None]
    if not levels or max(levels) > DARK * FULL: return []
    return [f"16-bit images whose brightest level is {max(levels):,} of {FULL:,}: they are nearly black to the network; scale their values to "
            "the full 16 bits, or save them in 8 bits, first"]


def brightest(file):
    "The highest level of a 16-bit image; None for any other, and for one that can't be read"
    import numpy as np
    from PIL import Image

    from .pixels.image import formats
    try:
        with Image.open(file, formats=formats()) as im: return int(np.asarray(im).max()) if im.mode.startswith("I") else None
    except Exception: return None  # the scan says why

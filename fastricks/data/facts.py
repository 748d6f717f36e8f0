"""What image files are, before any training: size, format, whether they can be read, and which have the same pixels."""
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from ..core.cache import cache_dir, recall, remember
from ..core.machine import cores
from .pixels.image import PHOTO_FORMATS, Unreadable, decode, formats, is_deep_colour, orientation, quiet, reason
from .scan import CHUNK, state
from .source import MANY_IMAGES, is_path

SIDEWAYS = 5, 6, 7, 8  # EXIF's orientations that swap width and height


class Fact(NamedTuple):
    "An image that can be read"
    w: int        # as it is seen: after EXIF's turn
    h: int
    format: str   # JPEG, PNG …; "array" for pixels that are in memory
    mode: str     # PIL's: RGB, L (grey), RGBA, P (palette), CMYK, I;16 …, and RGB;16 for colours of 16 bits
    print: str    # a hash that images with the same pixels share, and few others


def look_at_images(items, say=None, threads=None, cache=None):
    """{name: Fact, or the reason why it can't be read} of Items.

    Every file is decoded (JPEGs at an eighth of their size, which reads all their data), in threads; what is found is
    kept in the cache folder until a file changes. Files that could not be read are tried again.
    """
    files = [o for o in items if is_path(o.image)]
    found = {o.name: fact_of(o.image) for o in items if not is_path(o.image)}
    if not files:
        return found
    record = Path(cache or cache_dir())/"facts"/f"{state(files)}.json"
    known = valid_facts(recall(record))
    todo = [o for o in files if o.name not in known]
    if say and len(todo) > MANY_IMAGES:
        say(f"looking at {len(todo):,} images, once")
    new = of_files(todo, threads or min(8, cores()))
    known |= {name: o for name, o in new.items() if isinstance(o, Fact)}
    if new:
        remember(record, known)
    return found | new | {o.name: known[o.name] for o in files if o.name in known}


def valid_facts(kept):
    "What a cache file holds that are facts: anybody may have written it"
    def is_fact(v): return (isinstance(v, list) and [type(o) for o in v] == [int, int, str, str, str] and min(v[:2]) > 0
                            and v[2] in PHOTO_FORMATS and v[3].isprintable())
    return {k: Fact(*v) for k, v in kept.items() if is_fact(v)} if isinstance(kept, dict) else {}


def of_files(items, threads):
    chunks = [items[i:i + CHUNK] for i in range(0, len(items), CHUNK)]
    with quiet(), ThreadPoolExecutor(threads) as pool:
        return {k: v for part in pool.map(lambda chunk: {o.name: fact_of(o.image) for o in chunk}, chunks)
                for k, v in part.items()}


def fact_of(image):
    "The Fact of a file or an array, or why it can't be read"
    try:
        small = decode(image, small=True)
        return Fact(*header(image), digest(small))
    except Unreadable as e:
        return str(e)
    except Exception as e:
        return reason(e)  # it went away in between


def header(image):
    "(width, height, format, mode)"
    from PIL import Image
    if not is_path(image):
        return *image.shape[1::-1], "array", "L" if image.ndim == 2 else "RGB"
    with Image.open(image, formats=formats()) as im:
        (w, h), mode = im.size, f"{im.mode};16" if is_deep_colour(im) else im.mode
        turned = im.format != "TIFF" and orientation(im) in SIDEWAYS  # PIL tells a TIFF's size as it is seen
        return *((h, w) if turned else (w, h)), im.format, mode


def digest(im): return blake2b(im.tobytes(), digest_size=8, key=repr(im.size).encode()).hexdigest()


def copies(items, facts):
    """[[Item, …]]: groups of images with the same pixels, whatever their files' names, dates, formats and metadata.

    Of JPEGs only their eighths are known at first, so what looks the same is decoded in full. A photo that was resized,
    cropped or saved again has other pixels; so has a JPEG that became a PNG.
    """
    same = defaultdict(list)
    for o in items:
        if isinstance(f := facts.get(o.name), Fact):
            same[f.w, f.h, f.print].append(o)
    suspects = [g for g in same.values() if len(g) > 1]
    with quiet(), ThreadPoolExecutor(min(8, cores())) as pool:
        return [g for found in pool.map(identical, suspects) for g in found]


def identical(group):
    "The parts of a group whose pixels are the same"
    same = defaultdict(list)
    for o in group:
        try:
            same[digest(decode(o.image))].append(o)
        except Unreadable:
            continue
    return [g for g in same.values() if len(g) > 1]

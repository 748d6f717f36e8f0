"""Any image file or array as an RGB image."""
import os
import stat
import warnings
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from threading import RLock

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...core.errors import first_line
from .decoding import FULL_WHITE, PLAIN, other_space, to_srgb

Turn = Image.Transpose
TURNS = {
    2: Turn.FLIP_LEFT_RIGHT,
    3: Turn.ROTATE_180,
    4: Turn.FLIP_TOP_BOTTOM,
    5: Turn.TRANSPOSE,
    6: Turn.ROTATE_270,
    7: Turn.TRANSVERSE,
    8: Turn.ROTATE_90,
}
ORIENTATION = 0x0112
REASONS = {
    FileNotFoundError: "not there",
    PermissionError: "permission denied",
    UnidentifiedImageError: "no image",
    Image.DecompressionBombError: "too many pixels",
    MemoryError: "too large for the memory",
}

# only formats of photos: PIL runs Ghostscript on EPS, and knows others whose readers are as old as they are rare
PHOTO_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO", "TGA",
                 "QOI", "HEIF", "JXL")
HEIC = "a HEIC photo, readable once `pip install pillow-heif` is done"
THIN = 100             # times as long as wide: brought to the same shorter side it would fill the memory
MEGAPIXELS, RATIO = "FASTRICKS_MAX_MEGAPIXELS", "FASTRICKS_MAX_RATIO"  # environment variables that raise the limits
# of a progressive JPEG, which has about ten: each is a pass over the whole image, and can take 30 bytes
SCANS = 100
BYTES = 1 << 29        # of a file, more than any photo has
LARGE = 1 << 24        # pixels from which on images are decoded one at a time, as each takes up to 16 bytes a pixel


class Unreadable(ValueError):
    "An image that cannot be read. Its text is a short reason"


def load_rgb(image, how=PLAIN):
    "The RGB image of a file or of a uint8 array [h, w] or [h, w, 3]; raises `Unreadable`"
    with quiet():
        return decode(image, how=how)


@contextmanager
def quiet():
    "Silences PIL's warnings about images that it then reads well. Once around threads: Python's filters are global"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(image, small=False, how=PLAIN):
    """`load_rgb` that leaves warnings alone.

    `small` lets a JPEG be decoded at an eighth, or as a number at no fewer pixels a side, all its data read
    nevertheless.
    """
    if isinstance(image, np.ndarray):
        return from_array(image)
    try:
        return from_file(image, small, how)
    except Unreadable:
        raise
    except Exception as e:
        raise Unreadable(HEIC if isinstance(e, UnidentifiedImageError) and is_heic(image) else reason(e)) from e


def from_file(file, small=False, how=PLAIN):
    if isinstance(file, (str, Path)):
        require_file(file)
    with Image.open(file, formats=formats()) as im:
        require_decent(im)
        with memory_lock(im.width * im.height):
            if small:
                im.draft(None, (im.width//8, im.height//8) if small is True else (small, small))
            im.load()
            return upright_rgb(im, how)


@cache
def formats():
    with suppress(ImportError):
        from pillow_heif import register_heif_opener
        register_heif_opener()
    Image.init()
    return tuple(o for o in PHOTO_FORMATS if o in Image.OPEN)


def is_heic(file):
    "Whether a file, or a stream, begins as the photos of Apple's phones do"
    if not hasattr(file, "seek"):
        with open(file, "rb") as f:
            return is_heic(f)
    file.seek(0)
    head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"hevc", b"hevx", b"mif1", b"msf1")


lock = RLock()
# whoever held it is not there
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().update(lock=RLock()))


def memory_lock(n):
    "Memory stays bounded however many threads decode images of so many pixels, or files of so many bytes"
    return lock if n > LARGE else nullcontext()


def require_file(path):
    "The bytes of a file that may be opened: a pipe would be waited for without end"
    o = os.stat(path)
    if not stat.S_ISREG(o.st_mode):
        raise Unreadable("a folder" if stat.S_ISDIR(o.st_mode) else "no regular file")
    if not o.st_size:
        raise Unreadable("empty file")
    if o.st_size > BYTES:
        raise Unreadable("too large a file")
    return o.st_size


def require_decent(im):
    "No image that takes all memory, or all day: PIL's own limit of pixels, where PIL only warns, and two of ours"
    require_shape(im.width, im.height)
    if im.info.get("progressive"):
        require_scans(whole_bytes(im.fp))


def number_of(name, default):
    "What an environment variable says, where it is a number above 0"
    try:
        n = float(os.environ.get(name, ""))
    except ValueError:
        return default
    return n if 0 < n < float("inf") else default


if os.environ.get(MEGAPIXELS):  # PIL's own limit, which it has in one place for all
    Image.MAX_IMAGE_PIXELS = int(number_of(MEGAPIXELS, Image.MAX_IMAGE_PIXELS / 1e6) * 1e6)


def require_shape(w, h):
    if Image.MAX_IMAGE_PIXELS and w * h > Image.MAX_IMAGE_PIXELS:
        raise Unreadable("too many pixels")
    if max(w, h) > number_of(RATIO, THIN) * min(w, h):
        raise Unreadable("too long and thin")


def require_scans(data):
    if data.count(b"\xff\xda") > SCANS:
        raise Unreadable("too many scans")


def whole_bytes(f):
    at = f.tell()
    f.seek(0)
    try:
        return f.read()
    finally:
        f.seek(at)


def reason(e):
    "What went wrong, in a few words"
    text = first_line(getattr(e, "strerror", None) or e)[:80]
    if "truncated" in text.lower():
        return "truncated"
    return next((word for kind, word in REASONS.items() if isinstance(e, kind)), text or type(e).__name__)


def rgb_of_array(x):
    "uint8 [h, w, 3] of an array of grey or coloured 8-bit pixels"
    if x.dtype == np.uint8 and x.ndim == 2 and x.size:
        return np.repeat(x[..., None], 3, 2)  # as PIL does it, in a fifth of the time
    return np.array(from_array(x))


def from_array(x):
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[..., 0]
    if x.dtype != np.uint8 or not x.size or not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (3, 4))):
        raise Unreadable(f"array of {x.dtype} {list(x.shape)}, not of uint8 [h, w] or [h, w, 3]")
    return to_rgb(Image.fromarray(x))


def upright_rgb(im, how=PLAIN):
    "`im` in RGB, turned as its camera was held, without its file's metadata, by which others would turn it again"
    rgb = to_rgb(im, how)
    turn = TURNS.get(orientation(im))
    rgb = rgb if turn is None else rgb.transpose(turn)
    rgb.info = {}
    return rgb


def orientation(im):
    try:
        return im.getexif().get(ORIENTATION)
    except Exception:
        return None  # broken EXIF is no reason to lose the pixels


def to_rgb(im, how=PLAIN):
    "`im` in RGB: what is transparent on white, more than 8 bits scaled to 8, with `how.icc` in sRGB's colours"
    if im.mode.startswith("I") or im.mode == "F":
        im = to_8_bit(im, how.white)
    profile = im.info.get("icc_profile") if how.icc else None
    if im.has_transparency_data:
        return on_white(coloured(im.convert("RGBA"), profile))
    if im.mode == "P" and profile:
        im = im.convert("RGB")
    return to_srgb(im, profile) if other_space(profile, im.mode) else im.convert("RGB")


def is_deep_colour(im):
    "Has an image that is open, and not loaded, colours of 16 bits, of which PIL reads the upper 8?"
    how = im.tile[0][3] if im.tile else ""
    return im.mode in ("RGB", "RGBA") and ";16" in str(how[0] if isinstance(how, tuple) and how else how)


def coloured(im, profile):
    "An RGBA image in sRGB's colours; how transparent it is stays"
    if not other_space(profile, "RGB"):
        return im
    out = to_srgb(im.convert("RGB"), profile)
    out.putalpha(im.getchannel("A"))
    return out


def on_white(im):
    return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")


def to_8_bit(im, white=FULL_WHITE):
    "Levels 0 to `top` as 0 to 255"
    x = np.nan_to_num(np.asarray(im, dtype=np.float64))
    return Image.fromarray((x.clip(0)*255/top(im.mode, x.max(), white)).round().clip(0, 255).astype(np.uint8))


def top(mode, most, white=FULL_WHITE):
    """The level that is white. PIL keeps 16 bits, of which a data set may use fewer, in I;16 or in I; what I or F mean
    beyond only the values tell
    """
    if white != FULL_WHITE and mode.startswith("I") and most <= FULL_WHITE:
        return white
    tops = (FULL_WHITE,) if ";" in mode else (FULL_WHITE, 2**31-1) if mode == "I" else (1, 2**8-1, FULL_WHITE)
    return next((o for o in tops if most <= o), most)

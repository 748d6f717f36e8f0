"""Any image file or array as an RGB image."""
import os
import stat
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

Turn = Image.Transpose
TURNS = {2: Turn.FLIP_LEFT_RIGHT, 3: Turn.ROTATE_180, 4: Turn.FLIP_TOP_BOTTOM, 5: Turn.TRANSPOSE, 6: Turn.ROTATE_270,
         7: Turn.TRANSVERSE, 8: Turn.ROTATE_90}
ORIENTATION = 0x0112
REASONS = {FileNotFoundError: "not there", PermissionError: "permission denied", UnidentifiedImageError: "no image",
           Image.DecompressionBombError: "too many pixels", MemoryError: "too large for the memory"}


class Unreadable(ValueError):
    "An image that cannot be read. Its text is a short reason"


def load_rgb(image):
    "The RGB image of a file or of a uint8 array [h, w] or [h, w, 3]; raises `Unreadable`"
    with quiet(): return decode(image)


@contextmanager
def quiet():
    "Silences PIL's warnings about images that it then reads well. Once around threads: Python's filters are global"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(image, small=False):
    "`load_rgb` that leaves warnings alone; `small` lets a JPEG be decoded at an eighth, all its data read nevertheless"
    if isinstance(image, np.ndarray): return from_array(image)
    try: return from_file(image, small)
    except Unreadable: raise
    except Exception as e: raise Unreadable(reason(e)) from e


def from_file(file, small=False):
    if isinstance(file, (str, Path)): require_file(file)
    with Image.open(file) as im:
        require_size(im)
        if small: im.draft(None, (im.width//8, im.height//8))
        im.load()
        return upright_rgb(im)


def require_file(path):
    "A pipe would be waited for without end"
    o = os.stat(path)
    if not stat.S_ISREG(o.st_mode): raise Unreadable("a folder" if stat.S_ISDIR(o.st_mode) else "no regular file")
    if not o.st_size: raise Unreadable("empty file")


def require_size(im):
    "PIL's own limit, where PIL only warns"
    if Image.MAX_IMAGE_PIXELS and im.width*im.height > Image.MAX_IMAGE_PIXELS: raise Unreadable("too many pixels")


def reason(e):
    "What went wrong, in a few words"
    text = str(e).partition("\n")[0][:80]
    if "truncated" in text.lower(): return "truncated"
    return next((word for kind, word in REASONS.items() if isinstance(e, kind)), text or type(e).__name__)


def from_array(x):
    if x.ndim == 3 and x.shape[2] == 1: x = x[..., 0]
    if x.dtype != np.uint8 or not x.size or not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (3, 4))):
        raise Unreadable(f"array of {x.dtype} {list(x.shape)}, not of uint8 [h, w] or [h, w, 3]")
    return to_rgb(Image.fromarray(x))


def upright_rgb(im):
    "`im` in RGB, turned as its camera was held, without its file's metadata, by which others would turn it again"
    rgb = to_rgb(im)
    turn = TURNS.get(orientation(im))
    rgb = rgb if turn is None else rgb.transpose(turn)
    rgb.info = {}
    return rgb


def orientation(im):
    try: return im.getexif().get(ORIENTATION)
    except Exception: return None  # broken EXIF is no reason to lose the pixels


def to_rgb(im):
    "`im` in RGB: what is transparent on white, more than 8 bits scaled to 8"
    if im.mode.startswith("I") or im.mode == "F": im = to_8_bit(im)
    if im.has_transparency_data: return on_white(im.convert("RGBA"))
    return im.convert("RGB")


def on_white(im):
    return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")


def to_8_bit(im):
    "Levels 0 to `top` as 0 to 255"
    x = np.nan_to_num(np.asarray(im, dtype=np.float64))
    return Image.fromarray((x.clip(0)*255/top(im.mode, x.max())).round().clip(0, 255).astype(np.uint8))


def top(mode, most):
    "The level that is white. PIL keeps 16 bits in I;16 or in I; what I or F mean beyond that only the values tell"
    tops = (2**16-1,) if ";" in mode else (2**16-1, 2**31-1) if mode == "I" else (1, 2**8-1, 2**16-1)
    return next((o for o in tops if most <= o), most)

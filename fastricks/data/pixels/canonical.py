"""Canonical pixels: a photo decoded once, upright, RGB, in 8 bits, its shorter side brought down to `side` if it is
much longer.

What the fast pipeline cuts every view from, the same whether it comes from the cache or is made again. torch is
imported where it computes: what is kept can be read without it.
"""
import io
import struct
import threading
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from .decoding import PLAIN, pixels_to_srgb
from .image import (
    ORIENTATION,
    TURNS,
    Unreadable,
    decode,
    memory_lock,
    orientation,
    require_file,
    require_scans,
    require_shape,
    rgb_of_array,
)

NEAR = 1.25  # less than so much above `side` a photo stays as it is: two resizes by little each would only blur it
EXIF = b"Exif\0\0"
ICC = b"ICC_PROFILE\0"
XMP = b"tiff:Orientation"  # in XMP's text
EXIF_WITHIN = 1 << 16  # bytes of a file among which its EXIF block begins
BYTE_ORDERS = {b"II": "<", b"MM": ">"}  # of TIFF, as Intel and Motorola had them
TIFF_SHORT, UPRIGHT = 3, 1  # TIFF's type of 16 bits; the value of Orientation that asks for no turning
SCAN = b"\xff\xda"
# bytes of the largest image that is decoded into its thread's own memory: new memory costs an eighth of the decoding
LENT = 12 << 20
own_decoder = threading.local()


def decoder():
    "What made the pixels: a part of their place in the cache"
    return f"simplejpeg{version('simplejpeg')}-torch{version('torch').split('+')[0]}-v3"


def canonical(image, side, how=PLAIN):
    """uint8 [h, w, 3] of a file, its bytes or an array; the shorter of h and w is at most NEAR times `side`.

    Bilinear with antialiasing, as PIL and torchvision's `resize`, which evaluation uses; a JPEG of twice `side` and
    more is first brought down by a whole part of its 8×8 blocks while it is decoded, which takes half the time and, cut
    to a crop, is nearer to the photo's own pixels than two filters. Raises `Unreadable`.
    """
    x = rgb(image, side, how)
    h, w = shape_at(*x.shape[:2], side)
    return np.array(x) if (h, w) == x.shape[:2] else from_torch(resized(as_torch(x), (h, w)))


def shape_at(h, w, side):
    "(h, w) of the canonical pixels of an image"
    return (h, w) if min(h, w) <= NEAR * side else resize_shape(h, w, side)


def resize_shape(h, w, side):
    "(h, w) with the shorter side at `side`, rounded as torchvision does"
    long = int(side * max(h, w) / min(h, w))
    return (side, long) if h <= w else (long, side)


def rgb(image, side=None, how=PLAIN):
    """uint8 [h, w, 3], not below `side`, until this thread's next: plain JPEGs by libjpeg-turbo, all else, and what
    that refuses, by PIL
    """
    if isinstance(image, (str, Path)):
        try:
            with memory_lock(require_file(image)):
                return of_bytes(Path(image).read_bytes(), side, how)
        except OSError:
            pass  # PIL says why
    if isinstance(image, np.ndarray):
        return rgb_of_array(image)
    return of_bytes(image, side, how) if isinstance(image, bytes) else np.array(decode(image, how=how))


def of_bytes(data, side=None, how=PLAIN):
    x = jpeg(data, side, how)
    if x is None:
        return np.array(decode(io.BytesIO(data), how=how))
    return pixels_to_srgb(x, profile_of(data)) if how.icc else x


def profile_of(data):
    "The colour profile of a JPEG in colour, None where there is none"
    if ICC not in before_scan(data):
        return None
    try:
        with Image.open(io.BytesIO(data)) as im:
            return im.info.get("icc_profile") if im.mode == "RGB" else None
    except Exception:
        return None  # its pixels are there already


def jpeg(data, side=None, how=PLAIN):
    """uint8 [h, w, 3] of a colour or grey JPEG that needs no turning, bit for bit PIL's; None for anything else.

    With `side`, a half, 3/8, a quarter or an eighth of it, where the shorter of h and w is no less than that.
    """
    import simplejpeg
    if not simplejpeg.is_jpeg(data) or turned(data, how.xmp):
        return None
    try:
        h, w, space, _ = simplejpeg.decode_jpeg_header(data)
        if space not in ("YCbCr", "Gray"):
            return None
        require_shape(w, h)
        require_scans(data)
        less = dict(min_height=side, min_width=side, min_factor=2) if side and min(h, w) >= 2 * side else {}
        with memory_lock(h * w):
            return simplejpeg.decode_jpeg(data, "RGB", buffer=lent(3 * h * w), **less)
    except Unreadable:
        raise
    except ValueError:
        return None


def lent(n):
    "This thread's memory of n bytes or more; None where that is too much to keep"
    if n > LENT:
        return None
    if len(getattr(own_decoder, "memory", b"")) < n:
        own_decoder.memory = bytearray(n)
    return own_decoder.memory


def turned(data, xmp=False):
    """Does a JPEG's EXIF block, which comes before the first scan (or holds one: its own small picture's), ask for
    turning, or its XMP where asked?
    """
    if xmp and XMP in data[:EXIF_WITHIN]:
        return asks_for_turning(data)
    head = before_scan(data)
    at = head.find(EXIF)
    return at >= 0 and not says_upright(head[at + len(EXIF):]) and asks_for_turning(data)


def asks_for_turning(data):
    "As PIL parses it: EXIF before XMP"
    try:
        with Image.open(io.BytesIO(data)) as im:
            return orientation(im) in TURNS
    except Exception:
        return True  # PIL says why


def before_scan(data):
    "A JPEG's first bytes, up to its first scan"
    end = data.find(SCAN, 0, EXIF_WITHIN)
    return data[:EXIF_WITHIN if end < 0 else end]


def says_upright(exif):
    """Is it plain, without parsing an EXIF block, that its photo needs no turning?

    EXIF is a TIFF header, which begins with the byte order, and directories of entries: tag (2 bytes), type (2), count
    (4), value. Wherever the bytes of the tag Orientation occur in the block, they must begin the entry Orientation = 1,
    which is upright. That is so in most photos; in all others, those too that have these bytes by chance, PIL has to
    parse the block.
    """
    order = BYTE_ORDERS.get(exif[:2])
    if order is None:
        return False
    tag = struct.pack(f"{order}H", ORIENTATION)
    entry = struct.pack(f"{order}HHIH", ORIENTATION, TIFF_SHORT, 1, UPRIGHT)
    return exif.count(tag) == exif.count(entry)


def as_torch(x):
    "[1, 3, h, w] in channels-last order, of the same memory, as torch's quick way for 8 bits needs it"
    import torch
    return torch.from_numpy(x)[None].permute(0, 3, 1, 2)


def from_torch(x): return x[0].permute(1, 2, 0).numpy()
def resized(x, size, out=None):
    import torch.nn.functional as F
    return F.interpolate(x, size, mode="bilinear", antialias=True) if out is None else into(x, size, out)


def grey(x):
    "uint8 [n, 1, h, w] of RGB [n, 3, h, w]: ITU-R 601's luma, as PIL's mode L has it to the bit"
    import torch
    r, g, b = x.int().unbind(1)
    return ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16).to(torch.uint8)[:, None]


def scaled(x, mean, std):
    """float32 [n, c, h, w] in channels-last order: (x / 255 − mean) / std of 8-bit `x` [n, 3 or c, h, w], with mean and
    std [1, c, 1, 1]; RGB is made grey where c is 1."""
    if mean.numel() == 1 and x.shape[1] == 3:
        x = grey(x)
    import torch
    x = x.float(memory_format=torch.channels_last)
    rows = x.permute(0, 2, 3, 1).flatten(2)  # the same memory; tiled constants keep the inner loop long
    rows.mul_((1 / (255 * std)).flatten().repeat(x.shape[3])).sub_((mean / std).flatten().repeat(x.shape[3]))
    return x


def into(x, size, out):
    "`resized` written to `out`"
    import torch
    return torch.ops.aten._upsample_bilinear2d_aa.out(x, list(size), False, None, None, out=out)

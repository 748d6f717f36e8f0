"""What a training settles about the colours and levels of image files. `PLAIN` is what 0.1.0 did: runs without the
fields go on with it.
"""
import io
import threading
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageCms

from ...core.errors import UserError

FULL_WHITE = 2**16 - 1  # the highest level of 16 bits
SPACES = {"RGB": "RGB", "CMYK": "CMYK"}  # PIL's mode -> the ICC's word for what a profile is of
PROFILES_KEPT = 8  # profiles of which each thread keeps the way to sRGB: few cameras and programs made a data set
own_profiles = threading.local()


@dataclass(frozen=True)
class Decoding:
    """How files become 8-bit RGB. `icc`: colours of a profile other than sRGB are brought to sRGB; `white`: the level
    of 16-bit files that is white; `xmp`: the fast pipeline's JPEGs are turned by an orientation that XMP alone keeps,
    too, as PIL turns them and all other formats."""
    icc: bool = False
    white: int = FULL_WHITE
    xmp: bool = False

    @property
    def suffix(self):
        "Of the folder in which such pixels are kept; empty for 0.1.0's"
        white = f"-white{self.white}" if self.white != FULL_WHITE else ""
        return ("-icc" if self.icc else "") + white + ("-xmp" if self.xmp else "")


PLAIN = Decoding()


def decoding(recipe):
    "The Decoding of a recipe; what it leaves open is as 0.1.0 did it"
    if recipe.icc:
        require_cms()
    return Decoding(bool(recipe.icc), recipe.white or FULL_WHITE, bool(recipe.xmp))


def require_cms():
    if not has_cms():
        raise UserError("--icc needs a Pillow with LittleCMS, and this one is built without it: pip install pillow, "
                        "or give --no-icc")


def has_cms():
    from PIL import features
    return features.check("littlecms2")


def other_space(profile, mode):
    "Does an embedded profile (bytes, None for none) fit an image of this mode and say colours that are not sRGB's?"
    return bool(profile) and mode in SPACES and space_of_profile(bytes(profile)) == SPACES[mode]


@lru_cache(maxsize=64)
def space_of_profile(profile):
    """RGB or CMYK for a profile whose colours must be converted; None for sRGB's own, for one that is broken or of
    another kind
    """
    try:
        p = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(p).lower():
            return None
        return p.profile.xcolor_space.strip()
    except Exception:
        return None  # LittleCMS has many ways to refuse what a stranger's file holds


def name_of_profile(profile):
    "A profile's own name, on one line"
    try:
        return " ".join(ImageCms.getProfileDescription(io.BytesIO(profile)).split())[:40] or "unnamed"
    except Exception:
        return "unnamed"


def to_srgb(im, profile):
    "`im`, RGB or CMYK, in sRGB; as RGB without its profile where the two do not fit"
    try:
        return ImageCms.applyTransform(im, way(bytes(profile), im.mode))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return im.convert("RGB")


def way(profile, mode):
    "LittleCMS's transform, which each thread has for itself"
    ways = own_profiles.__dict__.setdefault("ways", {})
    if (profile, mode) not in ways:
        if len(ways) >= PROFILES_KEPT:
            ways.clear()
        own, srgb = io.BytesIO(profile), ImageCms.createProfile("sRGB")
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        ways[profile, mode] = ImageCms.buildTransform(own, srgb, mode, "RGB", intent, flags)
    return ways[profile, mode]


def pixels_to_srgb(x, profile):
    "uint8 [h, w, 3] of an image with this profile in sRGB"
    import numpy as np
    return np.asarray(to_srgb(Image.fromarray(x), profile)) if other_space(profile, "RGB") else x

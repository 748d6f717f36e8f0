"""What a sample of the image files says about how all of them are to be decoded: colour profiles, and the bits that
16-bit files use.
"""
from ..core.errors import plural
from .source import is_path
from .split import first_items

SAMPLED_IMAGES = 32         # 16-bit images that are looked at
COLOURS = 64        # images whose profiles are
TURNED = 256        # images whose XMP is, in their first bytes
XMP_WITHIN = 1 << 16
JPEG = b"\xff\xd8\xff"
DARK = 1 / 4        # of the full range: what is never brighter has at most 14 bits
DEEP_ENDINGS = ".png", ".tif", ".tiff", ".pgm", ".jp2"
BRIGHTEST = 2**16 - 1
BITS = 8, 10, 12, 14


def decoding_of(recipe, items):
    """(Decoding, lines for the user) of a recipe: what it says, and what it leaves open by a sample of the images.

    `items`: as the source has them before unreadable ones are left out, so that whoever opens the data decides the
    same.
    """
    from .pixels.decoding import Decoding, has_cms, require_cms
    files = [o for o in items if is_path(o.image)]
    if recipe.icc:
        require_cms()
    wide = recipe.icc is None and wide_gamut(every(files, COLOURS))
    white, dark = level(recipe.white, files)
    # PIL always turns them
    turned = sum(map(turned_by_xmp, every(files, TURNED))) if recipe.xmp is None and recipe.pipeline == "fast" else 0
    how = Decoding(bool(recipe.icc or (wide and has_cms())), white, bool(recipe.xmp or turned))
    return how, [*([colour_line(wide, how)] if wide else []), *dark, *([turned_line(turned)] if turned else [])]


def every(files, most): return files[::max(1, len(files) // most)][:most]


def turned_by_xmp(o):
    "Is it a JPEG whose orientation, other than upright, is in XMP and not in EXIF?"
    from .pixels.canonical import turned
    from .pixels.image import Unreadable, require_file
    try:
        require_file(o.image)
        with open(o.image, "rb") as f:
            head = f.read(XMP_WITHIN)
    except (OSError, Unreadable):
        return False  # the scan says why
    return head.startswith(JPEG) and turned(head, xmp=True) and not turned(head)


def turned_line(n):
    return (f"{plural(n, 'photo')} of a sample {'has' if n == 1 else 'have'} the orientation in XMP alone: turned as "
            "that says")


def wide_gamut(files):
    "Of images, how many have which other profile than sRGB's: {name of the profile: images}"
    from collections import Counter

    from .pixels.image import quiet
    with quiet():
        return Counter(name for o in files if (name := profile_name(o.image)))


def profile_name(file):
    "The name of a file's colour profile that is not sRGB's; None where there is none, and for what can't be read"
    from PIL import Image

    from .pixels.decoding import name_of_profile, other_space
    from .pixels.image import formats, require_file
    try:
        require_file(file)
        with Image.open(file, formats=formats()) as im:
            mode = "RGB" if im.mode in ("RGBA", "P", "PA") else im.mode
            profile = im.info.get("icc_profile")
            return name_of_profile(profile) if profile and other_space(profile, mode) else None
    except Exception:
        return None  # the scan says why


def colour_line(wide, how):
    names = ", ".join(f"{n} {name}" for name, n in wide.most_common(2))
    done = ("their colours are brought to sRGB (--no-icc leaves them)" if how.icc
            else "assumed to be sRGB, as this Pillow has no LittleCMS")
    return f"images with other colour profiles than sRGB in a sample ({names}): {done}"


def level(white, files):
    "(the level that is white, a line where a sample of the 16-bit images never reaches it by far, in a list)"
    some = [o for o in files if o.image.suffix.lower() in DEEP_ENDINGS]
    if white not in (None, BRIGHTEST) or not some:
        return white or BRIGHTEST, []
    sample = first_items(some, SAMPLED_IMAGES, "depth")
    levels = [top for o in sample if (top := brightest(o.image)) is not None]
    if not levels:
        return BRIGHTEST, dim_colours(sample)
    if max(levels) > DARK * BRIGHTEST:
        return BRIGHTEST, []
    own = next(top for b in BITS if max(levels) <= (top := 2**b - 1))
    said = f"16-bit images whose brightest level is {max(levels):,} of {BRIGHTEST:,}: "
    if white is None:
        return own, [f"{said}{own:,} counts as white (--white {BRIGHTEST} for the full range)"]
    return white, [f"{said}they are nearly black to the network; --white {own} makes that level white"]


def dim_colours(sample):
    """A line where images of 16-bit colours are so dark that the 8 bits of them that can be read have next to nothing,
    in a list
    """
    from .pixels.image import is_deep_colour
    tops = [top for o in sample if (top := brightest(o.image, is_deep_colour)) is not None]
    if not tops or max(tops) > DARK * 255:
        return []
    return [f"16-bit colour images whose brightest level is about {256 * max(tops):,} of {BRIGHTEST:,}: "
            "they are nearly black to the network, as of 16-bit colours the upper 8 bits are read; "
            "save them as 8-bit images whose white is white"]


def is_grey(im): return im.mode.startswith("I")


def levels_of(im):
    "An image's pixels, without how transparent they are"
    import numpy as np
    return np.asarray(im if im.mode != "RGBA" else im.convert("RGB"))


def brightest(file, kind=is_grey):
    """The highest level, as PIL has it, of an image of 16 bits and of this kind; None for any other, and for one that
    can't be read
    """
    from PIL import Image

    from .pixels.image import LARGE, formats, require_decent, require_file
    try:
        require_file(file)
        with Image.open(file, formats=formats()) as im:
            require_decent(im)
            return int(levels_of(im).max()) if kind(im) and im.width * im.height <= LARGE else None
    except Exception:
        return None  # the scan says why

"""Colours of profiles, levels of 16-bit files, and files of several images: the same in both pipelines, and 0.1.0's
where nobody asks.
"""
import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.profiles import cmyk_profile, gamut_profile

from fastricks.data.pixels.canonical import canonical
from fastricks.data.pixels.decoding import PLAIN, Decoding
from fastricks.data.pixels.image import load_rgb

ICC = Decoding(icc=True)
RED = (200, 40, 40)


def square(mode="RGB", colour=RED): return Image.new(mode, (48, 40), colour)


def saved(im, tmp_path, end, **more):
    file = tmp_path / f"x.{end}"
    im.save(file, **more)
    return file


def middle(x): return np.asarray(x)[20, 24].astype(int)
def both(file, how): return middle(load_rgb(file, how)), middle(canonical(file, 64, how))


@pytest.mark.parametrize("end", ["jpg", "png", "webp", "tif", "avif"])
def test_wide_gamut_red_is_more_saturated_in_srgb(tmp_path, end):
    file = saved(square(), tmp_path, end, icc_profile=gamut_profile(),
                 **({"quality": 98} if end in ("jpg", "webp", "avif") else {}))
    plain, fast_plain = both(file, PLAIN)
    managed, fast = both(file, ICC)
    assert np.abs(plain - RED).max() < 6 and np.abs(fast_plain - RED).max() < 6  # 0.1.0's way
    assert managed[0] > RED[0] + 8 and managed[1] < RED[1]
    assert np.abs(managed - fast).max() <= 1


def test_srgbs_own_profile_changes_no_bit(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = saved(square(), tmp_path, "jpg", icc_profile=srgb)
    assert (np.asarray(load_rgb(file, ICC)) == np.asarray(load_rgb(file))).all()
    assert (canonical(file, 64, ICC) == canonical(file, 64)).all()


@pytest.mark.parametrize("profile", [b"nonsense", b"", b"\0" * 200])
def test_a_broken_profile_loses_no_photo(tmp_path, profile):
    file = saved(square(), tmp_path, "jpg", icc_profile=profile)
    assert (np.asarray(load_rgb(file, ICC)) == np.asarray(load_rgb(file))).all()
    assert (canonical(file, 64, ICC) == canonical(file, 64)).all()


def test_a_profile_of_another_kind_of_image_is_left_alone(tmp_path):
    file = saved(square(), tmp_path, "png", icc_profile=cmyk_profile())
    assert (middle(load_rgb(file, ICC)) == RED).all()


def test_transparency_stays_where_colours_change(tmp_path):
    im = square("RGBA", (*RED, 255))
    im.putpixel((0, 0), (*RED, 0))
    file = saved(im, tmp_path, "png", icc_profile=gamut_profile())
    seen = np.asarray(load_rgb(file, ICC))
    assert (seen[0, 0] == 255).all() and seen[20, 24, 0] > RED[0] + 8


def test_cmyk_goes_by_its_profile(tmp_path):
    file = saved(Image.new("CMYK", (48, 40), (255, 0, 0, 0)), tmp_path, "tif", icc_profile=cmyk_profile())
    plain, _ = both(file, PLAIN)
    managed, fast = both(file, ICC)
    # this press's cyan is a dark one
    assert (plain == (0, 255, 255)).all() and (managed == fast).all() and 180 > managed[1] > 100


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_white_is_the_level_that_is_said(tmp_path, bits, end):
    x = np.linspace(0, 2**bits - 1, 48 * 40).reshape(40, 48).astype(np.uint16)
    file = saved(Image.fromarray(x), tmp_path, end)
    assert np.asarray(load_rgb(file)).max() <= 64
    seen = np.asarray(load_rgb(file, Decoding(white=2**bits - 1)))
    assert seen.max() == 255 and seen.min() == 0 and np.abs(seen[..., 0] - x / x.max() * 255).max() < 1


def test_the_first_of_several_images_is_taken(tmp_path):
    first, *more = [square(colour=c) for c in (RED, (0, 0, 255), (0, 255, 0))]
    for end in ("gif", "webp", "png", "tif", "avif"):
        seen = load_rgb(saved(first, tmp_path, end, save_all=True, append_images=more))
        assert np.abs(middle(seen) - RED).max() < 8 and seen.size == (48, 40), end


def test_a_motion_photo_is_its_photo(tmp_path):
    "Phones append a film to a JPEG, or a second JPEG (MPO)"
    data = io.BytesIO()
    square().save(data, "JPEG", quality=95)
    film = tmp_path / "motion.jpg"
    film.write_bytes(data.getvalue() + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40)
    square().save(tmp_path / "two.mpo", "MPO", save_all=True, append_images=[square(colour=(0, 0, 255))])
    for file in (film, tmp_path / "two.mpo"):
        for x in both(file, PLAIN): assert np.abs(x - RED).max() < 6


@pytest.mark.parametrize("end", ["jpg", "png", "webp", "tif", "avif"])
def test_photos_are_upright_wherever_their_turn_is_kept(tmp_path, end):
    exif = Image.Exif()
    exif[0x0112] = 6
    im = Image.new("RGB", (48, 40), "white")
    im.paste((0, 0, 0), (0, 0, 48, 20))  # its upper half is black, which is the right one once it is turned
    file = saved(im, tmp_path, end, exif=exif)
    for x in (np.asarray(load_rgb(file)), canonical(file, 64)):
        assert x.shape == (48, 40, 3) and x[:, 24:].mean() < 20 and x[:, :16].mean() > 235

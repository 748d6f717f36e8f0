import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support.data_trees import jpeg, photo

from fastricks.data.pixels.image import Unreadable, decode, load_rgb, rgb_of_array

RED, GREEN = (200, 30, 40), (10, 180, 20)


def save(tmp_path, im, name, **kw):
    im.save(tmp_path/name, **kw)
    return tmp_path/name


def pixel(path, xy=(0, 0)):
    im = load_rgb(path)
    assert im.mode == "RGB" and type(im) is Image.Image and im.info == {}
    return im.getpixel(xy)


def near(a, b, by=6): return all(abs(x - y) <= by for x, y in zip(a, b, strict=True))
def plain(mode="RGB", color=RED, size=(8, 6)): return Image.new(mode, size, color)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.bmp", "x.gif", "x.webp", "x.tif", "x.ppm"])
def test_formats(tmp_path, name): assert near(pixel(save(tmp_path, plain(), name)), RED)


@pytest.mark.parametrize("name, mode, color, want", [
    ("x.png", "L", 77, (77,)*3), ("x.jpg", "L", 77, (77,)*3), ("x.png", "1", 1, (255,)*3), ("x.png", "1", 0, (0,)*3),
    ("x.png", "RGBA", (*RED, 255), RED), ("x.png", "RGBA", (*RED, 0), (255,)*3), ("x.png", "LA", (0, 0), (255,)*3),
    ("x.png", "LA", (77, 255), (77,)*3), ("x.webp", "RGBA", (0, 0, 0, 0), (255,)*3),
    ("x.tif", "CMYK", (0, 255, 255, 0), (254, 0, 0)), ("x.jpg", "CMYK", (0, 255, 255, 0), (254, 0, 0)),
    ("x.jpg", "CMYK", (0, 0, 0, 0), (255,)*3), ("x.jpg", "YCbCr", (76, 85, 255), (254, 0, 0)),
])
def test_modes(tmp_path, name, mode, color, want):
    assert near(pixel(save(tmp_path, plain(mode, color), name, **({"lossless": True} if name == "x.webp" else {}))),
                want)


def test_half_transparent_is_mixed_with_white(tmp_path):
    assert near(pixel(save(tmp_path, plain("RGBA", (0, 0, 0, 128)), "x.png")), (127,)*3, 1)


def test_palettes(tmp_path):
    im = Image.new("P", (2, 1))
    im.putpalette([*RED, *GREEN])
    im.putdata([0, 1])
    path = save(tmp_path, im, "x.png")
    assert [pixel(path, (i, 0)) for i in (0, 1)] == [RED, GREEN]
    for i, kw in enumerate(({"transparency": 1}, {"transparency": bytes([255, 0])})):
        path = save(tmp_path, im, f"{i}.png", **kw)
        assert [pixel(path, (i, 0)) for i in (0, 1)] == [RED, (255,)*3]


def test_a_transparent_colour_without_alpha(tmp_path):
    assert pixel(save(tmp_path, plain(), "x.png", transparency=RED)) == (255,)*3
    assert pixel(save(tmp_path, plain("L", 9), "y.png", transparency=9)) == (255,)*3


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm"])
def test_16_bits_are_scaled_not_clipped(tmp_path, name):
    x = np.array([[0, 255, 32896, 65535]], dtype=np.uint16)
    im = load_rgb(save(tmp_path, Image.fromarray(x), name))
    assert np.asarray(im)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bits_big_endian(tmp_path):
    im = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 32896, 65535))
    assert np.asarray(load_rgb(save(tmp_path, im, "x.tif")))[0, :, 0].tolist() == [128, 255]


def test_32_bit_integers(tmp_path):
    for most, half in ((65535, 32896), (2**31-1, 2**30)):
        im = Image.fromarray(np.array([[0, half, most]], dtype=np.int32))
        assert np.asarray(load_rgb(save(tmp_path, im, "x.tif")))[0, :, 0].tolist() == [0, 128, 255]
    im = Image.fromarray(np.array([[-5, 65535]], dtype=np.int32))
    assert np.asarray(load_rgb(save(tmp_path, im, "x.tif")))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("values, want", [([0, .5, 1], [0, 128, 255]), ([0, 100.4, 255], [0, 100, 255]),
                                          ([-1, 32896, 65535], [0, 128, 255]), ([0, 0, 0], [0, 0, 0]),
                                          ([0, 1e6, 2e6], [0, 128, 255]), ([float("nan"), .5, 1], [0, 128, 255])])
def test_float_tiff(tmp_path, values, want):
    im = Image.fromarray(np.array([values], dtype=np.float32))
    assert np.asarray(load_rgb(save(tmp_path, im, "x.tif")))[0, :, 0].tolist() == want


def test_the_first_frame(tmp_path):
    for name in ("x.gif", "x.webp", "x.png", "x.tif"):
        kw = {"lossless": True} if name == "x.webp" else {}
        path = save(tmp_path, plain(), name, save_all=True, append_images=[plain(color=GREEN)], **kw)
        assert near(pixel(path), RED, 1), name


CORNERS = np.array([[10, 80], [160, 240]], dtype=np.uint8)  # what is to be seen
STORED = {1: CORNERS, 2: CORNERS[:, ::-1], 3: CORNERS[::-1, ::-1], 4: CORNERS[::-1], 5: CORNERS.T,
          6: np.rot90(CORNERS), 7: CORNERS[::-1, ::-1].T, 8: np.rot90(CORNERS, -1)}


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "x.webp"])
@pytest.mark.parametrize("turn", STORED)
def test_exif_orientation(tmp_path, name, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    im = Image.fromarray(np.kron(STORED[turn], np.ones((16, 16), np.uint8))).convert("RGB")
    path = save(tmp_path, im, name, exif=exif, **({"quality": 95} if name == "x.jpg" else {}))
    got = np.asarray(load_rgb(path))[8::16, 8::16, 0].astype(int)
    assert np.abs(got - CORNERS).max() < 8


def test_broken_exif_is_no_reason_to_lose_the_pixels(tmp_path):
    for i, exif in enumerate((b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage!",
                              b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12")):
        assert near(pixel(save(tmp_path, plain(), f"{i}.jpg", exif=exif)), RED)


def test_grey_and_coloured_arrays_as_pil_has_them():
    rng = np.random.default_rng(0)
    for shape in ((5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)):
        x = rng.integers(0, 256, shape, np.uint8)
        got = rgb_of_array(x)
        assert np.array_equal(got, np.array(decode(x))) and got.shape == (5, 7, 3) and got.flags.c_contiguous


def test_arrays():
    x = np.arange(48, dtype=np.uint8)
    assert (np.asarray(load_rgb(x.reshape(4, 4, 3))) == x.reshape(4, 4, 3)).all()
    for shape in ((6, 8), (6, 8, 1)):
        im = load_rgb(x.reshape(shape))
        assert im.mode == "RGB" and im.size == (8, 6) and (np.asarray(im)[..., 1] == x.reshape(6, 8)).all()
    assert load_rgb(np.zeros((2, 2, 4), np.uint8)).getpixel((0, 0)) == (255,)*3


@pytest.mark.parametrize("x", [np.zeros((2, 2)), np.zeros((2, 2, 2), np.uint8), np.zeros(3, np.uint8),
                               np.zeros((0, 2), np.uint8), np.zeros((1, 2, 2, 3), np.uint8)])
def test_wrong_arrays(x):
    with pytest.raises(Unreadable, match=r"array of .* not of uint8 \[h, w\] or \[h, w, 3\]"): load_rgb(x)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.bmp", "x.gif", "x.webp", "x.tif", "x.ppm", "p.jpg"])
@pytest.mark.parametrize("part", [.5, .9])
def test_truncated(tmp_path, name, part, small):
    path = photo(tmp_path/name, size=(64, 48))
    if name == "p.jpg": Image.open(path).save(path, progressive=True)
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data)*part)])
    with pytest.raises(Unreadable): decode(path, small)
    if name.endswith("jpg"):
        with pytest.raises(Unreadable, match=r"^truncated$"): load_rgb(path)


def test_unreadable_files(tmp_path):
    (tmp_path/"empty.jpg").touch()
    (tmp_path/"text.jpg").write_text("no picture, but some text")
    (tmp_path/"folder.jpg").mkdir()
    (tmp_path/"link.jpg").symlink_to("gone.jpg")
    os.mkfifo(tmp_path/"pipe.jpg")
    for name, why in dict(empty="empty file", text="no image", folder="a folder", link="not there", none="not there",
                          pipe="no regular file").items():
        with pytest.raises(Unreadable, match=f"^{why}$"): load_rgb(tmp_path/f"{name}.jpg")
    with pytest.raises(Unreadable): load_rgb(tmp_path/"a\0b.jpg")
    with pytest.raises(ValueError): load_rgb(tmp_path/"none.jpg")


def test_permission_denied(tmp_path, monkeypatch):
    path = photo(tmp_path/"x.jpg")
    def denied(*a, **k): raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(Image, "open", denied)
    with pytest.raises(Unreadable, match=r"^permission denied$"): load_rgb(path)


def test_broken_in_the_middle(tmp_path):
    path = photo(tmp_path/"x.png", size=(64, 48))
    data = bytearray(path.read_bytes())
    data[len(data)//2] ^= 255
    path.write_bytes(data)
    with pytest.raises(Unreadable): load_rgb(path)


@pytest.mark.parametrize("times", [1.2, 3])
def test_too_many_pixels(tmp_path, monkeypatch, times):
    path = photo(tmp_path/"x.png", size=(60, 50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(3000/times))
    with pytest.raises(Unreadable, match=r"^too many pixels$"): load_rgb(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_rgb(path).size == (60, 50)


def test_a_huge_png_of_a_few_bytes(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0"*99)) + chunk(b"IEND", b"")
    (tmp_path/"x.png").write_bytes(PngImagePlugin._MAGIC + head + body)
    with pytest.raises(Unreadable, match=r"^too many pixels$"): load_rgb(tmp_path/"x.png")


def test_no_warning_gets_out(tmp_path, recwarn):
    im = Image.new("P", (2, 1))
    im.putpalette([*RED, *GREEN])
    load_rgb(save(tmp_path, im, "x.png", transparency=bytes([255, 0])))
    (tmp_path/"y.jpg").write_bytes(jpeg()[:2] + b"\xff\xe1\0\x12Exif\0\0II*\0\x08\0\0\0\xff" + b"\0" + jpeg()[2:])
    load_rgb(tmp_path/"y.jpg")
    assert not recwarn.list


def test_garbage_never_gives_another_error(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("x.jpg", "x.png", "x.gif", "x.webp", "x.tif", "x.bmp"):
        data = photo(tmp_path/name, size=(20, 16)).read_bytes()
        for _ in range(60):
            x = bytearray(data)
            for i in rng.integers(0, len(x), 4): x[i] = rng.integers(256)
            (tmp_path/name).write_bytes(x)
            try: load_rgb(tmp_path/name)
            except Unreadable as e: assert 0 < len(str(e)) <= 80 and "\n" not in str(e)


def test_the_limits_can_be_raised(tmp_path, monkeypatch):
    import subprocess
    import sys
    Image.new("RGB", (6000, 40)).save(tmp_path/"pano.png")
    with pytest.raises(Unreadable, match="too long and thin"): load_rgb(tmp_path/"pano.png")
    monkeypatch.setenv("FASTRICKS_MAX_RATIO", "200")
    assert load_rgb(tmp_path/"pano.png").size == (6000, 40)
    monkeypatch.setenv("FASTRICKS_MAX_MEGAPIXELS", "200")
    code = "from PIL import Image; import fastricks.data.pixels.image; print(Image.MAX_IMAGE_PIXELS)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "200000000\n"


def test_how_limits_are_raised_is_said():
    from fastricks.data.scan import limits_hint
    assert limits_hint({"a": "too many pixels"}).endswith("FASTRICKS_MAX_MEGAPIXELS raises that limit")
    assert limits_hint({"a": "truncated"}) == ""

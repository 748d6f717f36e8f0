"""Files that want to crash, hang, fill the memory or run code: generated, each from a seed."""
import io
import os
import random
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = "jpeg", "png", "gif", "bmp", "tiff", "webp", "ppm"


# -- images

def picture(rng, w=24, h=18, mode="RGB"):
    n = len(Image.new(mode, (1, 1)).getbands())
    x = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (h, w, n) if n > 1 else (h, w), dtype=np.uint8)
    return Image.fromarray(x, mode) if mode in ("RGB", "L") else Image.fromarray(x[..., :3] if n > 2 else x[..., 0] if n == 2 else x).convert(mode)


def encoded(im, kind, **kw):
    f = io.BytesIO()
    im.save(f, kind, **kw)
    return f.getvalue()


def chunk(name, data): return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(w, h, *chunks, depth=8, color=2, data=b""):
    "A PNG that claims w × h"
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def scans(n, size=256):
    "A progressive JPEG whose last pass is made n times"
    d = encoded(Image.new("L", (size, size), 100), "jpeg", progressive=True)
    last = d.rindex(b"\xff\xda")
    return d[:last] + d[last:-2] * n + d[-2:]


def tiff(w, h, **tags):
    "A TIFF header that claims w × h"
    rows = {256: w, 257: h, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: h, 279: 8, **{int(k[1:]): v for k, v in tags.items()}}
    body = b"".join(struct.pack("<HHII", k, 4, 1, v) for k, v in sorted(rows.items()))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(rows)) + body + struct.pack("<I", tags.get("next", 8))


def truncated(rng):
    d = encoded(picture(rng), rng.choice(FORMATS))
    return d[:rng.randrange(len(d))]


def flipped(rng):
    d = bytearray(encoded(picture(rng), rng.choice(FORMATS)))
    for _ in range(rng.choice((1, 3, 30))): d[rng.randrange(len(d))] ^= 1 << rng.randrange(8)
    return bytes(d)


def empty(rng): return b""
def noise(rng): return rng.randbytes(rng.choice((1, 3, 64, 5000)))


def wrong_type(rng):
    return rng.choice((b"#!/bin/sh\ntouch pwned\n", b"PK\3\4" + bytes(60), b"\x7fELF" + bytes(60), b"<html><script>", b"%PDF-1.7\n",
                       b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(pwned) (w) file\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
                       b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.", b"GIF89a", b"\xff\xd8\xff", b"RIFF\xff\xff\xff\xffWEBPVP8 ",
                       b"P6\n99999 99999\n255\n"))


def wrong_extension(rng): return encoded(picture(rng), "png")
def cmyk(rng): return encoded(picture(rng).convert("CMYK"), "jpeg")
def bits_16(rng): return encoded(Image.fromarray(np.arange(24 * 18, dtype=np.uint16).reshape(18, 24) * 100), rng.choice(("png", "tiff")))


def animated(rng):
    frames = [picture(rng) for _ in range(3)]
    return encoded(frames[0], rng.choice(("gif", "webp", "png")), save_all=True, append_images=frames[1:])


def turned(rng):
    exif = Image.Exif()
    exif[0x0112] = rng.randrange(12)
    return encoded(picture(rng), "jpeg", exif=exif)


def broken_exif(rng): return encoded(picture(rng), "jpeg", exif=b"Exif\0\0" + rng.randbytes(40))


def bomb(rng):
    "Small files that say they are huge, or are once they are unpacked"
    big = rng.choice((20_000, 60_000, 65_535))
    return rng.choice((
        lambda: png(big, big), lambda: png(2**31 - 1, 2**31 - 1), lambda: png(30_000, 30_000, data=bytes(2**20)),
        lambda: png(24, 18, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))),
        lambda: png(24, 18, *[chunk(b"tEXt", b"a\0" + bytes(2**20))] * 80),
        lambda: png(24, 18, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26)))),
        lambda: png(24, 18, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
                    chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, big, big, 0, 0, 1, 1, 0, 0))),
        lambda: b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;",
        lambda: tiff(big, big), lambda: tiff(2**32 - 1, 2**32 - 1), lambda: tiff(24, 18, t258=2**31),
        lambda: b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, big, big, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(64),
        lambda: b"P6\n%d %d\n255\n" % (big, big), lambda: scans(3000), lambda: encoded(Image.new("1", (12_000, 12_000)), "png"),
        lambda: encoded(Image.new("RGB", (1, 30_000)), "png"), lambda: encoded(Image.new("L", (60_000, 2)), "jpeg"),
        lambda: b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\xff\xff\xff\xff\xff" + bytes(4)))()


MAKERS = (truncated, flipped, empty, noise, wrong_type, wrong_extension, cmyk, bits_16, animated, turned, broken_exif, bomb)
PLACES = ("link to nowhere", "link to itself", "two links", "link to a device", "pipe", "folder", "link to a folder", "link up", "sparse",
          "hard link", "may not be read")
NAMES = ("-rf", "--help", "a\nb", "a\tb", " ", "🍕", "naïve", "日本", "$(touch pwned)", "`id`", "%s%n", "'; drop", '"', "con", "a" * 200, "\x1b[31mred",
         "e\u0301", "\u00e9", "..jpg", "a..", "<script>", "&amp;", "a,b", "=cmd()", "\u202egpj", b"\xff\xfe", b"\x80\xc3(")


def place(folder, name, kind):
    "Something at folder/name that is no plain file"
    path = folder / name
    if kind == "link to nowhere": path.symlink_to(folder / "gone" / "x.jpg")
    if kind == "link to itself": path.symlink_to(path)
    if kind == "two links": path.symlink_to(folder / f"{name}~.jpg"); (folder / f"{name}~.jpg").symlink_to(path)
    if kind == "link to a device": path.symlink_to("/dev/zero")
    if kind == "pipe": os.mkfifo(path)
    if kind == "folder": path.mkdir()
    if kind == "link to a folder": path.symlink_to(folder)
    if kind == "link up": path.symlink_to("..")
    if kind == "hard link": path.hardlink_to(next(o for o in folder.iterdir() if o.is_file() and not o.is_symlink()))
    if kind == "sparse":
        with open(path, "wb") as f: f.truncate(2**36)
    if kind == "may not be read":
        path.write_bytes(b"x")
        path.chmod(0)


def hostile_images(folders, n, seed=0):
    "Put n things that call themselves images into the folders in turn"
    rng = random.Random(seed)
    for i in range(n):
        folder, kind = folders[i % len(folders)], i % (len(MAKERS) + 2)
        if kind == len(MAKERS): place(folder, f"place{i}.jpg", PLACES[i // (len(MAKERS) + 2) % len(PLACES)]); continue
        make = MAKERS[kind] if kind < len(MAKERS) else rng.choice(MAKERS)
        name = f"{make.__name__}{i}.{rng.choice(('jpg', 'JPEG', 'png', 'gif', 'bmp', 'webp', 'tif', 'ppm'))}"
        if kind > len(MAKERS): name = odd_name(rng, i)
        with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "wb") as f: f.write(make(rng))


def odd_name(rng, i):
    o = rng.choice(NAMES)
    return o + b"%d.jpg" % i if isinstance(o, bytes) else f"{o}{i}.jpg"

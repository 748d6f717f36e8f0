"""Files that want to crash, hang, fill the memory or run code: generated, each from a seed."""
import io
import json
import os
import pickle
import random
import struct
import tarfile
import warnings
import zipfile
import zlib

import numpy as np
from PIL import Image

from support.pictures import encoded

FORMATS = "jpeg", "png", "gif", "bmp", "tiff", "webp", "ppm"


# -- images

def picture(rng, w=24, h=18, mode="RGB"):
    n = len(Image.new(mode, (1, 1)).getbands())
    x = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (h, w, n) if n > 1 else (h, w), dtype=np.uint8)
    return (
        Image.fromarray(x, mode)
        if mode in ("RGB", "L")
        else Image.fromarray(x[..., :3] if n > 2 else x[..., 0] if n == 2 else x).convert(mode)
    )


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
    rows = {256: w, 257: h, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: h, 279: 8,
            **{int(k[1:]): v for k, v in tags.items()}}
    body = b"".join(struct.pack("<HHII", k, 4, 1, v) for k, v in sorted(rows.items()))
    return (b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(rows)) + body
            + struct.pack("<I", tags.get("next", 8)))


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
    return rng.choice((b"#!/bin/sh\ntouch pwned\n", b"PK\3\4" + bytes(60), b"\x7fELF" + bytes(60), b"<html><script>",
                       b"%PDF-1.7\n",
                       b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(pwned) (w) file\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
                       b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.", b"GIF89a", b"\xff\xd8\xff",
                       b"RIFF\xff\xff\xff\xffWEBPVP8 ",
                       b"P6\n99999 99999\n255\n"))


def wrong_extension(rng): return encoded(picture(rng), "png")
def cmyk(rng): return encoded(picture(rng).convert("CMYK"), "jpeg")
def bits_16(rng):
    return encoded(Image.fromarray(np.arange(24 * 18, dtype=np.uint16).reshape(18, 24) * 100),
                   rng.choice(("png", "tiff")))


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
        lambda: b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0,
                                        0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;",
        lambda: tiff(big, big), lambda: tiff(2**32 - 1, 2**32 - 1), lambda: tiff(24, 18, t258=2**31),
        lambda: b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, big, big, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(64),
        lambda: b"P6\n%d %d\n255\n" % (big, big), lambda: scans(3000),
        lambda: encoded(Image.new("1", (12_000, 12_000)), "png"),
        lambda: encoded(Image.new("RGB", (1, 30_000)), "png"), lambda: encoded(Image.new("L", (60_000, 2)), "jpeg"),
        lambda: b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
        + b"\xff\xff\xff\xff\xff\xff" + bytes(4)))()


MAKERS = (truncated, flipped, empty, noise, wrong_type, wrong_extension, cmyk, bits_16, animated, turned, broken_exif,
          bomb)
PLACES = ("link to nowhere", "link to itself", "two links", "link to a device", "pipe", "folder", "link to a folder",
          "link up", "sparse",
          "hard link", "may not be read")
NAMES = ("-rf", "--help", "a\nb", "a\tb", " ", "🍕", "naïve", "日本", "$(touch pwned)", "`id`", "%s%n", "'; drop", '"',
         "con", "a" * 200,
         "\x1b[31mred", "e\u0301", "\u00e9", "..jpg", "a..", "<script>", "&amp;", "a,b", "=cmd()", "\u202egpj",
         b"\xff\xfe", b"\x80\xc3(")


def place(folder, name, kind):
    "Something at folder/name that is no plain file"
    path = folder / name
    if kind == "link to nowhere": path.symlink_to(folder / "gone" / "x.jpg")
    if kind == "link to itself": path.symlink_to(path)
    if kind == "two links":
        path.symlink_to(folder / f"{name}~.jpg")
        (folder / f"{name}~.jpg").symlink_to(path)
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
        if kind == len(MAKERS):
            place(folder, f"place{i}.jpg", PLACES[i // (len(MAKERS) + 2) % len(PLACES)])
            continue
        make = MAKERS[kind] if kind < len(MAKERS) else rng.choice(MAKERS)
        name = f"{make.__name__}{i}.{rng.choice(('jpg', 'JPEG', 'png', 'gif', 'bmp', 'webp', 'tif', 'ppm'))}"
        if kind > len(MAKERS): name = odd_name(rng, i)
        with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "wb") as f: f.write(make(rng))


def odd_name(rng, i):
    o = rng.choice(NAMES)
    return o + b"%d.jpg" % i if isinstance(o, bytes) else f"{o}{i}.jpg"


# -- weights

class Pwn:
    "Unpickled it makes a file"
    def __init__(self, file): self.file = str(file)
    def __reduce__(self): return os.system, (f"touch {self.file}",)


def safetensors(header, data=b"", size=None):
    "A file of the format with any header: a dict, or bytes as they are"
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head) if size is None else size) + head + data


def hostile_weights(folder, state, pwned):
    """50 files in `folder` that call themselves weights, (name, words of the refusal); `state`: tensors that fit.

    `pwned`: the file that any executed code would make.
    """
    import torch
    from safetensors.torch import save
    folder.mkdir(parents=True, exist_ok=True)
    good = save(state)
    n = struct.unpack("<Q", good[:8])[0]
    head = json.loads(good[8:8 + n])
    key = next(k for k, v in head.items() if len(v.get("shape", ())) > 1)
    one = lambda **kw: safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **kw}}, bytes(4))
    changed = lambda f: save({k: f(k, v) for k, v in state.items()})
    floats = lambda t: lambda k, v: t(v) if v.is_floating_point() else v
    made = {}

    def add(name, data, words="is not a safetensors file"): made[name] = data, words
    pickled = pickle.dumps(Pwn(pwned), 2)
    for end in ("pth", "pt", "bin", "ckpt", "pkl"): add(f"p.{end}", pickled, "is a pickle")
    for end in ("safetensors", "npz", "model", "SAFETENSORS", "jpg", "pth.safetensors", "npy"): add(f"q.{end}", pickled)
    f = io.BytesIO()
    torch.save({"x": Pwn(pwned)}, f)
    for end in ("safetensors", "weights", "zip"): add(f"zip.{end}", f.getvalue())
    add("zip.pth", f.getvalue(), "is a pickle")
    add("numpy.safetensors", b"\x93NUMPY\x01\0" + pickled)
    add("padded.safetensors", struct.pack("<Q", 16) + pickled)
    add("after.safetensors", good + f.getvalue())
    for i, size in enumerate((2**63, 2**64 - 1, 2**31, 10**8 + 1, len(good), 1)):
        add(f"size{i}.safetensors", safetensors(b"{}", size=size))
    add("deep.safetensors", safetensors(b'{"a":' * 10**5 + b"1" + b"}" * 10**5))
    add("brackets.safetensors", safetensors(b"[" * 10**6))
    add("nojson.safetensors", safetensors(b"not json"))
    add("utf8.safetensors", safetensors(b'{"\xff": 1}'))
    add("list.safetensors", safetensors(b"[]"))
    add("empty.safetensors", b"")
    add("cut8.safetensors", good[:7])
    add("cut.safetensors", good[:len(good) // 2])
    add("cutlast.safetensors", good[:-1])
    add("offsets.safetensors", one(data_offsets=[4, 0]))
    add("offsets2.safetensors", one(data_offsets=[0, 2**60]))
    add("negative.safetensors", one(data_offsets=[-4, 0]))
    add("shape.safetensors", one(shape=[-1]))
    add("huge.safetensors", one(shape=[2**40, 2**40]))
    add("dtype.safetensors", one(dtype="PICKLE"))
    two = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
           "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}
    add("overlap.safetensors", safetensors(two, bytes(12)))
    a = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    add("twice.safetensors", safetensors(b"{" + a + b"," + a + b"}", bytes(4)), "safetensors file|does not fit")
    add("none.safetensors", safetensors({}), "does not fit")
    add("foreign.safetensors", save({"../../etc/passwd": torch.zeros(2), "a\nb": torch.zeros(2)}), "does not fit")
    add("scalars.safetensors", save({k: torch.zeros(()) for k in state}), "does not fit")
    add("turned.safetensors", changed(lambda k, v: v.flip(0).reshape(*v.shape[::-1]).contiguous() if k == key else v),
        "does not fit|has")
    add("int8.safetensors", changed(floats(lambda v: v.to(torch.int8))), "as int8")
    add("float8.safetensors", changed(floats(lambda v: v.to(torch.float8_e4m3fn))), "as float8_e4m3fn")
    add("bool.safetensors", changed(floats(lambda v: v > 0)), "as bool")
    add("nan.safetensors", changed(lambda k, v: v * float("nan") if k == key else v), "not finite")
    add("inf.safetensors", changed(lambda k, v: v / 0 if k == key else v), "not finite")
    for name, (data, _) in made.items(): (folder / name).write_bytes(data)
    (folder / "folder.safetensors").mkdir()
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "loop.safetensors").symlink_to(folder / "loop.safetensors")
    (folder / "device.safetensors").symlink_to("/dev/zero")
    with open(folder / "sparse.safetensors", "wb") as o:
        o.write(safetensors({"x": {"dtype": "U8", "shape": [2**36], "data_offsets": [0, 2**36]}}))
        o.truncate(o.tell() + 2**36)
    there = [(n, "there is no such file|is not there|has no weights") for n in ("folder", "pipe", "loop", "device")]
    made = [(n, w) for n, (_, w) in made.items()]
    sparse = "sparse.safetensors", "far more than|Cannot allocate"
    return [*made, *((f"{n}.safetensors", w) for n, w in there), sparse]


# -- archives

LISTS = {"food-101/meta/train.txt": b"ramen/1\nsteak/1\n", "food-101/meta/test.txt": b"ramen/2\nsteak/2\n"}


def tar(*members, mode="w"):
    "Bytes of a tar: (name, bytes) files and ready TarInfos"
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode=mode, format=tarfile.PAX_FORMAT) as t:
        for o in members:
            info, data = (o, b"") if isinstance(o, tarfile.TarInfo) else (tarfile.TarInfo(o[0]), o[1])
            if data: info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return f.getvalue()


def member(name, kind, link="", **more):
    o = tarfile.TarInfo(name)
    o.type, o.linkname = kind, link
    for k, v in more.items(): setattr(o, k, v)
    return o


def zipped(*members, **kw):
    f = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED, **kw) as z:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data in members: z.writestr(name, data)
    return f.getvalue()


def lied(data, size):
    "A zip whose first member says that it unpacks to `size` bytes"
    at, end = data.index(b"PK\3\4") + 22, data.index(b"PK\1\2") + 24
    return data[:at] + struct.pack("<I", size) + data[at + 4:end] + struct.pack("<I", size) + data[end + 4:]


def cyclic(n=300):
    "A zip whose members all share one piece of packed data"
    one = zipped(("food-101/images/ramen/1.jpg", bytes(2**20)))
    mark, tail = one.index(b"PK\1\2"), one.rindex(b"PK\5\6")
    entry = one[mark:tail]
    return one[:mark] + entry * n + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, n, n, len(entry) * n, mark, 0)


def hostile_archives(folder, outside):
    "30 archives in `folder`: their names; `outside`: a folder that they reach for"
    folder.mkdir(parents=True)
    lists, jpg = [*LISTS.items()], lambda i, data=b"\xff\xd8x": (f"food-101/images/ramen/{i}.jpg", data)
    good, zeros = [*lists, jpg(1), jpg(2)], bytes(2**26)
    away = os.path.relpath(outside, folder)
    link = tarfile.SYMTYPE, tarfile.LNKTYPE
    made = {
        "up.tar": tar(("../up.txt", b"x"), (f"{away}/up.txt", b"x"), *good),
        "absolute.tar": tar((f"{outside}/a.txt", b"x"), *good),
        "within.tar": tar(*lists, (f"food-101/images/../../{away}/ramen/1.jpg", b"x"), jpg(1), jpg(2)),
        "link.tar": tar(*lists, member("food-101/images/ramen", link[0], str(outside)), jpg(1), jpg(2)),
        "linkfile.tar": tar(*lists, member("food-101/images/ramen/1.jpg", link[0], "/etc/passwd"), jpg(2)),
        "hardlink.tar": tar(*lists, member("food-101/images/ramen/1.jpg", link[1], "/etc/passwd"), jpg(2)),
        "train.tar": tar(*lists, member("train", link[0], str(outside)), member("train/ramen", link[0], str(outside)),
                         jpg(1), jpg(2)),
        "devices.tar": tar(*lists, member("food-101/images/ramen/1.jpg", tarfile.CHRTYPE, devmajor=1, devminor=5),
                           member("a", tarfile.BLKTYPE),
                           member("food-101/images/steak/1.jpg", tarfile.FIFOTYPE), jpg(2)),
        "setuid.tar": tar(*lists, member("food-101/images/ramen/1.jpg", tarfile.REGTYPE, mode=0o6777), jpg(1), jpg(2)),
        "clash.tar": tar(*lists, jpg(1), jpg(1), ("food-101/images/RAMEN/1.jpg", b"x"),
                         ("food-101/IMAGES/ramen/1.jpg", b"x"), jpg(2)),
        "many.tar.gz": tar(*good, *[(f"x{i}", b"") for i in range(20_000)], mode="w:gz"),
        "names.tar": tar(*good, ("a" * 60_000, b"x"), ("/".join("d" * 3000), b"x"), ("\x1b[2J\n", b"x")),
        "links.tar": tar(*lists, *[member(f"food-101/images/ramen/{i}.jpg", link[0], f"{3 - i}.jpg") for i in (1, 2)]),
        "bomb.tar.gz": tar(*lists, jpg(1, zeros * 2), mode="w:gz"),
        "list.tar.gz": tar(("food-101/meta/train.txt", zeros), mode="w:gz"),
        "list.tar.xz": tar(("food-101/meta/train.txt", zeros), mode="w:xz"),
        "escape.tar": tar(("food-101/meta/train.txt", b"../../x/1\n"), lists[1], *good[2:]),
        "absolutelist.tar": tar(("food-101/meta/train.txt", f"{outside}/1\n".encode()), lists[1], *good[2:]),
        "hidden.tar": tar(("food-101/meta/train.txt", b".ssh/id\nramen/\x1b[2J\n"), lists[1], *good[2:]),
        "both.tar": tar(("food-101/meta/train.txt", b"ramen/1\n"), ("food-101/meta/test.txt", b"ramen/1\n"), *good[2:]),
        "bytes.tar": tar(("food-101/meta/train.txt", b"\xff\xfe\0\0"), lists[1]),
        "metalink.tar": tar(member("food-101/meta/train.txt", link[0], "/etc/passwd"), lists[1], *good[2:]),
        "size.tar": tar(*lists)[:-1024 * 9] + b"x" * 124 + b"\x80" + b"\xff" * 11 + b"\0" * 376,
        "noise.tgz": b"\x1f\x8b\x08" + random.Random(0).randbytes(999),
        "up.zip": zipped(("../up.txt", "x"), (f"{outside}/a.txt", "x"), ("C:\\up.txt", "x"), *good),
        "twice.zip": zipped(*good, jpg(1, b"other")),
        "lied.zip": lied(zipped(("food-101/meta/train.txt", zeros), lists[1]), 9),
        "bomb.zip": zipped(*lists, jpg(1, zeros * 2)),
        "shared.zip": cyclic(), "counts.zip": zipped(*lists)[:-14] + b"\xff" * 14,
        "pickle.zip": pickle.dumps(Pwn(outside / "pwned")),
    }
    for name, data in made.items(): (folder / name).write_bytes(data)
    return list(made)

"""Colour profiles made here: of a wide gamut as phones have, and of a press."""
import struct

D50 = .9642, 1., .8249


def fixed(x): return struct.pack(">i", round(x * 65536))
def xyz(values): return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))
def text(words): return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words.encode() + b"\0" + bytes(78)


def profile(kind, space, pcs, tags):
    "An ICC profile, version 2, of these tags"
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0\0\0\0", 0x02400000, kind, space,
                       pcs) + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(map(fixed, D50))
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


def gamut_profile():
    "Display P3's primaries, with a gamma of 2.2"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    return profile(b"mntr", b"RGB ", b"XYZ ", {
        b"desc": text("wide gamut"), b"wtpt": xyz(D50), b"rXYZ": xyz((.5151, .2412, -.0011)),
        b"gXYZ": xyz((.2920, .6922, .0419)),
        b"bXYZ": xyz((.1571, .0666, .7841)), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def cmyk_profile():
    "A press whose inks are darker than ideal ones: a table of two levels an ink, to Lab"
    def lab(c, m, y, k):
        light = (1 - k) * (1 - .45 * c) * (1 - .5 * m) * (1 - .1 * y)
        a = 128 + (1 - k) * (-40 * c + 70 * m - 5 * y)
        b = 128 + (1 - k) * (-45 * c - 5 * m + 80 * y)
        return bytes(round(o) for o in (255 * light, a, b))
    grid = b"".join(lab(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1))
    ramp = bytes(range(256))
    unit = b"".join(fixed(o) for o in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + ramp * 4 + grid + ramp * 3
    tags = {b"desc": text("dark inks"), b"wtpt": xyz(D50), b"A2B0": table, b"A2B1": table}
    return profile(b"prtr", b"CMYK", b"Lab ", tags)

"""Photos of our own for the pages, since nobody else's lie in the repository: `python docs/drawn.py PHOTOS` draws 300
pictures of three kinds of fruit, a folder each.
"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 160  # pixels


def draw_apple(pen, x, y, r, skin):
    pen.ellipse((x - r, y - r, x + r, y + .9 * r), fill=skin)
    pen.line((x, y - .8 * r, x + .3 * r, y - 1.5 * r), fill=(80, 50, 20), width=5)


def draw_banana(pen, x, y, r, skin):
    pen.arc((x - 1.4 * r, y - 1.8 * r, x + 1.4 * r, y + r), 20, 160, fill=skin, width=int(.6 * r))


def draw_pear(pen, x, y, r, skin):
    pen.ellipse((x - r, y - .5 * r, x + r, y + 1.3 * r), fill=skin)
    pen.ellipse((x - .55 * r, y - 1.4 * r, x + .55 * r, y + .4 * r), fill=skin)


FRUIT = {"apple": draw_apple, "banana": draw_banana, "pear": draw_pear}
SKINS = (200, 40, 40), (230, 200, 60), (120, 170, 60)  # of any fruit: colour alone tells none


def draw(kind, n):
    "Picture number n of a kind, the same each time: a fruit somewhere on a noisy table"
    rng = np.random.default_rng([n, list(FRUIT).index(kind)])
    table = rng.integers(60, 200, 3) + rng.normal(0, 12, (SIDE, SIDE, 3))
    image = Image.fromarray(table.clip(0, 255).astype(np.uint8))
    x, y = rng.uniform(.35, .65, 2) * SIDE
    FRUIT[kind](ImageDraw.Draw(image), x, y, rng.uniform(.16, .28) * SIDE, SKINS[rng.integers(len(SKINS))])
    return image.rotate(rng.uniform(-40, 40), fillcolor=tuple(map(int, table[0, 0].clip(0, 255)))).filter(
        ImageFilter.GaussianBlur(1))


def draw_folder(folder, count=100):
    "`count` JPEGs of each kind, as FOLDER/KIND/00.jpg …"
    for kind in FRUIT:
        (Path(folder) / kind).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            draw(kind, n).save(Path(folder) / kind / f"{n:02}.jpg", quality=90)


if __name__ == "__main__":
    draw_folder(sys.argv[1])

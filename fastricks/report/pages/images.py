"""Images of a run on its page, as the network saw them, and where it found the evidence for its mistakes."""
import json
from functools import cache

import numpy as np

from ...core.files import read_json, write
from ..html import data_uri
from .quality import worst

SIDE = 112        # pixels of an image on a page
HEAT_FILE = "heatmaps.json"
COLORS_OF_HEAT, HOTTEST = "magma", .8  # matplotlib's name; the share of its colour where a map is 1
MOST_POSITIONS = 512  # of a side of a stored heat map that is believed


# -- images

def canonical_pixels(source, recipe):
    "name -> uint8 [h, w, 3], the canonical pixels of an image; None for one that is not there"
    from ...data.pixels.decoding import decoding
    from ...data.pixels.image import Unreadable
    from ...data.pixels.store import kept_pixels
    items = {o.name: o for o in source.items}
    pixels = source.pixels or kept_pixels(source.items, recipe.resize, decoding(recipe))

    def pixels_of(name):
        try:
            return pixels[items[name]]
        except (KeyError, Unreadable):
            return None
    return pixels_of


def network_view(source, recipe):
    "name -> uint8 [1, 3, h, w] that evaluation sees of an image; None for one that is not there"
    from ...data.pixels.fits import eval_view
    from ...data.pixels.views import empty
    pixels_of, view = canonical_pixels(source, recipe), eval_view(recipe)
    width, height = view.sides

    def seen(name):
        x = pixels_of(name)
        if x is None:
            return None
        out = empty(1, height, width)
        view.cut(x, None, False, out)
        return out
    return seen


def thumbnails(source, recipe):
    """name -> a PIL image of at most SIDE pixels a side, of what the network saw; None for one that is not there.

    Cut by PIL, to the same pixels but for roundings: what prints a page needs no torch.
    """
    from PIL import Image

    from ...data.pixels.fits import eval_view, put_pil
    pixels_of, view = canonical_pixels(source, recipe), eval_view(recipe)

    @cache
    def small(name):
        x = pixels_of(name)
        if x is None:
            return None
        im = put_pil(Image.fromarray(x), *view.place(*x.shape[:2]), view.sides)
        scale = SIDE / max(im.size)
        sides = round(im.width * scale), round(im.height * scale)
        return im.resize(sides, Image.Resampling.LANCZOS) if scale < 1 else im
    return small


def in_page(picture):
    "name -> data URI, of name -> PIL image; None where there is none"
    @cache
    def address(name):
        im = picture(name)
        return None if im is None else data_uri(im)
    return address


def no_picture(name): return None


# -- heat maps

def mistakes_heat(model, source, recipe, images):
    """name -> LayerCAM [h, w], uint8, for the predicted class of each mistake among the top losses.

    {} where there is none, and for a network without a spatial feature map. `model` is as `heat_maps` takes it.
    """
    import torch

    from ...data.pixels.canonical import scaled
    from ...model.cam import heat_maps
    from ...model.network import stats
    seen = network_view(source, recipe)
    wrong = {str(images.names[i]): images.predicted[i] for i in worst(images) if images.rank[i]}
    there = {name: x for name in wrong if (x := seen(name)) is not None}
    if not there:
        return {}
    device = next(model.parameters()).device
    mean, std = (torch.tensor(o, device=device).view(1, -1, 1, 1) for o in stats(recipe))
    number = {c: i for i, c in enumerate(source.classes)}
    classes = torch.tensor([number[wrong[name]] for name in there])
    maps = heat_maps(model, scaled(torch.cat([*there.values()]).to(device), mean, std), classes)
    return {} if maps is None else dict(zip(there, as_bytes(maps.numpy()), strict=True))


def as_bytes(maps): return (255 * maps).round().astype(np.uint8)


def write_heat(file, maps):
    "Keep heat maps, name -> uint8 [h, w], in a run's folder; nothing where there are none"
    if maps:
        kept = {"method": "LayerCAM of the predicted class", "maps": {k: v.tolist() for k, v in maps.items()}}
        write(file, json.dumps(kept, ensure_ascii=False) + "\n")


def read_heat(folder):
    "The heat maps that a run's folder keeps, name -> uint8 [h, w]; what can't be read as such is left out"
    try:
        stored = read_json(folder / HEAT_FILE)["maps"]
        maps = {str(name): np.array(rows, np.uint8) for name, rows in stored.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return {}
    return {name: m for name, m in maps.items() if m.ndim == 2 and m.size and max(m.shape) <= MOST_POSITIONS}


def heat_pictures(maps, picture):
    "name -> data URI of an image under its heat map; None where either is not there"
    @cache
    def address(name):
        im = picture(name) if name in maps else None
        return None if im is None else data_uri(under_heat(im, maps[name]))
    return address


def under_heat(im, heat):
    "A PIL image in dark grey, with a heat map [h, w], uint8, over it: the brighter, the more evidence"
    from matplotlib import colormaps
    from PIL import Image
    share = np.asarray(Image.fromarray(heat).resize(im.size, Image.Resampling.BICUBIC), float)[..., None] / 255
    grey = .5 * np.asarray(im.convert("L").convert("RGB"), float)
    colors = 255 * colormaps[COLORS_OF_HEAT](share[..., 0])[..., :3]
    mixed = (1 - HOTTEST * share) * grey + HOTTEST * share * colors
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

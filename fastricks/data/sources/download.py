"""Find Food-101 on this machine, or download it."""
import os
from dataclasses import replace
from pathlib import Path

from ...core.errors import UserError, first_line
from ...core.files import whole_file
from .folders import ImageFolder, has_splits
from .food import NAMES, FoodTree, find_tree, of_21
from .registry import DataSource

URL = "https://s3.amazonaws.com/fast-ai-imageclas/food-101.tgz"  # fastai's URLs.FOOD, without importing fastai for it


class FoodByName(DataSource):
    "Food-101 by its name, wherever it lies on this machine; else downloaded"
    priority = 20
    names = NAMES

    def choose_classes(self, text, wanted): return of_21(wanted) if text == "food-101-21" else wanted

    def open(self, text, wanted=None):
        folder = str(get_food(text))
        layout = FoodTree() if FoodTree().fits(folder) else ImageFolder()
        return replace(layout.open(folder, wanted), name="food-101")


def fastai_folder(key):
    "fastai's `data` or `archive` folder as its own config says; reads it without importing fastai or writing one"
    from configparser import ConfigParser, Error
    home = Path(os.environ.get("FASTAI_HOME", "~/.fastai")).expanduser().absolute()
    cfg = ConfigParser(interpolation=None)
    try:
        cfg.read(home/"config.ini", encoding="utf-8")
    except (Error, UnicodeDecodeError):
        pass
    return home/Path(cfg["DEFAULT"].get(key, key)).expanduser()


def usable(folder):
    "The tree in `folder`, official or prepared, or None"
    if not folder.is_dir():
        return None
    return find_tree(folder) or (folder if has_splits(folder) else None)


def find_food(name):
    "Where Food-101 already lies unpacked or prepared, or None"
    places = dict.fromkeys([Path(name), Path("food-101"), Path("data/food-101"), fastai_folder("data")/"food-101"])
    return next((o for o in map(usable, places) if o), None)


def get_food(name, say=print):
    "The folder of Food-101, found, unpacked or downloaded"
    archive, folder = fastai_folder("archive")/"food-101.tgz", fastai_folder("data")/"food-101"
    return find_food(name) or unpacked(name, archive, folder, say)


def unpacked(name, archive, folder, say=print):
    from .prepare import unpack_food
    if not archive.is_file():
        download(name, archive)
    say(f"unpacking {archive} to {folder}, once")
    unpack_food(archive, folder, say)
    return folder


def download(name, archive):
    "Food-101 by fastai's downloader, under a name of our own until it is whole"
    part = archive.with_name(f"food-101-{os.getpid()}.tgz")
    try:
        with whole_file(archive, part):
            fetch_archive(part)
    except Exception as e:
        why = first_line(getattr(e, "reason", None) or e)
        classes = " --classes food-101-21" if name == "food-101-21" else ""
        raise UserError(f"cannot download {URL} ({why}): give a folder that has it instead, "
                        f"--data PATH/food-101{classes}") from e
    finally:
        part.with_name(part.name + ".part").unlink(missing_ok=True)  # the downloader's own


def fetch_archive(to, timeout=10):
    import sys

    import fastai.data
    from fastcore.net import urlopen
    from fastdownload.core import check, checks_module, download_url
    urlopen(URL, timeout=timeout).close()  # no answer, no bar
    download_url(URL, to, timeout=timeout, show_progress=sys.stdout.isatty())
    if not check(checks_module(fastai.data), URL, to):
        raise ValueError("what came is cut short or another version")

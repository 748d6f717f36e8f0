"""Find Food-101 on this machine, or download it."""
import os
from pathlib import Path

from ...core.errors import UserError
from .folders import has_splits
from .food import find_tree

URL = "https://s3.amazonaws.com/fast-ai-imageclas/food-101.tgz"  # fastai's URLs.FOOD, without importing fastai for it


def fastai_folder(key):
    "fastai's `data` or `archive` folder as its own config says; reads it without importing fastai or writing one"
    from configparser import ConfigParser, Error
    home = Path(os.environ.get("FASTAI_HOME", "~/.fastai")).expanduser().absolute()
    cfg = ConfigParser(interpolation=None)
    try: cfg.read(home/"config.ini", encoding="utf-8")
    except (Error, UnicodeDecodeError): pass
    return home/Path(cfg["DEFAULT"].get(key, key)).expanduser()


def usable(folder):
    "The tree in `folder`, official or prepared, or None"
    if not folder.is_dir(): return None
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
    if not archive.is_file(): download(name, archive)
    say(f"unpacking {archive} to {folder}, once")
    unpack_food(archive, folder, say)
    return folder


def download(name, archive):
    "Food-101 by fastai's downloader, under a name of our own until it is whole"
    part = archive.with_name(f"food-101-{os.getpid()}.tgz")
    try:
        fetch(part)
        os.replace(part, archive)
    except Exception as e:
        why = str(getattr(e, "reason", None) or e).partition("\n")[0]
        raise UserError(f"cannot download {URL} ({why}): give a folder that has it instead, "
                        f"--data PATH/food-101{' --classes food-101-21' if name == 'food-101-21' else ''}") from e
    finally:
        for o in (part, part.with_name(part.name + ".part")): o.unlink(missing_ok=True)


def fetch(to, timeout=10):
    import sys

    import fastai.data
    from fastcore.net import urlopen
    from fastdownload.core import check, checks_module, download_url
    urlopen(URL, timeout=timeout).close()  # no answer, no bar
    download_url(URL, to, timeout=timeout, show_progress=sys.stdout.isatty())
    if not check(checks_module(fastai.data), URL, to): raise ValueError("what came is cut short or another version")

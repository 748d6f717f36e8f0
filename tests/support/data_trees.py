"""Small images, trees and archives for the tests of `fastricks.data`."""
import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from fastricks.core.errors import UserError


def photo(path, seed=0, size=(16, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(x).save(path)
    return path


def jpeg(seed=0):
    f = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(f, "jpeg")
    return f.getvalue()


def files(root, *names):
    "Files that nobody decodes"
    for o in names:
        (root/o).parent.mkdir(parents=True, exist_ok=True)
        (root/o).write_bytes(b"x"*(1 + len(o)))
    return root


def class_tree(root, **counts):
    "root/<class>/<i>.jpg"
    return files(root, *(f"{k}/{i}.jpg" for k, n in counts.items() for i in range(n)))


def food(root, classes=("ramen", "steak"), train=4, test=2, images=True):
    "The official layout, `train` and `test` images of each class"
    rows = {"train": [f"{c}/{i}" for c in classes for i in range(train)],
            "test": [f"{c}/{100+i}" for c in classes for i in range(test)]}
    (root/"images").mkdir(parents=True, exist_ok=True)
    (root/"meta").mkdir(exist_ok=True)
    for split, lines in rows.items(): (root/"meta"/f"{split}.txt").write_text("\n".join(lines) + "\n")
    for o in ("classes", "labels"): (root/"meta"/f"{o}.txt").write_text("\n".join(classes))
    if images: files(root, *(f"images/{k}.jpg" for lines in rows.values() for k in lines))
    return root


def contents(root, prefix="food-101/"):
    "{member: bytes} of a tree"
    return {prefix + o.relative_to(root).as_posix(): o.read_bytes() for o in sorted(root.rglob("*")) if o.is_file()}


def tar(path, members, *extra, mode="w:gz"):
    "`extra`: (name, type, link name) of members that are no regular files"
    with tarfile.open(path, mode) as f:
        for name, kind, to in extra:
            o = tarfile.TarInfo(name)
            o.type, o.linkname = kind, to
            f.addfile(o)
        for name, data in members.items():
            o = tarfile.TarInfo(name)
            o.size = len(data)
            f.addfile(o, io.BytesIO(data))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as f:
        for name, data in members.items(): f.writestr(name, data)
    return path


def all_files(root): return sorted(o.relative_to(root).as_posix() for o in root.rglob("*") if not o.is_dir())


def says(*words):
    "A UserError of one line with each of `words` in it"
    import re
    return pytest.raises(UserError, match="(?s)^(?!.*\n)" + "".join(f"(?=.*{re.escape(str(o))})" for o in words))


def splits(source): return {o.name: o.split for o in source.items}

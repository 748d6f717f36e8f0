"""What lies below a folder: its images, and a count of every other file by the reason why it is none of them."""
import os
from collections import Counter
from pathlib import Path

from ...core.errors import plural
from ..source import ENDING, HIDDEN, TOOLS

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
              ".avif", ".jp2", ".heic", ".heif", ".tga", ".qoi", ".jxl")
# what archives and disks leave, in lower case
JUNK = ("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found",
        "wandb", "__pycache__", "lightning_logs", "mlruns")                               # and other programs
NO_IMAGES = frozenset((  # endings of files that are not opened to see whether they are images
    ".txt", ".csv", ".tsv", ".tab", ".json", ".jsonl", ".xml", ".md", ".rst", ".html", ".htm", ".yaml", ".yml", ".toml",
    ".ini", ".log", ".py", ".ipynb", ".sh", ".pdf", ".doc", ".docx", ".xls", ".xlsx",
    ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar",
    ".npy", ".npz", ".pt", ".pth", ".pkl", ".ckpt", ".safetensors", ".h5", ".onnx", ".mat",
    ".db", ".sqlite", ".parquet", ".arrow",
    ".mp4", ".mov", ".avi", ".mkv", ".webm", ".mp3", ".wav",
    ".lnk", ".url", ".thm", ".psd", ".svg", ".eps",
    ".part", ".tmp", ".crdownload", ".download", ".bak"))
RUN_FILES = {"recipe.json", "status.json"}  # what every run folder has
FIRST_BYTES = 16  # bytes by which an image is known


class Walk:
    """A walk below the folder `root`. `ignored` counts, by (reason, detail), every file that is no image of the data.

    Links to folders are followed where they lead out of `root`, each target once; what a link inside leads to is found
    there anyway.
    """
    def __init__(self, root):
        self.given, self.root = str(root), os.path.realpath(root)
        self.ignored, self.sniffed = Counter(), Counter()
        self.links, self.followed = 0, set()  # links not followed; where the others lead
        self.runs = 0

    def images(self, folder, name):
        "(name, Path, size) of each image below `folder`, which is called `name`"
        there, folder = scan_folder(folder), Path(folder)
        if str(folder) != self.given and is_tools(folder, there):
            self.ignored[TOOLS, ""] += sum(map(count_files, there))
            self.runs += 1
            return
        for o in sorted(there, key=entry_name):  # of two links to one place always the same is followed
            if self.left_out(o):
                continue
            path = f"{name}/{o.name}"
            if is_folder(o):
                yield from self.images(o.path, path) if self.enters(o) else ()
            elif is_image(o.name) or self.sniffs(o):
                yield path, folder/o.name, entry_size(o)
            else:
                self.ignored[ENDING, ending(o.name)] += 1

    def left_out(self, o):
        "Is it hidden, or of other programs? Then its files are counted"
        why = HIDDEN if o.name.startswith(".") else TOOLS if o.name.lower() in JUNK else None
        if why:
            self.ignored[why, ""] += count_files(o)
        return why is not None

    def enters(self, o):
        "May a folder be entered? A link to one that is found without it, or that holds the data, may not"
        if not o.is_symlink():
            return True
        to = os.path.realpath(o.path)
        known = [self.root, *self.followed]
        if any(is_within(to, k) or is_within(k, to) for k in known):
            self.links += 1
            return False
        self.followed.add(to)
        return True

    def sniffs(self, o):
        "Is it an image by its first bytes, whatever its ending?"
        end = ending(o.name)
        if end in NO_IMAGES or not begins_as_image(o, end):
            return False
        self.sniffed[end] += 1
        return True

    def count(self, entry, reason, detail=""):
        "Count all files of an entry under one reason"
        self.ignored[reason, detail] += count_files(entry)

    def notes(self):
        "Lines about what was found in an unusual way"
        if n := self.sniffed.total():
            yield f"{plural(n, 'image')} without the ending of one found by content: {endings_text(self.sniffed)}"
        if self.links:
            links = plural(self.links, "link")
            yield f"{links} to folders not followed: they lead into the data, or twice to one place"
        if self.runs:
            yield f"{plural(self.runs, 'folder')} of runs left out"


def images_below(folder, name):
    "(name, Path, size) of each image below `folder`, which is called `name`"
    return Walk(folder).images(folder, name)


def entry_name(entry): return entry.name


def scan_folder(folder):
    with os.scandir(folder) as it:
        return list(it)


def entries(folder):
    "What lies in `folder`, hidden things and those of other programs aside"
    return [o for o in scan_folder(folder) if not o.name.startswith(".") and o.name.lower() not in JUNK]


def subfolders(folder): return sorted(o.name for o in entries(folder) if is_folder(o))
def loose_images(folder): return [o.name for o in entries(folder) if is_image(o.name) and not is_folder(o)]
def is_image(name): return name.lower().endswith(EXTENSIONS)


def printable(name):
    "A file's name as text that can be encoded: bytes that are no UTF-8 become `\\udcxx`"
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def ending(name):
    "The ending in lower case with its dot; `no ending` where there is none"
    return os.path.splitext(name)[1].lower() or "no ending"


def endings_text(counter, most=4):
    "`3 no ending, 1 .jpg_large`"
    order = sorted(counter.items(), key=lambda o: (-o[1], o[0]))
    found = [f"{n:,} {printable(end)}" for end, n in order[:most]]
    return ", ".join(found) + (", …" if len(counter) > most else "")


def is_folder(entry):
    "Of a link what it leads to; one that leads in a circle leads nowhere"
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_within(path, folder): return path == folder or path.startswith(os.path.join(folder, ""))


def entry_size(entry):
    "Bytes of a file; a link to nowhere has none, and is found unreadable later"
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def count_files(entry):
    "How many files an entry is, or has below it; links to folders are none"
    try:
        if not entry.is_dir(follow_symlinks=False):
            return 0 if entry.is_dir() else 1
        return sum(map(count_files, scan_folder(entry.path)))
    except OSError:
        return 1 if entry.is_symlink() else 0


def count_below(folder):
    "How many files lie below `folder`"
    return sum(map(count_files, scan_folder(folder)))


def is_tools(folder, there):
    "Do these entries make a run's folder, or a folder of runs with perhaps a few pictures of them?"
    if {o.name for o in there} >= RUN_FILES:
        return True
    runs = sum(is_run_folder(o.path) for o in there if is_folder(o) and not o.name.startswith("."))
    pictures = sum(is_image(o.name) for o in there) if runs else 0
    return runs > 0 and (os.path.basename(folder) == "runs" or pictures <= 2 * runs)


def is_run_folder(path): return all(os.path.isfile(os.path.join(path, name)) for name in RUN_FILES)


def begins_as_image(entry, end):
    "A camera's raw files begin as TIFFs do, so that is asked only where there is no ending"
    try:
        if not entry.is_file() or not entry.stat().st_size:
            return False
        with open(entry.path, "rb") as f:
            head = f.read(FIRST_BYTES)
    except OSError:
        return False
    return has_photo_head(head) or (end == "no ending" and head[:4] in (b"II*\0", b"MM\0*"))


def has_photo_head(head):
    "JPEG, PNG, GIF, WebP, BMP, AVIF, HEIC or JPEG 2000"
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"\0\0\0\x0cjP  ")):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return True
    return head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")

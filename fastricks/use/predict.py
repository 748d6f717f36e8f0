"""Paths in, rows out: what `fastricks predict` does around a Predictor. Light."""
import csv
import glob
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from ..core.errors import UserError, nearest, one_of, plural, shorten, visible
from ..data.sources.walk import images_below
from .saved import find_saved, neighbours

if TYPE_CHECKING:
    from .predictor import Prediction, Predictor

Line = Callable[["Prediction"], str]
FORMATS = "table", "jsonl", "csv"
WIDE = 48  # letters of a path in the table


def predict(run: str | PathLike[str], words: Sequence[str], k: int = 3, to: str = "table", bs: int = 64,
            threads: int | None = None, device: str = "auto") -> None:
    """Print, or write, the `k` most probable classes of the images that `words` mean: files, folders, globs, `-` for a list on stdin.

    What can't be read is told on stderr and left out; UserError where nothing could be.
    """
    kind, file = parse_to(to)
    saved = find_saved(run)
    left_out = LeftOut()
    paths = images_of(words, left_out)
    from .predictor import open_predictor
    p = open_predictor(saved, device)
    if threads: limit_threads(threads)
    line = FORMAT[kind](k, p.classes, paths)
    n = 0
    with output(file) as put:
        for rows in answers(p, paths, k, bs, threads, left_out):
            n += len(rows)
            if not put("".join(map(line, rows))): return
        if not n: raise UserError(nothing(left_out))
    if file: print(f"written   {file}: {plural(n, 'image')}")
    if left_out.n: print(f"{plural(n, 'image')} predicted, {left_out.n:,} left out", file=sys.stderr)


def answers(p: "Predictor", paths: Iterable[str], k: int, bs: int, threads: int | None,
            left_out: "LeftOut") -> "Iterator[list[Prediction]]":
    from ..data.pixels.image import quiet
    with quiet():
        for images, logits in p.stream(paths, bs, threads, left_out): yield p.named(images, logits, k)


def limit_threads(n: int) -> None:
    import torch
    torch.set_num_threads(n)


class LeftOut:
    "What could not be read: told at once, and counted"
    def __init__(self) -> None:
        self.n = 0
        self.first: str | None = None

    def __call__(self, path: str, why: str) -> None:
        self.n, self.first = self.n + 1, self.first or f"{path} ({why})"
        print(f"left out: {visible(path)} ({visible(why)})", file=sys.stderr)


def nothing(left_out: LeftOut) -> str:
    if not left_out.n: return "no image was given: the list on stdin is empty"
    return f"none of {plural(left_out.n, 'image')} could be read: {left_out.first}" if left_out.n > 1 else f"{left_out.first}: no image could be read"


# -- which images

def images_of(words: Sequence[str], left_out: LeftOut) -> Iterable[str]:
    """The paths that `words` mean, in their order: folders with all images below them, sorted.

    A list of them, or with `-` among the words an iterable that reads stdin when its turn comes. What is not there is `left_out`, if
    anything is.
    """
    if "-" in words: return chain_of(words, left_out)
    found = [(w, list(expand(w))) for w in words]
    if not any(paths for _, paths in found):
        raise UserError(f"no image is given: {words[0] or repr('')} ({why_none(words[0])}){nearest(words[0], neighbours(Path(words[0])))}")
    for w, paths in found:
        if not paths: left_out(w, why_none(w))
    return [p for _, paths in found for p in paths]


def chain_of(words: Sequence[str], left_out: LeftOut) -> Iterator[str]:
    for w in words:
        for o in stdin_lines() if w == "-" else [w]:
            paths = list(expand(o))
            if not paths: left_out(o, why_none(o))
            yield from paths


def stdin_lines() -> Iterator[str]:
    for line in getattr(sys.stdin, "buffer", sys.stdin):
        if path := os.fsdecode(line).rstrip("\r\n"): yield path


def expand(word: str) -> list[str]:
    "The paths of one word, [] where there is nothing"
    if os.path.isdir(word): return below(word)
    if os.path.lexists(word): return [word]
    if not glob.has_magic(word): return []
    return [o for hit in sorted(glob.glob(word, recursive=True)) for o in (below(hit) if os.path.isdir(hit) else [hit])]


def below(folder: str) -> list[str]:
    try: return sorted(str(path) for _, path, _ in images_below(folder, folder))
    except OSError as e: raise UserError(f"{e.filename or folder} can't be read ({e.strerror})") from None


def why_none(word: str) -> str:
    if os.path.isdir(word): return "a folder without images"
    return "matches nothing" if glob.has_magic(word) else "not there"


# -- how they are told

def parse_to(to: str) -> tuple[str, Path | None]:
    "(format, file or None) of a --to"
    if to in FORMATS: return to, None
    file = Path(to)
    if file.suffix.lower() not in (".jsonl", ".csv"):
        raise UserError(f"--to {to} is not one of {one_of(FORMATS)}, FILE.jsonl and FILE.csv{nearest(to, FORMATS)}")
    if file.is_dir(): raise UserError(f"--to {to} is a folder: name a file in it, as {file / ('predictions' + file.suffix)}")
    return file.suffix.lower()[1:], file


def jsonl(k: int, classes: list[str], paths: Iterable[str]) -> Line:
    def line(o: "Prediction") -> str:
        found = [{"label": c, "p": round(p, 6)} for c, p in zip(o.labels, o.probabilities, strict=True)]
        return json.dumps({"path": str(o.path), "predictions": found}, ensure_ascii=False) + "\n"
    return line


def comma_separated(k: int, classes: list[str], paths: Iterable[str]) -> Line:
    "path,label,p,label_2,p_2 … with a header"
    more = [w for i in range(2, min(k, len(classes)) + 1) for w in (f"label_{i}", f"p_{i}")]
    head: list[str] | None = ["path", "label", "p", *more]

    def line(o: "Prediction") -> str:
        nonlocal head
        rows = [head] if head else []
        head, out = None, io.StringIO()
        cells = [w for c, p in zip(o.labels, o.probabilities, strict=True) for w in (c, f"{p:.6f}")]
        csv.writer(out, lineterminator="\n").writerows([*rows, [str(o.path), *cells]])
        return out.getvalue()
    return line


def table(k: int, classes: list[str], paths: Iterable[str]) -> Line:
    """Aligned columns with a header. In a pipe or a file all is there; on a terminal a long path is shortened, and there are as many classes
    as there is room for."""
    wide = max((len(visible(o)) for o in paths), default=0) if isinstance(paths, list) else WIDE
    label, k = max(5, *(len(name(c)) for c in classes)), min(k, len(classes))
    shown: Callable[[str], str] = visible
    if sys.stdout.isatty():
        wide, shown = min(wide, WIDE), tail
        k = max(1, min(k, (get_terminal_size().columns - wide + 1) // (label + 10)))  # 10: a probability and what stands between
    titles = "   ".join([f"{'class':<{label}} {'p':>6}"] * k)
    head = [f"{'image':<{wide}}  {titles}\n"]

    def line(o: "Prediction") -> str:
        cells = [f"{name(c):<{label}} {p:>6.1%}" for c, p in zip(o.labels[:k], o.probabilities[:k], strict=True)]
        first = head.pop() if head else ""
        return f"{first}{shown(visible(o.path)):<{wide}}  {'   '.join(cells)}\n"
    return line


FORMAT = {"table": table, "jsonl": jsonl, "csv": comma_separated}


def name(c: str) -> str: return visible(shorten(c))
def tail(path: str) -> str: return path if len(path) <= WIDE else "…" + path[1 - WIDE:]


@contextmanager
def output(file: Path | None) -> Iterator[Callable[[str], bool]]:
    "What takes text, and says whether more is wanted: stdout, until nobody reads it any more, or a file that is whole or not there"
    if not file:
        yield put
        return
    from ..core.files import write
    try: file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e: raise UserError(f"--to {file}: can't be written ({e.strerror})") from None
    parts: list[str] = []

    def keep(text: str) -> bool:
        parts.append(text)
        return True
    yield keep
    write(file, parts)


def put(text: str) -> bool:
    "To stdout at once; False once its reader has gone, as `head` does"
    if hasattr(sys.stdout, "reconfigure"): sys.stdout.reconfigure(errors="backslashreplace")  # names may be bytes that are no text
    try: print(text, end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at Python's end
        return False
    return True

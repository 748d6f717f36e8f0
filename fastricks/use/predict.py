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
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import UserError, nearest, one_of, plural, shorten, visible
from ..core.files import neighbours
from ..core.imports import uncollected
from ..data.sources.walk import images_below
from .saved import find_saved
from .sorting import Sorter, names_of
from .unknown import UNKNOWN, Judged, Rule, check_rule, rule_of

if TYPE_CHECKING:
    from .predictor import Prediction, Predictor

# of an answer and, where there is a rule for it, what that says
Line = Callable[["Prediction", Judged | None], str]
FORMATS = "table", "jsonl", "csv"
WIDE = 48    # letters of a path in the table
PERCENT = 6  # of a probability
BETWEEN = 3  # spaces between two columns


class Use(NamedTuple):
    "What is made of the answers"
    raw: bool = False                     # probabilities at temperature 1, not at the model's
    unknown: float | None = None          # coverage: of the sets of classes, and of images that are not unknown
    unknown_below: float | None = None    # so is one that no class has this probability for
    sort_into: str | PathLike[str] | None = None  # a folder that the images are copied into, a folder a class


PLAINLY = Use()


def predict(run: str | PathLike[str], words: Sequence[str], k: int = 3, to: str = "table", bs: int = 64,
            threads: int | None = None, device: str = "auto", use: Use = PLAINLY) -> None:
    """Print, or write, the `k` most probable classes of the images that `words` mean: files, folders, globs, `-` for a
    list on stdin.

    `use`: what else is asked for; stderr has of which temperature the probabilities are.
    What can't be read is told on stderr and left out; UserError where nothing could be.
    """
    kind, file = parse_to(to)
    check_rule(use.unknown, use.unknown_below, use.raw)
    saved = find_saved(run)
    left_out = LeftOut()
    paths = images_of(words, left_out)
    with uncollected():
        from .predictor import open_predictor
    p = open_predictor(saved, device)
    rule = rule_of(p.meta, use.unknown, use.unknown_below)
    sorter = Sorter(use.sort_into, names_of(p.classes, rule is not None)) if use.sort_into else None
    if threads:
        limit_threads(threads)
    line = FORMAT[kind](k, p.classes, paths, rule is not None)
    tally = Tally(rule)
    n = 0
    with output(file) as put:
        for rows in answers(p, paths, len(p.classes) if rule else k, bs, threads, left_out, use.raw):
            n += len(rows)
            found = [tally(o, energy, k) for o, energy in rows]
            if sorter:
                sort(sorter, found)
            if not put("".join(line(*o) for o in found)) and not sorter:
                return
        if not n:
            raise UserError(nothing(left_out))
    if file:
        print(f"written   {file}: {plural(n, 'image')}")
    if left_out.n:
        print(f"{plural(n, 'image')} predicted, {left_out.n:,} left out", file=sys.stderr)
    for said in [*([sorter.said()] if sorter else []), *tally.said(), p.calibrated(use.raw)]:
        print(said, file=sys.stderr)


def answers(p: "Predictor", paths: Iterable[str], k: int, bs: int, threads: int | None,
            left_out: "LeftOut", raw: bool) -> "Iterator[list[tuple[Prediction, float]]]":
    "Answers with their energies, some at a time"
    from ..data.pixels.image import quiet
    with quiet():
        for images, logits in p.stream(paths, bs, threads, left_out):
            found = p.named(images, p.softmax(logits, raw), k)
            yield list(zip(found, logits.double().logsumexp(1).tolist(), strict=True))


def sort(sorter: Sorter, found: "Iterable[tuple[Prediction, Judged | None]]") -> None:
    for o, judged in found:
        sorter(str(o.path), UNKNOWN if judged and judged.unknown else o.label)


class Tally:
    "Finds each image's set of classes by a Rule, and counts"
    def __init__(self, rule: Rule | None) -> None:
        self.rule = rule
        self.judged: list[Judged] = []

    def __call__(self, o: "Prediction", energy: float, k: int) -> "tuple[Prediction, Judged | None]":
        "(the answer with k classes, what the rule says: None without one)"
        if not self.rule:
            return o, None
        self.judged.append(self.rule.judge(o.labels, o.probabilities, energy))
        return o._replace(labels=o.labels[:k], probabilities=o.probabilities[:k]), self.judged[-1]

    def said(self) -> list[str]:
        if not self.rule:
            return []
        n, mean = sum(o.unknown for o in self.judged), sum(len(o.among) for o in self.judged) / len(self.judged)
        return [f"{n:,} of {plural(len(self.judged), 'image')} unknown: {self.rule.words}; sets of {mean:.2f} classes "
                "on average"]


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
    if not left_out.n:
        return "no image was given: the list on stdin is empty"
    return (f"none of {plural(left_out.n, 'image')} could be read: {left_out.first}" if left_out.n > 1
            else f"{left_out.first}: no image could be read")


# -- which images

def images_of(words: Sequence[str], left_out: LeftOut) -> Iterable[str]:
    """The paths that `words` mean, in their order: folders with all images below them, sorted.

    A list of them, or with `-` among the words an iterable that reads stdin when its turn comes. What is not there is
    `left_out`, if anything is.
    """
    if "-" in words:
        return chain_of(words, left_out)
    found = [(w, list(expand(w))) for w in words]
    if not any(paths for _, paths in found):
        raise UserError(f"no image is given: {words[0] or repr('')} "
                        f"({why_none(words[0])}){nearest(words[0], neighbours(Path(words[0])))}")
    for w, paths in found:
        if not paths:
            left_out(w, why_none(w))
    return [p for _, paths in found for p in paths]


def chain_of(words: Sequence[str], left_out: LeftOut) -> Iterator[str]:
    for w in words:
        for o in stdin_lines() if w == "-" else [w]:
            paths = list(expand(o))
            if not paths:
                left_out(o, why_none(o))
            yield from paths


def stdin_lines() -> Iterator[str]:
    for line in getattr(sys.stdin, "buffer", sys.stdin):
        if path := os.fsdecode(line).rstrip("\r\n"):
            yield path


def expand(word: str) -> list[str]:
    "The paths of one word, [] where there is nothing"
    if os.path.isdir(word):
        return below(word)
    if os.path.lexists(word):
        return [word]
    if not glob.has_magic(word):
        return []
    return [o for hit in sorted(glob.glob(word, recursive=True)) for o in (below(hit) if os.path.isdir(hit) else [hit])]


def below(folder: str) -> list[str]:
    try:
        return sorted(str(path) for _, path, _ in images_below(folder, folder))
    except OSError as e:
        raise UserError(f"{e.filename or folder} can't be read ({e.strerror})") from None


def why_none(word: str) -> str:
    if os.path.isdir(word):
        return "a folder without images"
    return "matches nothing" if glob.has_magic(word) else "not there"


# -- how they are told

def parse_to(to: str) -> tuple[str, Path | None]:
    "(format, file or None) of a --to"
    if to in FORMATS:
        return to, None
    file = Path(to)
    if file.suffix.lower() not in (".jsonl", ".csv"):
        raise UserError(f"--to {to} is not one of {one_of(FORMATS)}, FILE.jsonl and FILE.csv{nearest(to, FORMATS)}")
    if file.is_dir():
        raise UserError(f"--to {to} is a folder: name a file in it, as {file / ('predictions' + file.suffix)}")
    return file.suffix.lower()[1:], file


def jsonl(k: int, classes: list[str], paths: Iterable[str], ruled: bool = False) -> Line:
    def line(o: "Prediction", judged: Judged | None) -> str:
        found = [{"label": c, "p": round(p, 6)} for c, p in zip(o.labels, o.probabilities, strict=True)]
        more = {} if judged is None else {"unknown": judged.unknown, "set": judged.among}
        return json.dumps({"path": str(o.path), "predictions": found, **more}, ensure_ascii=False) + "\n"
    return line


def comma_separated(k: int, classes: list[str], paths: Iterable[str], ruled: bool = False) -> Line:
    "path,label,p,label_2,p_2 … with a header; with a rule also unknown (true, false) and set (a JSON list)"
    more = [w for i in range(2, min(k, len(classes)) + 1) for w in (f"label_{i}", f"p_{i}")]
    head: list[str] | None = ["path", "label", "p", *more]

    def line(o: "Prediction", judged: Judged | None) -> str:
        nonlocal head
        own = {} if judged is None else {"unknown": json.dumps(judged.unknown),
                                         "set": json.dumps(judged.among, ensure_ascii=False)}
        rows = [[*head, *own]] if head else []
        head, out = None, io.StringIO()
        cells = [w for c, p in zip(o.labels, o.probabilities, strict=True) for w in (c, f"{p:.6f}")]
        csv.writer(out, lineterminator="\n").writerows([*rows, [str(o.path), *cells, *own.values()]])
        return out.getvalue()
    return line


def table(k: int, classes: list[str], paths: Iterable[str], ruled: bool = False) -> Line:
    """Aligned columns with a header. In a pipe or a file all is there.

    On a terminal a long path is shortened, and there are as many classes as there is room for.
    """
    wide = max((len(visible(o)) for o in paths), default=0) if isinstance(paths, list) else WIDE
    label, k = max(5, *(len(name(c)) for c in classes)), min(k, len(classes))
    shown: Callable[[str], str] = visible
    gap, rule = " " * BETWEEN, len(UNKNOWN) if ruled else 0
    if sys.stdout.isatty():
        wide, shown = min(wide, WIDE), tail
        room = get_terminal_size().columns - wide + 1 - (rule and rule + BETWEEN)
        k = max(1, min(k, room // (label + PERCENT + 1 + BETWEEN)))
    titles = gap.join([" " * rule] * ruled + [f"{'class':<{label}} {'p':>{PERCENT}}"] * k)
    head = [f"{'image':<{wide}}  {titles}\n"]

    def line(o: "Prediction", judged: Judged | None) -> str:
        own = [f"{UNKNOWN if judged and judged.unknown else '':<{rule}}"] if ruled else []
        cells = [f"{name(c):<{label}} {p:>{PERCENT}.1%}"
                 for c, p in zip(o.labels[:k], o.probabilities[:k], strict=True)]
        first = head.pop() if head else ""
        return f"{first}{shown(visible(o.path)):<{wide}}  {gap.join([*own, *cells])}\n"
    return line


FORMAT = {"table": table, "jsonl": jsonl, "csv": comma_separated}


def name(c: str) -> str: return visible(shorten(c))
def tail(path: str) -> str: return path if len(path) <= WIDE else "…" + path[1 - WIDE:]


@contextmanager
def output(file: Path | None) -> Iterator[Callable[[str], bool]]:
    """What takes text, and says whether more is wanted: stdout, until nobody reads it any more, or a file that is whole
    or not there
    """
    if not file:
        yield put
        return
    from ..core.files import write
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"--to {file}: can't be written ({e.strerror})") from None
    parts: list[str] = []

    def keep(text: str) -> bool:
        parts.append(text)
        return True
    yield keep
    write(file, parts)


def put(text: str) -> bool:
    "To stdout at once; False once its reader has gone, as `head` does"
    # names may be bytes that are no text
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at Python's end
        return False
    return True

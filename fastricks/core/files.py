"""Files of a run, which may be a stranger's."""
import csv
import errno
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from .errors import UserError

MOST_BYTES = 1 << 28  # bytes; predictions of a million images have less


def read_text(path: str | Path) -> str:
    """The text of a plain file of sensible size; ValueError or OSError for anything else: a pipe would be waited for, a
    device never end
    """
    path = Path(path)
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError(f"{path.name} is no file")
    if size > MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    return path.read_text(encoding="utf-8")


def read_json(path: str | Path) -> Any:
    "What a JSON file says; ValueError or OSError where it says nothing"
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError(f"{Path(path).name} is too deep") from None

FULL_DISK = errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    "A file that can't be written is one sentence"
    try:
        yield
    except OSError as e:
        remedy = "; make room there, or choose another place" if e.errno in FULL_DISK else ""
        raise UserError(f"{path} can't be written ({e.strerror or e}){remedy}") from e


@contextmanager
def whole_file(path: str | Path, temporary: Path | None = None) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of `path` at the end: a file is there whole or not at all.

    It lies beside `path`, or is `temporary`, on the same file system. After an error it is removed, and `path` is as it
    was.
    """
    path = Path(path)
    temporary = temporary or path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: str | Path, data: str | bytes | list[Any]) -> None:
    "Write a file whole or not at all, and to the disk. `data`: text, bytes, or a list of parts"
    path = Path(path)
    parts = data if isinstance(data, list) else [data]
    with writing(path):
        with whole_file(path) as temporary, open(temporary, "wb") as f:
            for part in parts:
                f.write(encoded(part) if isinstance(part, str) else part)
            sync_file(f)
        sync_folder(path.parent)


def append(path: str | Path, text: str) -> None:
    "Add text to a file, all of it or nothing"
    data = encoded(text)
    with writing(path):
        f = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            end = os.fstat(f).st_size
            if os.write(f, data) == len(data):
                return
            os.ftruncate(f, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(f)


def encoded(text: str) -> bytes: return text.encode(errors="backslashreplace")  # a path may hold bytes that are no text


def sync_file(f: IO[Any]) -> None:
    "What was written to an open file is on the disk"
    f.flush()
    os.fsync(f.fileno())


def sync_folder(folder: str | Path) -> None:
    """A rename outlives a power cut when the folder is on the disk too; CIFS, and many file systems in user space,
    can't do that
    """
    if os.name == "nt":
        return
    try:
        sync_opened(folder)
    except OSError as e:
        if e.errno in (*FULL_DISK, errno.EIO):
            raise


def sync_opened(folder: str | Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def to_json(obj: object) -> str: return json.dumps(obj, indent=2, ensure_ascii=False) + "\n"
def write_json(path: str | Path, obj: object) -> None: write(path, to_json(obj))


def rows_to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    if rows:
        w = csv.DictWriter(out, list(dict.fromkeys(k for r in rows for k in r)), lineterminator="\n")
        w.writeheader()
        w.writerows(rows)
    return out.getvalue()


def neighbours(path: Path) -> list[str]:
    "What lies beside `path`, which the user may have meant: a thousand at most, without hidden ones"
    try:
        return [str(o) for o in islice(path.parent.iterdir(), 1000) if not o.name.startswith(".")]
    except (OSError, ValueError):
        return []

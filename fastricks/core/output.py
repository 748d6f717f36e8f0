"""stdout and stderr that last: no letter and no lost reader ends what takes hours. Light."""
import os
import sys
from contextlib import suppress
from shutil import get_terminal_size
from textwrap import fill


class Lasting:
    """A text stream that goes on without its reader: what a closed pipe or terminal, or a full disk, can't take is
    dropped
    """
    def __init__(self, stream): self.stream = stream
    def __getattr__(self, name): return getattr(self.stream, name)

    def write(self, text):
        self.attempt(self.stream.write, text)
        return len(text)

    def writelines(self, lines): self.write("".join(lines))
    def flush(self): self.attempt(self.stream.flush)

    def attempt(self, f, *args):
        try:
            f(*args)
        except (OSError, ValueError) as e:
            if isinstance(e, ValueError) and not self.stream.closed:
                raise
            self.lose()

    def lose(self):
        "What waits in the stream's buffer, and what comes, goes nowhere, at Python's end too"
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


class Erasing:
    "A text stream that takes a passing line off the terminal before it writes anything, once"
    def __init__(self, stream, erase): self.stream, self.erase = stream, erase
    def __getattr__(self, name): return getattr(self.stream, name)

    def write(self, text):
        self.erase()
        return self.stream.write(text)

    def writelines(self, lines): self.write("".join(lines))


def tell(line, indent=2):
    """Print a line; on a terminal that is too narrow for it, in several that end between words. Commands and paths are
    better printed whole
    """
    print(folded_line(str(line), indent) if sys.stdout.isatty() else line)


def folded_line(line, indent=2):
    width = get_terminal_size().columns
    if len(line) <= width:
        return line
    return fill(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def announce(line):
    """Say something at once, on a terminal, until there is more to say: the line goes as soon as anything is written.

    For the seconds that imports take. Where stderr is no terminal nothing is said.
    """
    err = sys.stderr
    if err is None or sys.stdout is None or not err.isatty():
        return
    there = True

    def erase():
        nonlocal there
        if there:
            err.write("\r\x1b[2K")
        if there:
            err.flush()
        there = False
    err.write(line)
    err.flush()
    sys.stdout, sys.stderr = Erasing(sys.stdout, erase), Erasing(err, erase)


def write_any_letter():
    "A letter that the encoding of stdout or stderr lacks, as Windows' cp1252 lacks Δ, is written as its number"
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def outlive_readers():
    "From now on this process goes on without whoever reads its stdout and stderr"
    write_any_letter()
    sys.stdout, sys.stderr = (o if o is None or isinstance(o, Lasting) else Lasting(o)
                              for o in (sys.stdout, sys.stderr))

"""stdout and stderr that last: no letter and no lost reader ends what takes hours. Light."""
import os
import sys
from contextlib import suppress


class Lasting:
    "A text stream that goes on without its reader: what a closed pipe or terminal, or a full disk, can't take is dropped"
    def __init__(self, stream): self.stream = stream
    def __getattr__(self, name): return getattr(self.stream, name)

    def write(self, text):
        self.attempt(self.stream.write, text)
        return len(text)

    def writelines(self, lines): self.write("".join(lines))
    def flush(self): self.attempt(self.stream.flush)

    def attempt(self, f, *args):
        try: f(*args)
        except (OSError, ValueError) as e:
            if isinstance(e, ValueError) and not self.stream.closed: raise
            self.lose()

    def lose(self):
        "What waits in the stream's buffer, and what comes, goes nowhere, at Python's end too"
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


def write_any_letter():
    "A letter that the encoding of stdout or stderr lacks, as Windows' cp1252 lacks Δ, is written as its number"
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"): stream.reconfigure(errors="backslashreplace")


def outlive_readers():
    "From now on this process goes on without whoever reads its stdout and stderr"
    write_any_letter()
    sys.stdout, sys.stderr = (o if o is None or isinstance(o, Lasting) else Lasting(o) for o in (sys.stdout, sys.stderr))

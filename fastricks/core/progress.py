"""How far work is and how long it will take: a passing line on a terminal, a line every half minute in a pipe or a log.
Light.
"""
import sys
import time

from .words import duration, silent

EVERY = 30.    # seconds between two lines where there is no terminal
REDRAW = .25   # and between two drawings where there is one


class Pace:
    "The time that is left, by the time that the work so far took. `clock` gives seconds"
    def __init__(self, total, clock=time.monotonic):
        self.total, self.done, self.clock = total, 0, clock
        self.start = self.last = clock()

    def step(self, n=1): self.done += n

    @property
    def left(self):
        "Seconds, None before there is anything to go by"
        if not self.done:
            return None
        return (self.clock() - self.start) * max(self.total - self.done, 0) / self.done

    @property
    def left_text(self): return "" if self.left is None else f"about {duration(self.left)} left"

    def due(self, seconds):
        "Have so many seconds passed since the start, or since this was last true?"
        now = self.clock()
        if now - self.last < seconds:
            return False
        self.last = now
        return True


class Progress:
    """A context that tells how far `what` is, of `total` things: `step()` after each.

    On a terminal (`stream`) a line is drawn over and over, and is gone at the end; elsewhere `say` gets one every
    `EVERY` seconds. `draws`: which of both, whatever the stream is.
    """
    def __init__(self, what, total, unit, say=print, stream=None, draws=None, clock=time.monotonic):
        self.what, self.unit, self.say, self.pace = what, unit, say, Pace(total, clock)
        self.stream = stream or sys.stderr
        self.draws = (say is not silent and self.stream is not None
                      and self.stream.isatty()) if draws is None else draws

    def __enter__(self): return self
    def __exit__(self, *_): self.clear()

    def step(self, n=1):
        self.pace.step(n)
        if not self.pace.due(REDRAW if self.draws else EVERY):
            return
        if self.draws:
            self.draw(self.line)
        else:
            self.say(self.line)

    def over(self, things):
        "The things, each counted when the next is asked for"
        for o in things:
            yield o
            self.step()

    @property
    def line(self): return f"{self.what}: {self.pace.done:,} of {self.pace.total:,} {self.unit}, {self.pace.left_text}"

    def draw(self, text):
        "In the terminal's line, whose next writer writes over it"
        self.stream.write(f"\r\x1b[2K{text}\r")
        self.stream.flush()

    def clear(self):
        if self.draws:
            self.draw("")

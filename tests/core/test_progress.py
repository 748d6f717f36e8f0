"""What is said of work under way."""
import io

from fastricks.core.progress import Pace, Progress
from fastricks.core.words import silent


class Clock:
    "Seconds that pass when they are told to"
    def __init__(self): self.now = 0.
    def __call__(self): return self.now


class Terminal(io.StringIO):
    def isatty(self): return True


def worked(seconds, stream, say, total=100, **how):
    "What 100 steps of so many seconds each leave"
    clock = Clock()
    with Progress("decoding", total, "photos", say, stream, clock=clock, **how) as p:
        for _ in range(total):
            clock.now += seconds
            p.step()


def test_in_a_pipe_there_is_a_line_every_half_minute_with_the_time_left():
    said, stream = [], io.StringIO()
    worked(1., stream, said.append)
    assert said == [f"decoding: {n} of 100 photos, about {100 - n} s left"
                    for n in (30, 60)] + ["decoding: 90 of 100 photos, about 10 s left"]
    assert not stream.getvalue()


def test_short_work_says_nothing_in_a_pipe():
    said = []
    worked(.1, io.StringIO(), said.append)
    assert said == []


def test_a_terminal_has_one_line_that_is_gone_at_the_end():
    said, stream = [], Terminal()
    worked(1., stream, said.append)
    drawn = stream.getvalue()
    assert said == [] and "\n" not in drawn and "decoding: 50 of 100 photos, about 50 s left" in drawn
    assert drawn.endswith("\r\x1b[2K\r")


def test_who_says_nothing_draws_nothing():
    stream = Terminal()
    worked(1., stream, silent)
    worked(1., stream, silent, draws=False)
    assert stream.getvalue() == ""


def test_the_pace_of_no_step_is_unknown():
    assert Pace(10).left is None and Pace(10).left_text == ""


def test_things_are_counted_as_they_are_taken():
    with Progress("decoding", 3, "photos", silent, io.StringIO()) as p:
        assert [*p.over("abc")] == [*"abc"] and p.pace.done == 3

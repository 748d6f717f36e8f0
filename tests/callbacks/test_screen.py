"""The epochs as a terminal and a pipe show them."""
import io
import re

import pytest
from rich.console import Console
from support.small import fit, learner

from fastricks.callbacks.screen import Screen, counting
from fastricks.core import progress


def shown(monkeypatch, terminal, every=30.):
    "(what a small training's Screen shows, its log)"
    monkeypatch.setattr(progress, "EVERY", every)
    out, log = io.StringIO(), []
    screen = Screen(Console(file=out, force_terminal=terminal, width=80, highlight=False), log.append)
    learn = fit(*learner(cbs=[screen]))
    learn.get_preds(dl=learn.dls.valid, cbs=counting(learn, "evaluation", len(learn.dls.valid)))
    return out.getvalue(), log


def test_a_pipe_has_rows_and_lines_with_the_time_left_of_the_whole_training(monkeypatch):
    out, log = shown(monkeypatch, False, every=0.)
    assert out.splitlines() == log and "\x1b" not in out
    assert re.search(r"^epoch 1 of 2, batch 1 of 5: about .* left$", out,
                     re.M) and re.search(r"^epoch 2 of 2, validation: about .* left$", out, re.M)
    assert re.search(r"^evaluation: 1 of 1 batches, about .* left$", out, re.M)


def test_a_short_training_has_its_rows_alone(monkeypatch):
    out, _ = shown(monkeypatch, False)
    assert [line.split()[0] for line in out.splitlines()] == ["epoch", "1", "2"]


def test_a_terminal_has_a_bar_that_is_gone_at_the_end(monkeypatch):
    out, log = shown(monkeypatch, True)
    assert "validation" in out and re.search("about .* left", out) and len(log) == 3
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") > 0  # the cursor is back


@pytest.mark.parametrize("selection, lrs", [(("step:at=.5",), [1e-3, 1e-4]), (("cosine",), None)])
def test_the_rate_of_an_epoch_is_the_mean_of_its_steps(selection, lrs):
    learn = fit(*learner(*selection, lr=1e-3))
    got, rates = [r["lr"] for r in learn.history.rows], learn.recorder.hps["lr"]
    assert got == pytest.approx([sum(rates[:5]) / 5, sum(rates[5:]) / 5])
    assert lrs is None or got == lrs  # equal rates: that rate, to the last bit

"""Loader processes that are not forked: macOS, Windows, Python 3.14."""
import pickle

import pytest
from support.small import learner, recipe_of, trained

from fastricks.data.loader import sturdy
from fastricks.data.loader.sturdy import Losses


@pytest.mark.parametrize("pipeline", ["fast", "reference"])
def test_a_loader_can_be_sent_to_a_process(pipeline):
    learn, _ = learner(pipeline=pipeline)
    learn.dls.losses.say = learn.dls.losses.then = lambda o: None  # as a training has it
    there = pickle.loads(pickle.dumps(learn.dls.train.fake_l)).d
    assert len(there.dataset) == len(learn.dls.train.dataset) and there.losses.then is None


def test_what_was_lost_goes_along():
    losses = Losses()
    losses.add([("a.jpg", "truncated")])
    assert pickle.loads(pickle.dumps(losses)).found == {"a.jpg": "truncated"}


def test_what_cannot_be_sent_is_loaded_in_this_process(monkeypatch, capfd):
    def unsent(_): raise AttributeError("Can't get local object 'main.<locals>.f'")
    monkeypatch.setattr(sturdy, "processes", unsent)
    assert len(trained(workers=2, epochs=1).history.rows) == recipe_of(epochs=1).epochs
    assert "a DataLoader worker died (Can't get local object" in capfd.readouterr().err

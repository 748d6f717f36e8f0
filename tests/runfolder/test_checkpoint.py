"""Checkpoint files: what comes back is what went in, what is damaged is noticed, and two generations stand whatever
happens.
"""
import json
import random

import pytest
import torch
from safetensors import safe_open
from support.forked import forked
from support.small import learner

from fastricks.callbacks import checkpoint as room
from fastricks.callbacks.checkpoint import Checkpoint
from fastricks.runfolder import checkpoint
from fastricks.runfolder.checkpoint import SLOTS, load_checkpoint, newest, save_checkpoint


def tree(seed=0, n=64):
    g = torch.Generator().manual_seed(seed)
    w = torch.randn(4, 3, 3, 3, generator=g).to(memory_format=torch.channels_last)
    return {"epoch": 2, "batch": seed, "model": {"w": w, "tied": w, "half": w[:2].bfloat16(), "n": torch.tensor(3)},
            "big": torch.randn(n, generator=g), "none": None, "best": -float("inf"), "words": ["a", "γ", {"b": True}],
            "x": .1 + .2}


def equal(a, b):
    if isinstance(a, torch.Tensor): return torch.equal(a, b) and a.dtype == b.dtype and a.stride() == b.stride()
    if isinstance(a, dict): return all(equal(v, b[k]) for k, v in a.items())
    if isinstance(a, list): return len(a) == len(b) and all(map(equal, a, b))
    return a == b and type(a) is type(b)


def test_all_comes_back_bit_for_bit_in_its_memory_format(tmp_path):
    save_checkpoint(tmp_path, tree(), 1)
    got = load_checkpoint(tmp_path / SLOTS[1])
    assert equal(tree(), got) and got["generation"] == 1
    assert not got["model"]["w"].is_contiguous() and got["model"]["w"].data_ptr() != got["model"]["tied"].data_ptr()


def test_it_is_a_safetensors_file_and_nothing_else(tmp_path):
    save_checkpoint(tmp_path, tree(), 0)
    with safe_open(tmp_path / SLOTS[0], "pt") as f:
        assert torch.equal(f.get_tensor("/big"),
                           tree()["big"]) and json.loads(f.metadata()["fastricks"])["x"] == .1 + .2


def test_what_can_not_be_kept_is_an_error_at_once(tmp_path):
    with pytest.raises(TypeError, match="/model/it, a object"):
        save_checkpoint(tmp_path, {"model": {"it": object()}}, 0)
    assert not list(tmp_path.iterdir())


def test_two_generations_in_turns(tmp_path):
    for n in range(1, 6):
        save_checkpoint(tmp_path, tree(n), n)
        assert newest(tmp_path)[0]["generation"] == n
        if n > 1: assert load_checkpoint(tmp_path / SLOTS[(n - 1) % 2])["generation"] == n - 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(SLOTS)
    for slot in checkpoint.SLOTS: (tmp_path / slot).unlink(missing_ok=True)
    assert newest(tmp_path) == (None, [])


def test_damage_at_a_thousand_places_is_noticed_and_the_generation_before_is_used(tmp_path):
    "A byte flipped, the end cut, a byte put in or taken out: all over the file, header and hash and padding among it"
    for n in (1, 2): save_checkpoint(tmp_path, tree(n), n)
    whole, draw, old = (tmp_path / SLOTS[0]).read_bytes(), random.Random(0), tree(1)
    places = [*range(400), *(draw.randrange(len(whole)) for _ in range(600))]
    for k, i in enumerate(places):
        flipped = bytes([whole[i] ^ 1 << draw.randrange(8)])
        before, after = whole[:i], whole[i + 1:]
        damaged = [before + flipped + after, before, before + b" " + whole[i:], before + after]
        (tmp_path / SLOTS[0]).write_bytes(damaged[k % 4 if k >= 400 else k % 2])
        state, wrong = newest(tmp_path)
        assert len(wrong) == 1 and SLOTS[0] in wrong[0] and state["generation"] == 1, i
        if k % 100 == 0: assert equal(old, state)
    (tmp_path / SLOTS[1]).write_bytes(b"")
    assert newest(tmp_path)[0] is None and len(newest(tmp_path)[1]) == 2




@pytest.mark.slow
def test_killed_while_it_writes(tmp_path):
    "SIGKILL to processes that do nothing but save: whatever was said to be saved is there, whole"
    r = forked("import sys\nfrom pathlib import Path\nfrom support.savers import main\nmain(Path(sys.argv[1]))",
               tmp_path)
    assert r.returncode == 0, r.stderr
    assert r.stdout == "40 kills\n"


# -- when one is due

class Clock:
    now = 100.
    def monotonic(self): return self.now


def timed(monkeypatch, writing, epoch, steps, epochs, every=None):
    "Times at which a training of so many steps of so many seconds saves, when that takes `writing` seconds"
    clock, saved = Clock(), []
    monkeypatch.setattr(room, "time", clock)
    monkeypatch.setattr(room, "learner_state", lambda *a: None)
    monkeypatch.setattr(room, "is_finite_model", lambda m: True)
    learn, _ = learner()

    def write(_):
        saved.append(round(clock.now - 100))
        clock.now += writing
    cb = Checkpoint(write, every)
    learn.add_cb(cb)
    cb.before_fit()
    learn.training = True
    for learn.epoch in range(epochs):
        cb.before_train()
        for learn.iter in range(steps):
            cb.before_batch()
            clock.now += epoch / steps
            cb.after_step()
            cb.after_batch()
        cb.after_epoch()
    return saved


def test_due_at_each_epochs_end(monkeypatch): assert timed(monkeypatch, .1, 60, 10, 4) == [60, 120, 180, 240]
def test_due_every_five_minutes(monkeypatch): assert timed(monkeypatch, .1, 1000, 100, 1) == [300, 600, 900, 1000]


def test_not_before_a_hundred_times_the_last_ones_time(monkeypatch):
    "Epochs of 10 s and checkpoints of 1 s: the first when it may, then one in 100 s, so 1% of the time"
    saved = timed(monkeypatch, 1., 10, 5, 60)
    assert saved == [10, 111, 212, 313, 414, 515]


def test_an_asked_for_time_is_what_counts(monkeypatch):
    assert timed(monkeypatch, 1., 10, 5, 6, every=0)[:3] == [2, 5, 8]
    assert timed(monkeypatch, 1., 10, 5, 6, every=25) == [26, 53]


def test_weights_that_are_not_finite_are_never_saved():
    saved = []
    learn, _ = learner()
    cb = Checkpoint(saved.append)
    learn.add_cb(cb)
    with torch.no_grad(): next(learn.model.parameters())[0, 0, 0, 0] = float("nan")
    cb.write(0, 1)
    assert not saved

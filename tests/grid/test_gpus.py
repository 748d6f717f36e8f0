"""Trainings at once on several GPUs, which are emulated: which one each of them sees."""
import os
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from support.small import recipe_of

from fastricks.core.machine import gpus
from fastricks.grid import cells, grid
from fastricks.grid.grid import shared_gpus


@dataclass(frozen=True)
class SimpleRow:
    recipe: object


class Children:
    """A multiprocessing context whose processes only say what they were given; `ended`: how often each is asked before
    it is dead
    """
    def __init__(self): self.seen = []

    def Process(self, target, args):
        note = lambda: self.seen.append((args[-1], os.environ.get("CUDA_VISIBLE_DEVICES")))
        return SimpleNamespace(start=note, is_alive=lambda: False, join=lambda: None, terminate=lambda: None,
                               exitcode=0)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    children = Children()
    monkeypatch.setattr(cells, "context", lambda wandb=True: children)
    monkeypatch.setattr(cells, "finish_cell", lambda cell, process: cell)
    return children


def cells_on(device, n):
    recipe = recipe_of(device=device)
    return [cells.Cell(SimpleNamespace(name="baseline"), seed, recipe, f"id{seed}") for seed in range(n)]


def test_each_training_at_once_has_a_gpu_of_its_own(two_gpus):
    cells.train_cells(cells_on("cuda", 4), jobs=2)
    assert two_gpus.seen == [("0", "0"), ("1", "1")] * 2 and "CUDA_VISIBLE_DEVICES" not in os.environ


def test_of_those_that_this_process_may_use(two_gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-7e")
    assert gpus() == ["3", "GPU-7e"]
    cells.train_cells(cells_on("cuda", 2), jobs=2)
    assert two_gpus.seen == [("3", "3"), ("GPU-7e", "GPU-7e")] and os.environ["CUDA_VISIBLE_DEVICES"] == "3,GPU-7e"


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_none_is_given_where_none_is_wanted_or_one_was_named(two_gpus, device):
    cells.train_cells(cells_on(device, 2), jobs=2)
    assert two_gpus.seen == [(None, None)] * 2


def test_a_shared_gpu_is_said(two_gpus):
    assert shared_gpus(4, "cuda") == "4 trainings at once on 2 GPUs: some share one"
    assert shared_gpus(2, "cuda:1") and not shared_gpus(2, "cuda") and not shared_gpus(4, "cpu")
    assert not shared_gpus(1, "cuda:1")


def test_trainings_at_once_on_gpus_share_the_cores_out(two_gpus, monkeypatch):
    monkeypatch.setattr(grid, "threads_each", lambda: 16)
    threads = lambda jobs, **given: [row.recipe.threads
                                     for row in grid.with_threads([SimpleRow(recipe_of(**given))], jobs)]
    assert threads(4, device="cuda", threads=None) == [4] and threads(40, device="cuda", threads=None) == [1]
    assert threads(4, device="cuda", threads=3) == [3] and threads(1, device="cuda", threads=None) == [None]
    assert threads(4, device="cpu", threads=None) == [None]  # a CPU's weights depend on its threads

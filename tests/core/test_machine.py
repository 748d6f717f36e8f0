"""Cores, threads and devices, on machines that are emulated."""
import math
import os

import pytest

from fastricks.core import machine
from fastricks.core.errors import UserError
from fastricks.recipe.identity import identity
from fastricks.recipe.recipe import resolve


@pytest.fixture
def cgroups(monkeypatch, tmp_path):
    "The place of control groups, empty, and a function that writes what this process's are and one file of theirs"
    def write(own, file, text):
        (tmp_path / "own").write_text(own)
        (tmp_path / "fs" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / file).write_text(text)
    monkeypatch.setattr(machine, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(machine, "affinity", lambda: 64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return write


V1 = "5:memory:/docker/a1\n4:cpu,cpuacct:/docker/a1\n1:name=systemd:/docker/a1\n0::/docker/a1\n"


@pytest.mark.parametrize("own, file, text, cores", [
    ("0::/\n", "cpu.max", "200000 100000\n", 2),                     # a container of its own
    ("0::/\n", "cpu.max", "150000 100000\n", 2),                     # docker --cpus 1.5
    ("0::/\n", "cpu.max", "50000 100000\n", 1),
    ("0::/\n", "cpu.max", "max 100000\n", 64),
    ("0::/\n", "cpu.max", "rubbish", 64),
    # systemd-run -p CPUQuota=400%
    ("0::/user.slice/run-1.scope\n", "user.slice/run-1.scope/cpu.max", "400000 100000\n", 4),
    ("0::/user.slice/run-1.scope\n", "user.slice/cpu.max", "300000 100000\n", 3),              # of the group above
    (V1, "cpu,cpuacct/docker/a1/cpu.cfs_quota_us", "200000", 2),
    # the container sees its own group alone, the path is the host's
    (V1, "cpu/cpu.cfs_quota_us", "200000", 2),
    (V1, "cpu/cpu.cfs_quota_us", "-1", 64),
    (V1, "memory/docker/a1/cpu.max", "100000 100000", 64),
])
def test_a_containers_share_of_time_limits_the_cores(cgroups, own, file, text, cores):
    cgroups(own, file, text)
    if "cfs_quota" in file: cgroups(own, file.replace("quota", "period"), "100000\n")
    assert machine.cores() == machine.threads_each() == cores


def test_no_file_of_quotas_is_no_limit(cgroups): assert machine.quota() == math.inf and machine.cores() == 64


def test_no_more_cores_than_the_affinity_has(cgroups, monkeypatch):
    monkeypatch.setattr(machine, "affinity", lambda: 2)
    cgroups("0::/\n", "cpu.max", "800000 100000\n")
    assert machine.cores() == 2


@pytest.mark.parametrize("said, threads", [("4", 4), ("1", 1), ("4,2", 4), ("500", 64), ("", 64), ("x", 64), ("0", 64)])
def test_omp_num_threads_counts(cgroups, monkeypatch, said, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert (machine.threads_each(), machine.cores()) == (threads, 64)


@pytest.mark.parametrize("said, threads", [("1", 16), ("3", 3)])
def test_torchruns_own_omp_num_threads_is_nobodys_word(cgroups, monkeypatch, said, threads):
    ranks = {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "1",
             "OMP_NUM_THREADS": said}
    for k, v in ranks.items(): monkeypatch.setenv(k, v)
    assert machine.threads_each() == threads


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_the_affinity_is_this_process_s(): assert machine.affinity() == len(os.sched_getaffinity(0))


@pytest.fixture
def two_gpus(monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_one_of_several_gpus_can_be_named(two_gpus):
    assert machine.pick_device("cuda:1") == "cuda:1"
    with pytest.raises(UserError, match="cuda:2: torch sees no such device here"): machine.pick_device("cuda:2")


def test_which_gpu_it_was_is_no_other_training():
    device = lambda name: identity(resolve({"device": name}), "data")
    assert device("cuda:1") == device("cuda:0") == device("cuda") != device("cpu")


@pytest.mark.parametrize("device", ["cuda:", "cuda:x", "cpu:1", "gpu"])
def test_a_device_that_is_none_is_one_sentence(device):
    with pytest.raises(UserError, match="is not one of"): resolve({"device": device})

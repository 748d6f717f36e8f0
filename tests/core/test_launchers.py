"""A command that a cluster's launcher starts several times, which is emulated by what it leaves in the environment."""
import pytest
from support.small import recipe_of

from fastricks.core.errors import UserError
from fastricks.core.ranks import ALL_TASKS, times_started
from fastricks.training.settle import settle_machine

TORCHRUN = {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


@pytest.mark.parametrize("env, found", [
    ({}, (1, "")), ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, (1, "")),
    ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, (1, "")),                                   # the batch script itself
    ({"SLURM_NTASKS": "4", "SLURM_PROCID": "1"}, (4, "srun")),
    ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}, (4, "srun")),
    ({"OMPI_COMM_WORLD_SIZE": "2"}, (2, "mpirun")), ({"PMI_SIZE": "3"}, (3, "mpirun")), ({"PMI_SIZE": "many"}, (1, "")),
    ({"SLURM_STEP_NUM_TASKS": "2", **TORCHRUN}, (1, "")),                                    # a torchrun a node
    ({"SLURM_STEP_NUM_TASKS": "4", "WANDB_SWEEP_ID": "x"}, (1, ""))])
def test_how_often_a_launcher_started_this(monkeypatch, env, found):
    for k in ALL_TASKS: monkeypatch.delenv(k, raising=False)
    for k, v in env.items(): monkeypatch.setenv(k, v)
    n, by = times_started()
    assert (n, by if n > 1 else "") == found


def test_four_copies_of_a_training_are_refused(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(UserError, match=r"srun started this 4 times, .*: let it start one task a node, and that "
                                        r"torchrun"):
        settle_machine(recipe_of())
    assert settle_machine(recipe_of(name="mine")).device == "cpu"

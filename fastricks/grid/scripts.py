"""An ablation as a W&B sweep file or a Slurm job array."""
import shlex
from pathlib import Path

from ..core.files import write
from ..recipe.command import grid_words, trick_text


def sweep_file(rows, seeds, given, path):
    "The same grid for W&B's agents: a sweep.yaml whose every run is one `fastricks train`"
    import yaml
    sweep = {"name": f"ablate {Path(rows[0].recipe.data).name}", "method": "grid",
             "metric": {"name": "test/accuracy", "goal": "maximize"},
             "parameters": {"tricks": {"values": [whole_selection(r.recipe) for r in rows]},
                            "seed": {"values": list(seeds)}},
             "command": ["${env}", *grid_words(rows, given), "${args}"]}
    write(path, yaml.safe_dump(sweep, sort_keys=False))
    return path


def slurm_script(rows, seeds, given):
    """The same grid as a SLURM array: a task a run, seed by seed; queued again, what was stopped goes on and what is
    finished stays
    """
    recipe, n, words = rows[0].recipe, len(rows), grid_words(rows, given)
    cpus = recipe.threads or 4
    if not recipe.threads:
        words += ["--threads", str(cpus)]
    gpu = ["#SBATCH --gpus-per-task=1"] if recipe.device != "cpu" else []
    return ["#!/bin/bash", "#SBATCH --job-name=fastricks", f"#SBATCH --array=0-{n * len(seeds) - 1}",
            "#SBATCH --ntasks=1",
            f"#SBATCH --cpus-per-task={cpus}", *gpu, "#SBATCH --requeue", "#SBATCH --signal=TERM@60",
            f"tricks=({' '.join(shlex.quote(whole_selection(r.recipe)) for r in rows)})",
            f"seeds=({' '.join(map(str, seeds))})",
            f'srun {shlex.join(words)} --tricks "${{tricks[SLURM_ARRAY_TASK_ID % {n}]}}" '
            f'--seed "${{seeds[SLURM_ARRAY_TASK_ID / {n}]}}" --resume']


def whole_selection(recipe):
    "The whole of a recipe's tricks as one -t text, whatever recipe it is put on"
    return "+".join(["none", *(trick_text(t) for t in recipe.make_tricks())])

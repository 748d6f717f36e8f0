"""The cells of a grid as Ray tasks, on this machine's own Ray or on a cluster's."""
import json
import os
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..core import stop
from ..core.errors import UserError, first_line
from ..recipe import own
from ..recipe.recipe import Recipe, recorded_fields, settle_fields
from ..recipe.registry import adopt

CELL_TRIES = 3       # times that a cell whose worker or node was lost is begun again
PATIENCE = 60   # seconds that trainings have to save when the grid is stopped


def address_of(on):
    "What --on says: None for this machine's own Ray, else where a cluster is"
    kind, _, address = on.partition(":")
    if kind != "ray":
        raise UserError(f"--on {on}: give ray, or ray:ADDRESS of a cluster")
    return address or None


def connect(address):
    """(the module ray, connected, whether a session was begun here): one that runs already is the user's, and is left
    running
    """
    try:
        import ray
    except ImportError:
        raise UserError("--on ray needs Ray: pip install 'ray>=2.40'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if ray.is_initialized():
        return ray, False
    try:
        ray.init(address, log_to_driver=False, logging_level="error",
                 **({} if address else {"include_dashboard": False}))
    except Exception as e:
        where = f"ray:{address}" if address else "ray"
        raise UserError(f"--on {where}: no Ray answers ({first_line(e)})") from None
    return ray, True


def needs(recipe): return {"num_cpus": recipe.threads, "num_gpus": int(recipe.device.startswith("cuda"))}


def tasks_that_fit(ray, recipe):
    "How many trainings the cluster takes at once"
    there, one = ray.cluster_resources(), needs(recipe)
    n = [int(there.get(k, 0) // v) for k, v in (("CPU", one["num_cpus"]), ("GPU", one["num_gpus"])) if v]
    if min(n) < 1:
        raise UserError(f"no node of this Ray has {one['num_cpus']} CPUs{' and a GPU' if one['num_gpus'] else ''}: "
                        "try --threads 1")
    return min(n)


def train_cells_on_ray(cells, address, group=None, on_done=lambda cell: None, go_on=lambda cell: True):
    """`cells.train_cells` as Ray tasks, as many at once as there is room for; a lost worker's or node's cell is begun
    again, from its last checkpoint where --out is a folder that all nodes see. Elsewhere a finished run's files are
    sent back."""
    todo, running = [c for c in cells if c.state == "todo"], {}
    if not todo:
        return cells
    ray, ours = connect(address)
    most = tasks_that_fit(ray, todo[0].recipe)
    with marked(todo[0].recipe.out) as mark, stop.listening(), stop.held(), tasks_ended_with_us(ray, running, ours):
        while todo or running:
            stop.check()
            while todo and len(running) < most:
                if not go_on(todo[0]):
                    todo = []
                    break
                cell = todo.pop(0)
                running[submit(ray, cell, group, mark)] = cell
            done, _ = ray.wait([*running], timeout=.2) if running else ([], [])
            for task in done:
                on_done(finish_task(ray, task, running.pop(task)))
    return cells


def submit(ray, cell, group, mark):
    device = cell.recipe.device.partition(":")[0]  # Ray says which GPU
    recipe = replace(cell.recipe, device=device, out=str(Path(cell.recipe.out).resolve()))
    cell.since = time.monotonic()
    task = ray.remote(train_task).options(**needs(recipe), max_retries=CELL_TRIES, name=cell.label)
    return task.remote(recipe.to_json(), cell.job_type, group, mark)


@contextmanager
def marked(out):
    "A file by which a node knows that it sees the same --out"
    mark = Path(out).resolve() / f".{secrets.token_hex(8)}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        yield str(mark)
    finally:
        mark.unlink(missing_ok=True)


@contextmanager
def tasks_ended_with_us(ray, running, ours):
    "Whatever ends the grid ends the trainings: they are told, and waited for while they save"
    try:
        yield
    finally:
        for task in running:
            ray.cancel(task)
        if running:
            ray.wait([*running], num_returns=len(running), timeout=PATIENCE)
        if ours:
            ray.shutdown()


def train_task(text, job_type, group, mark):
    """The body of a task: {folder} of the run, or its {name, files} where this node does not see --out, or the {reason}
    why there is none
    """
    from ..core.words import silent
    from ..use.train import train
    fields = json.loads(text)
    own.trust = True  # whatever files the recipe names, the ablation's own process has run them
    adopt(fields.get("trick_files", {}))
    recipe = settle_fields(Recipe(**recorded_fields(fields)))
    shared = Path(mark).exists()
    out = recipe.out if shared else tempfile.mkdtemp(prefix="fastricks-")
    try:
        with stop.listening():
            folder = train(replace(recipe, out=out), silent, job_type, group, bar=False, resume=True).folder
        if shared:
            return {"folder": str(folder)}
        return {"name": folder.name, "files": {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}}
    except UserError as e:
        return {"reason": str(e)}
    except KeyboardInterrupt:
        return {"reason": "interrupted"}
    finally:
        if not shared:
            shutil.rmtree(out, ignore_errors=True)


def finish_task(ray, task, cell):
    from .cells import look_up
    try:
        got = ray.get(task)
    except Exception as e:
        got = {"reason": f"{type(e).__name__}: {first_line(e)}"}
    if "files" in got:
        unpack_run(cell.recipe.out, got["name"], got["files"])
    look_up(cell)
    cell.state = "done" if cell.folder else "failed"
    cell.reason = "" if cell.folder else got.get("reason", "its run folder is not there")
    return cell


def unpack_run(out, name, files):
    "A run's files that were sent back, to a folder of their own; `status.json`, by which it counts, last"
    from ..core.files import write
    folder = next(f for n in range(1, 10_000) if not (f := Path(out) / (name if n == 1 else f"{name}-{n}")).exists())
    folder.mkdir(parents=True)
    for file in sorted(files, key=lambda f: f == "status.json"):
        write(folder / file, files[file])

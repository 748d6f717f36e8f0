"""Decide what machine, data and tricks decide, before anything is built."""
from dataclasses import replace
from pathlib import Path

from ..core import ranks
from ..core.errors import UserError, plural
from ..core.machine import pick_device, threads_each
from ..core.words import silent
from ..model.known import require_arch, require_tried
from ..recipe.recipe import AUTO, BY_PROBE, FIND, PLACES, at_home
from .job import Job
from .memory import readable_error


def settle_machine(recipe):
    """Write the machine's part into the recipe: device, processes and their threads, whether it can compile, and
    absolute paths
    """
    require_one(recipe)
    require_arch(recipe.arch)
    recipe = replace(recipe, **at_home({k: getattr(recipe, k) for k in PLACES}))
    device = pick_device(recipe.device)
    use_device(device)
    out = replace(
        recipe,
        device=device,
        processes=recipe.processes or ranks.world(),
        threads=recipe.threads or threads_each(),
        data=place_of_data(recipe.data),
        compile=False if recipe.compile is True and cannot_compile(device) else recipe.compile,
        weights=recipe.weights and absolute(recipe.weights),
        classes=recipe.classes and place_of_classes(recipe.classes))
    if ranks.world() > 1 or out.sync_bn:
        check_processes(out)
    return out


def require_one(recipe):
    "Tasks of a cluster that know nothing of each other would each train the same; with names of their own they may"
    n, by = ranks.times_started()
    if n > 1 and not recipe.name:
        raise UserError(
            f"{by} started this {n} times, and each would train the same by itself: let it start one task a node, "
            f"and that torchrun --nproc-per-node N -m fastricks train …; if they are {n} runs, give each its own "
            "--name")


def use_device(device):
    "What asks CUDA without a number asks the GPU that was chosen"
    if device.startswith("cuda:"):
        import torch
        torch.cuda.set_device(device)


def check_processes(recipe):
    import torch
    n = ranks.local_world()
    if recipe.device.startswith("cuda:") and n > 1:
        raise UserError(f"--device {recipe.device} is one GPU, and torchrun started {n} processes here: give --device "
                        "cuda")
    if recipe.device == "mps":
        raise UserError("--device mps trains in one process: leave out torchrun, or give --device cpu")
    if recipe.device == "cuda" and n > (there := torch.cuda.device_count()):
        raise UserError(f"{n} processes on this machine, and {plural(there, 'CUDA device')}: give torchrun "
                        f"--nproc-per-node {there}")
    if recipe.sync_bn and recipe.device != "cuda":
        raise UserError("--sync-bn needs CUDA devices, as torch has it for no other: leave it out")
    if recipe.sync_bn and recipe.processes == 1:
        raise UserError("--sync-bn changes nothing in one process: start several with torchrun --nproc-per-node N, or "
                        "leave it out")


def cannot_compile(device):
    "What to say where torch has no compiler for this device; empty where it has"
    from ..callbacks.compile import NOT_HERE
    from .by_probe import why_no_compiler
    why = why_no_compiler(device)
    return why and NOT_HERE.format(why)


def place_of_data(text):
    "A built-in name stays one, whatever lies here under it"
    from ..data.sources.registry import builtin_names
    return text if text in builtin_names() else absolute(text)


def place_of_classes(text):
    "Of a file with their names; names stay as they are"
    from ..data.sources.classes import names_file
    return absolute(text) if names_file(text) else text


def absolute(text): return str(Path(text).resolve()) if Path(text).exists() else text


def settle(recipe, room=None, source=None, check=True):
    """The Job of a recipe: machine, data, what is `auto` by a probe, tricks and learning rate are decided here, in this
    order, and nowhere else.

    `room`: what the tricks may use (see `Trick.settle`); None leaves all after the data as it was given. `source`: the
    data, where it is open already; `check=False` opens it without decoding its images. Raises UserError for what can be
    known to be wrong by now.
    """
    from ..data.checked import open_data
    from ..model.weights import open_weights
    recipe = settle_machine(recipe)
    require_tried(recipe.arch, recipe.image_size, recipe.arch_option)
    if recipe.weights:
        open_weights(recipe.weights)
    say = room.say if room else silent
    source = source or ranks.first_then_all(lambda: open_data(recipe, check, say))
    job = Job(decided(recipe, source), source)
    if room is None:
        return job
    return find_lr(settle_tricks(settle_auto(job, room.say), room), room.say, room.dry)


def decided(recipe, source):
    """What the data decided about its colours, levels and classes, written into the recipe; data that decided nothing
    is taken as 0.1.0 took it
    """
    from ..data.pixels.decoding import PLAIN
    from ..data.sources.classes import order_of
    own = {k: v for k in ("icc", "white", "xmp") if (v := getattr(recipe, k)) is not None}
    how = source.decoding or PLAIN
    return replace(recipe, **{
        "icc": how.icc,
        "white": how.white,
        "xmp": how.xmp,
        **own,
        "class_order": order_of(source.classes),
    })


def settle_auto(job, say, others=()):
    "`decide_by_probe`, where there is something to decide"
    if not any(getattr(job.recipe, k) == AUTO for k in BY_PROBE):
        return job
    from .by_probe import decide_by_probe
    return decide_by_probe(job, say, others)


def settle_tricks(job, room):
    "Let each trick decide what the machine and the data decide"
    tricks, facts = dict(job.recipe.tricks), {}
    for t in job.recipe.make_tricks():
        done, found = t.settle(job.recipe, job.source, room)
        if t.name in tricks:
            tricks[t.name] = done.keys()
        if found:
            facts[t.name] = found
    return replace(job, recipe=replace(job.recipe, tricks=tricks), facts=facts)


def find_lr(job, say, dry=False):
    "`settle_lr`, whose errors a user can read"
    from .lr_find import settle_lr
    if job.recipe.lr == FIND and not ranks.alone():
        raise UserError(
            "--lr find tries rates out in one process: find it without torchrun, then give --lr that number")
    try:
        return settle_lr(job, say, dry)
    except Exception as e:
        told = readable_error(e, job.recipe)
        raise told from (None if told is e else e)

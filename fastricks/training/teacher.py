"""Networks that a trick needs: a run, a file of weights, or an architecture that is trained once and found again."""
import os
from dataclasses import replace
from pathlib import Path

from ..core import ranks
from ..core.errors import UserError, plural
from ..recipe.recipe import settle
from ..recipe.select import select
from .job import Job


def find_network(wanted, recipe, source, room):
    """(value of its key, facts) of a network that a trick wants; an architecture is trained first where no run of it is found.

    facts: `file` of its weights, `arch`, `identity` (what the identity of the run that needs it has of it); where `room` is dry,
    an architecture's identity alone, which needs no training.
    """
    kind = wanted.kind
    if kind == "arch" and room.dry: return wanted.value, {"identity": network_identity(network_recipe(wanted, recipe), source)}
    if kind == "arch": return wanted.value, check_classes(trained(wanted, recipe, source, room), source, wanted)
    from ..model.weights import file_hash, open_weights
    path = Path(os.path.realpath(wanted.value))  # resolve() raises for a link in a circle
    file = path / "model.safetensors" if kind == "run" else path
    if not file.is_file():
        raise UserError(f"{wanted.key}={wanted.value} has no weights: " + (
            "the run did not finish" if kind == "run" else "there is no such file"))
    open_weights(file)
    facts = check_channels(facts_of(file, file_hash(file), recipe.arch), recipe, wanted)
    return str(path), check_classes(facts, source, wanted)


def facts_of(file, ident, default_arch):
    "What the weights say of themselves; those that say nothing must be of the architecture that needs it"
    from ..model.network import check_arch
    from ..model.weights import read_meta
    meta = read_meta(file)
    if "arch" in meta: check_arch(meta["arch"])  # of a file that came from anywhere: never a name that timm would download
    return {"file": str(file), "identity": ident, "arch": meta.get("arch", default_arch), "classes": meta.get("classes"),
            "mean": meta.get("mean"), "std": meta.get("std")}


def check_channels(facts, recipe, wanted):
    "A network that is asked with this one's batches must take as many channels"
    theirs = len(facts["mean"] or (0, 0, 0))
    if theirs != recipe.channels: raise UserError(
        f"the {wanted.role} {facts['file']} takes {plural(theirs, 'channel')} and this network {recipe.channels}: give both the same --channels")
    return facts


def check_classes(facts, source, wanted):
    theirs = facts["classes"]
    if theirs is not None and tuple(theirs) != source.classes:
        odd = sorted(set(theirs) ^ set(source.classes))
        raise UserError(f"the {wanted.role} {facts['file']} knows {plural(len(theirs), 'class', 'classes')} and this data has "
                        f"{len(source.classes)}: they must be the same (as to {odd[0] if odd else 'their order'})")
    return facts


def network_recipe(wanted, recipe):
    "The recipe of a run with the architecture, seed, start and tricks of the network that it needs"
    start = dict(weights=wanted.weights, pretrained=False) if wanted.weights else dict(weights=None)
    return settle(replace(recipe, arch=wanted.value, seed=wanted.seed, keep="last", patience=None, name=None, recipe="",
                          tricks=select({}, [wanted.tricks]), **start))


def network_identity(recipe, source): return Job(recipe, source).identity


def trained(wanted, recipe, source, room):
    "Facts of the finished run of the network's recipe under --out, trained now by `room.train` if there is none"
    from ..core.stop import Stopped, asked
    from ..model.network import check_arch
    from ..runfolder.folder import find_finished
    role = wanted.role
    check_arch(wanted.value)
    t = network_recipe(wanted, recipe)
    ident = network_identity(t, source)
    run = ranks.by_first(lambda: (found := find_finished(recipe.out, ident)) and str(found))
    if run: room.say(f"{role}: found {run}")
    elif room.train is None:
        raise UserError(f"the {role} {t.arch} is not trained yet, and nothing is trained here: run `fastricks train` with these "
                        f"options first, or give {wanted.key}= a run or a FILE.safetensors")
    else:
        room.say(f"{role}: {t.arch} is trained first, once, as an ordinary run")
        try: run = room.train(t, room.say, job_type=role, resume=True).folder
        except Stopped: asked.how = f"the same command goes on with the {role} where it is"; raise
        except UserError as e: raise UserError(f"the {role} {t.arch} can't be trained: {e}") from None
        room.say(f"{wanted.back}:")
    return {**facts_of(Path(run) / "model.safetensors", ident, t.arch), "run": Path(run).name}

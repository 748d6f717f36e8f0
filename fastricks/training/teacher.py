"""Networks that a trick needs: a run, a file of weights, or an architecture that is trained once and found again."""
import os
from dataclasses import replace
from pathlib import Path

from ..core import ranks
from ..core.errors import UserError, plural
from ..core.files import read_json
from ..data.sources.classes import order_classes, order_of
from ..recipe.names import tricks_text
from ..recipe.plan import batches_an_epoch, make_plan, make_schedule, optimizer_settings
from ..recipe.recipe import settle_fields
from ..recipe.select import select
from .job import Job


def find_network(wanted, recipe, source, room):
    """(value of its key, facts) of a network that a trick wants; an architecture is trained first where no run of it is
    found.

    facts: `file` of its weights, `arch`, `identity` (what the identity of the run that needs it has of it); where
    `room` is dry, an architecture's identity alone, which needs no training.
    """
    kind = wanted.kind
    if kind == "arch" and room.dry:
        t = network_recipe(wanted, recipe, source)
        return wanted.value, {"identity": network_identity(t, source), **pixels_of(recipe, of_recipe(t))}
    if kind == "arch":
        return wanted.value, check_teacher_classes(trained(wanted, recipe, source, room), source, wanted)
    from ..model.weights import file_hash, open_weights
    path = Path(os.path.realpath(wanted.value))  # resolve() raises for a link in a circle
    file = path / "model.safetensors" if kind == "run" else path
    if not file.is_file():
        raise UserError(f"{wanted.key}={wanted.value} has no weights: " + (
            "the run did not finish" if kind == "run" else "there is no such file"))
    try:
        open_weights(file)
    except UserError as e:
        raise UserError(str(e).replace("--weights ", f"{wanted.key}=", 1)) from None
    facts = check_channels(facts_of_weights(file, file_hash(file), recipe), recipe, wanted)
    return str(path), check_teacher_classes(facts, source, wanted)


def facts_of_weights(file, ident, recipe):
    "What the weights say of themselves; those that say nothing must be of the architecture that needs it"
    from ..model.network import check_arch
    from ..model.weights import read_meta
    meta = read_meta(file)
    # of a file that came from anywhere: never a name that timm would download
    if "arch" in meta:
        check_arch(meta["arch"])
    own = {**of_recipe(recipe), **{k: meta[k] for k in ("mean", "std", "size") if k in meta}}
    return {
        "file": str(file),
        "identity": ident,
        "arch": meta.get("arch", recipe.arch),
        "classes": meta.get("classes"),
        "mean": meta.get("mean"),
        "std": meta.get("std"),
        **pixels_of(recipe, own),
        **record_of(file),
    }


def of_recipe(recipe):
    "Mean, std and size of the images that a recipe's training makes"
    from ..model.network import stats
    mean, std = stats(recipe)
    return {"mean": mean, "std": std, "size": recipe.size}


def pixels_of(recipe, own):
    "Facts of a network whose images are `own`, and of those that this recipe makes for its own network"
    return {name: {k: list(v) if k != "size" else v for k, v in o.items()}
            for name, o in (("own", own), ("pixels", of_recipe(recipe)))}


def record_of(file):
    "The accuracy that the run of a file of weights has on record, of its validation images where it has those too"
    try:
        m = read_json(Path(file).parent / "metrics.json")
    except (OSError, ValueError):
        return {}
    m = {"split": "valid", **m["valid"]} if isinstance(m.get("valid"), dict) else m
    return {"record": {k: m[k] for k in ("split", "top1", "n")}} if {"split", "top1", "n"} <= m.keys() else {}


def check_channels(facts, recipe, wanted):
    "A network that is asked with this one's batches must take as many channels"
    theirs = len(facts["mean"] or (0, 0, 0))
    if theirs != recipe.channels:
        raise UserError(
            f"the {wanted.role} {facts['file']} takes {plural(theirs, 'channel')} and this network {recipe.channels}: "
            "give both the same --channels")
    return facts


def check_teacher_classes(facts, source, wanted):
    theirs = facts["classes"]
    if theirs is not None and tuple(theirs) != source.classes:
        odd = sorted(set(theirs) ^ set(source.classes))
        if not odd:
            raise UserError(f"the {wanted.role} {facts['file']} has these classes in another "
                            f"order{order_to_give(theirs)}")
        raise UserError(f"the {wanted.role} {facts['file']} has {plural(len(theirs), 'class', 'classes')} and this "
                        f"data has {len(source.classes)}: they must be the same (as to {odd[0]})")
    return facts


def order_to_give(classes):
    "The option that numbers the data's classes as a network does, where there is one"
    order = order_of(classes)
    return f": give --class-order {order}" if tuple(classes) == order_classes(classes, order) else ""


def network_recipe(wanted, recipe, source):
    """The recipe of a run with the architecture, seed, start and tricks of the network that it needs; in a run too
    short for those, `wanted.brief`
    """
    made = recipe_with(wanted, recipe, wanted.tricks)
    if wanted.brief is None:
        return made
    try:
        plan = make_plan(made, source, batches_an_epoch(len(source.of("train")), made.whole_batch))
        make_schedule(made, plan, optimizer_settings(made, plan))
    except UserError:
        return recipe_with(wanted, recipe, wanted.brief)
    return made


def recipe_with(wanted, recipe, tricks):
    from ..model.network import check_arch
    check_arch(wanted.value)
    start = dict(weights=wanted.weights, pretrained=False) if wanted.weights else dict(weights=None)
    other = dict(arch_option={}, keep="last", patience=None, name=None, recipe="", tricks=select({}, [tricks]))
    return settle_fields(replace(recipe, arch=wanted.value, seed=wanted.seed, **other, **start))


def network_identity(recipe, source): return Job(recipe, source).identity


def trained(wanted, recipe, source, room):
    "Facts of the finished run of the network's recipe under --out, trained now by `room.train` if there is none"
    from ..core.stop import Stopped, asked
    from ..runfolder.folder import find_finished
    role = wanted.role
    t = network_recipe(wanted, recipe, source)
    ident = network_identity(t, source)
    run = ranks.by_first(lambda: (found := find_finished(recipe.out, ident)) and str(found))
    if run:
        room.say(f"{role}: found {run}")
    elif room.train is None:
        raise UserError(f"the {role} {t.arch} is not trained yet, and nothing is trained here: run `fastricks train` "
                        f"with these options first, or give {wanted.key}= a run or a FILE.safetensors")
    else:
        room.say(f"{role}: {t.arch} is trained first, once, as an ordinary run, with {tricks_text(t)}")
        try:
            run = room.train(t, room.say, job_type=role, resume=True).folder
        except Stopped:
            asked.how = f"the same command resumes the {role}"
            raise
        except UserError as e:
            raise UserError(f"the {role} {t.arch} can't be trained: {e}") from None
        room.say(f"{wanted.back}:")
    return {**facts_of_weights(Path(run) / "model.safetensors", ident, recipe), "run": Path(run).name}

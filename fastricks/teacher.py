"""Where distillation's teacher comes from: a run, a file of weights, or an architecture that is trained once and found again."""
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import ranks
from .errors import UserError, plural
from .recipe import identity, settle
from .trick import select

TRICKS = "warmup+cosine+label_smoothing"  # the tutorial's teacher


def kind_of(teacher):
    "`run`, `file` or `arch`; what looks like a path but is none is an error"
    path = Path(teacher)
    if path.is_dir(): return "run"
    if path.suffix == ".safetensors": return "file"
    if "/" in teacher or "\\" in teacher: raise UserError(
        f"distill:teacher={teacher} is not there: give a finished run's folder, a FILE.safetensors or an architecture")
    return "arch"


def find_teacher(trick, recipe, source, say, may_train=True, dry=False):
    """(value of the teacher key, facts) of a distill trick's teacher; an architecture is trained first where no run of it is found.

    facts: `file` of its weights, `arch`, `identity` (what the student's identity has of it); with `dry` an architecture's
    identity alone, which needs no training.
    """
    kind = kind_of(trick.teacher)
    if kind == "arch" and dry: return trick.teacher, {"identity": teacher_identity(teacher_recipe(trick, recipe), source)}
    if kind == "arch": return trick.teacher, check_classes(trained(trick, recipe, source, say, may_train), source)
    from .model import file_hash, open_weights
    path = Path(os.path.realpath(trick.teacher))  # resolve() raises for a link in a circle
    file = path / "model.safetensors" if kind == "run" else path
    if not file.is_file():
        raise UserError(f"distill:teacher={trick.teacher} has no weights: " + (
            "the run did not finish" if kind == "run" else "there is no such file"))
    open_weights(file)
    return str(path), check_classes(facts_of(file, file_hash(file), recipe.arch), source)


def facts_of(file, ident, student_arch):
    "What the weights say of themselves; those that say nothing must be of the student's architecture"
    from .model import check_arch, read_meta
    meta = read_meta(file)
    if "arch" in meta: check_arch(meta["arch"])  # of a file that came from anywhere: never a name that timm would download
    return {"file": str(file), "identity": ident, "arch": meta.get("arch", student_arch), "classes": meta.get("classes"),
            "mean": meta.get("mean"), "std": meta.get("std")}


def check_classes(facts, source):
    theirs = facts["classes"]
    if theirs is not None and tuple(theirs) != source.classes:
        odd = sorted(set(theirs) ^ set(source.classes))
        raise UserError(f"the teacher {facts['file']} knows {plural(len(theirs), 'class', 'classes')} and this data has "
                        f"{len(source.classes)}: they must be the same (as to {odd[0] if odd else 'their order'})")
    return facts


def teacher_recipe(trick, recipe):
    "The student's recipe with the teacher's architecture, seed, start and tricks"
    start = dict(weights=trick.weights, pretrained=False) if trick.weights else dict(weights=None)
    return settle(replace(recipe, arch=trick.teacher, seed=trick.seed, keep="last", patience=None, name=None, recipe="",
                          tricks=select({}, [TRICKS]), **start))


def teacher_identity(recipe, source):
    from .data.source import fingerprint
    from .model import file_hash
    return identity(recipe, fingerprint(source), recipe.weights and file_hash(recipe.weights))


def trained(trick, recipe, source, say, may_train=True):
    "Facts of the finished run of the teacher's recipe under --out, trained now if there is none"
    from .model import check_arch
    from .runs import find_finished
    from .stop import Stopped, asked
    from .train import train
    check_arch(trick.teacher)
    t = teacher_recipe(trick, recipe)
    ident = teacher_identity(t, source)
    run = ranks.by_first(lambda: (found := find_finished(recipe.out, ident)) and str(found))
    if run: say(f"teacher: found {run}")
    elif not may_train:
        raise UserError(f"the teacher {t.arch} is not trained yet, and nothing is trained here: run `fastricks train` with these "
                        "options first, or give distill:teacher= a run or a FILE.safetensors")
    else:
        say(f"teacher: {t.arch} is trained first, once, as an ordinary run")
        try: run = train(t, say, job_type="teacher", resume=True).folder
        except Stopped: asked.how = "the same command goes on with the teacher where it is"; raise
        except UserError as e: raise UserError(f"the teacher {t.arch} can't be trained: {e}") from None
        say("student:")
    return {**facts_of(Path(run) / "model.safetensors", ident, t.arch), "run": Path(run).name}


def load_teacher(plan):
    "The teacher's module, in eval mode"
    from .model import build, read_meta
    f = plan.facts["distill"]
    model, lines = build(f["arch"], plan.classes, 0, f["file"], read_meta(f["file"]).get("kwargs"))
    if any(line.startswith("not loaded") for line in lines):
        raise UserError(f"the teacher {f['file']} has no head for these {plural(plan.classes, 'class', 'classes')}")
    return model.eval().requires_grad_(False)


def stored_teacher(plan):
    "(what gives the teacher's module, the Answers of this run's views, what to tell): it is loaded now where any answer is missing"
    from .answers import answers_of, lines_of
    answers = answers_of(plan, plan.facts["distill"]["file"], plan.facts["distill"]["data"])
    lines, whole = lines_of(answers, plan.recipe.epochs)
    if whole: return partial(load_teacher, plan), answers, lines
    teacher = load_teacher(plan)
    return lambda: teacher, answers, lines

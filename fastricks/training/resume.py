"""Which run is gone on with, from where, and whether it is still the same."""
import json
import os
import shlex
import time
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..core import ranks
from ..core.errors import UserError, one_of
from ..core.files import read_json, rows_to_csv, write
from ..recipe.identity import differences
from ..recipe.recipe import Recipe, flag_of, recorded_fields, settle_fields
from ..recipe.registry import adopt
from ..recipe.select import select
from ..runfolder.environment import environment
from ..runfolder.folder import Guest, RunFolder, find_finished, find_runs
from ..runfolder.record import is_finished


@dataclass
class Start:
    """Where a training begins: the run that it goes on with (None: a new one) and the state of its last checkpoint
    (None: the beginning)
    """
    run: RunFolder = None
    state: dict = None

    @property
    def where(self): return training_place(self.state)


def training_place(state):
    "`epoch 3, batch 17`, as a person counts"
    if state is None:
        return "the beginning"
    epochs, n = state["what"]["recipe"]["epochs"], state["epoch"]
    if n >= epochs:
        return "the final evaluation"
    return f"epoch {n + 1}, batch {state['batch'] + 1}"


MOVED_PLACES = "data", "classes", "weights"             # known by what lies there: a run goes on wherever that is
OF_THE_MACHINE = "device", "threads", "compile"   # change how numbers are rounded


@dataclass(frozen=True)
class Elsewhere:
    """A run's folder, to go on with where something is not as it was: at the other `places` or with the other device
    that were asked for
    """
    folder: Path
    given: dict   # fields of the recipe: another device may be in it, as only who asks for one gets one

    def __fspath__(self): return str(self.folder)


def recipe_to_resume(folder, given=None, tricks=()):
    """The Recipe of an unfinished run, to be continued where it lies; UserError where there is nothing to continue.

    `given`: fields that are other here, such as PLACES and the device; `tricks`: -t texts, for the place of a teacher.
    """
    folder, given = Path(folder), given or {}
    if not (folder / "recipe.json").is_file():
        raise UserError(f"{folder} is not the folder of a run: it has no recipe.json")
    try:
        got = read_json(folder / "recipe.json")["recipe"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{folder / 'recipe.json'} can't be read: the run can't be continued") from None
    known = {f.name for f in fields(Recipe)}
    if isinstance(got.get("trick_files"), dict):
        adopt(got["trick_files"])
    if new := set(got) - known:
        raise UserError(f"{folder} has fields that this version does not know: {one_of(sorted(new))}")
    own = {"out": str(folder.parent), "name": None, "tricks": select(got.get("tricks", {}), tricks)}
    recipe = Recipe(**{"processes": 1, **recorded_fields(got), **given, **own})
    require_there(folder, recipe, given)
    return settle_fields(recipe)


def require_there(folder, recipe, given):
    "What the run was made from lies where its recipe.json says"
    for name in MOVED_PLACES:
        place = getattr(recipe, name)
        if place and name not in given and is_absolute(place) and not Path(place).exists():
            raise UserError(
                f"the {name} of {folder}, {place}, can't be found: `{again(folder)} {flag_of(name)} NEW` goes on where "
                f"the same {name} lie now")
    for trick, keys in recipe.tricks.items():
        for key, place in keys.items():
            if isinstance(place, str) and is_absolute(place) and not Path(place).exists():
                raise UserError(
                    f"{trick}:{key} of {folder}, {place}, can't be found: `{again(folder)} -t {trick}:{key}=NEW` goes "
                    "on with the same where it is now")


def again(folder): return f"fastricks resume {shlex.quote(str(folder))}"


def is_absolute(text):
    "A place on this system or another"
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def start_of_job(job, resume, say):
    """Start of a Job's training: `resume` False (a new run), True (the last unfinished run of this identity, else a new
    one), or a run's folder (that one, or a UserError that says what differs)."""
    recipe, what = job.recipe, job.recipe_json
    if resume is False:
        return Start()
    if resume is not True:
        return take_hold(RunFolder(resume), as_begun(resume, what), say, must=True) or Start()
    if recipe.name:
        return start_of_name(recipe, what, say)
    for folder in unfinished(recipe.out, job.identity):
        if start := take_hold(RunFolder(folder), what, say):
            return start
    return Start()


def as_begun(resume, what):
    """recipe.json of this training as the run's own machine would have it: a device that was asked for is no other
    training
    """
    asked = [k for k in OF_THE_MACHINE if k in getattr(resume, "given", {})]
    if not asked:
        return what
    then = read_json(Path(resume) / "recipe.json")
    fields_then = {k: then["recipe"][k] for k in OF_THE_MACHINE if k in then["recipe"]
                   and (k in asked or k == "compile")}
    return {**what, "recipe": {**what["recipe"], **fields_then}, "identity": then.get("identity")}


def along(start):
    "The first process's Start in the others: the same run and checkpoint, which that one writes"
    told = [start.run and str(start.run.folder), start.state is not None] if start else None
    folder, has_state = ranks.from_first(told)
    if start or not folder:
        return start or Start()
    from ..runfolder import checkpoint
    state = checkpoint.newest(folder)[0] if has_state else None
    if has_state and not state:
        raise UserError(f"process {ranks.rank()} does not see the checkpoint of {folder}: --out must be a folder of "
                        "all")
    return Start(Guest(folder), state)


def start_of_name(recipe, what, say):
    folder = Path(recipe.out) / recipe.name
    if not (folder / "recipe.json").is_file() or is_finished(folder):
        return Start()
    return take_hold(RunFolder(folder), what, say, must=True)


def finished_folder(job, resume, start):
    """The folder of a finished run of this very training, of the name that was asked for if any; None where one is to
    be trained
    """
    if resume is not True or start.run:
        return None
    folder = find_finished(job.recipe.out, job.identity, job.recipe.name)
    return folder if folder and (folder / "metrics.json").is_file() else None


def unfinished(out, identity):
    "Folders of unfinished runs with this identity, the last first"
    found = [folder for folder, what, status in find_runs(out) if what["identity"] == identity and status != "finished"]
    return sorted(found, key=lambda f: (f / "status.json").stat().st_mtime, reverse=True)


def take_hold(run, what, say, must=False):
    "Take hold of a run and read its last checkpoint; None, or with `must` a UserError, where it can't be gone on with"
    if not run.hold():
        if must:
            raise UserError(f"{run.folder} is being trained by another process now")
        return None
    try:
        return opened_run(run, what, say, must)
    except BaseException:
        run.release()
        raise


def opened_run(run, what, say, must):
    from ..runfolder import checkpoint
    state, wrong = checkpoint.newest(run.folder)
    if must and (odd := differences((state or {}).get("what") or read_json(run.path("recipe.json")), what)):
        raise UserError(f"{run.folder} can't go on, as it would be another training: {'; '.join(odd)}")
    for line in wrong:
        say(f"{line}: " + ("the checkpoint before it is used" if state else "it can't be used"))
    if wrong and not state:
        anew = f"`fastricks train --recipe {shlex.quote(str(run.folder))}` trains it anew"
        if must:
            raise UserError(f"{run.folder} has no checkpoint left that is whole: {anew}")
        run.release()
        return None
    run.tidy()
    return Start(run, state)


def say_none(job, own, say):
    "Why --resume begins anew, and how the last unfinished run differs"
    out = job.recipe.out
    others = [f for f, _, status in find_runs(out) if status != "finished" and f != own]
    last = max(others, key=lambda f: (f / "status.json").stat().st_mtime, default=None)
    odd = differences(read_json(last / "recipe.json"), job.recipe_json) if last else []
    say(f"no unfinished run of this recipe is under {out}: starting anew"
        + (f" ({last} differs: {'; '.join(odd[:3])})" if odd else ""))


def log_start(start, recipe, say):
    "Bring the folder to where the state is, and say what has changed that bit-identity needs"
    run, state = start.run, start.state
    run.status("unfinished", pid=os.getpid())
    keep_places(run, recipe)
    rows = state["cbs"]["history"]["rows"] if state else []
    if rows:
        write(run.path("history.csv"), rows_to_csv(rows))
    else:
        run.path("history.csv").unlink(missing_ok=True)
    say(f"resumed at {start.where} ({time.strftime('%Y-%m-%d %H:%M:%S')})")
    for line in changes(run, recipe, start.where):
        say(line)


def keep_places(run, recipe):
    "The run's recipe.json says where its data, weights and teacher lie now; what they are has not changed"
    what = read_json(run.path("recipe.json"))
    now = {**what["recipe"], **{k: getattr(recipe, k) for k in MOVED_PLACES}, "tricks": recipe.as_dict["tricks"]}
    if now != what["recipe"]:
        run.write("recipe.json", json.dumps({**what, "recipe": now}, indent=2, ensure_ascii=False) + "\n")


COMPARED = "torch", "torchvision", "fastai", "timm", "pillow", "cpu", "device"


def changes(run, recipe, where):
    """Versions and machine that are not those of the run's start: the rest is right, but not bit for bit what it would
    have been.

    Its environment.json keeps them under `resumed`.
    """
    try:
        old = read_json(run.path("environment.json"))
    except (OSError, ValueError):
        return []
    new = environment(recipe.device)
    odd = {k: new[k] for k in COMPARED if old.get(k) != new[k]}
    if not odd:
        return []
    resumed = [*old.get("resumed", []), {"at": where, **odd}]
    run.write("environment.json", json.dumps({**old, "resumed": resumed}, indent=2) + "\n")
    said = ", ".join(f"{k} {old.get(k)} → {v}" for k, v in odd.items())
    return [f"changed since the run began, so from here on rounding may differ: {said}"]

"""A finished run made longer: from the state that it kept before its cooldown on (Hägele et al., arXiv 2405.18392)."""
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import UserError, one_of
from ..core.files import read_json
from ..recipe.identity import differences
from ..recipe.recipe import settle_fields
from ..runfolder import checkpoint
from ..runfolder.record import is_finished
from .resume import Elsewhere, Start, again, as_begun

KEPT = "before-cooldown.safetensors"
FIRST_PICTURES = "batch.png", "targets.png"  # of the first batch, which the longer run does not see again


@dataclass(frozen=True)
class Longer(Elsewhere):
    "A finished run's folder, from whose kept state a new run of more epochs begins"


def longer(recipe, where, epochs):
    """(Recipe of `epochs`, Longer) of a finished run's Recipe, its folder and what is elsewhere; UserError where it
    kept no state to go on from, with the reason."""
    folder = where.folder
    if not is_finished(folder):
        raise UserError(f"{folder} is not finished, and --epochs is for runs that are: `{again(folder)}` ends it first")
    if epochs == recipe.epochs:
        raise UserError(f"{folder} has had its {epochs} epochs: give --epochs another number")
    if not (folder / KEPT).is_file():
        raise UserError(f"{folder} can't get other epochs, as {why_no_state(recipe)}: {anew(folder, epochs)}")
    return settle_fields(replace(recipe, epochs=epochs)), Longer(folder, where.given)


def anew(folder, epochs): return f"`fastricks train --recipe {shlex.quote(str(folder))} --epochs {epochs}` trains anew"


def why_no_state(recipe):
    "Why a run kept no state from before its cooldown, a clause"
    tricks = recipe.make_tricks()
    main = next(t for t in tricks if t.slot == "schedule")
    if not main.ends_apart:
        return f"the rates of its schedule, {main.name}, depend on the number of epochs from the start on"
    if odd := of_length(recipe):
        return f"what comes before its cooldown depends on its length by {one_of(odd)}"
    return f"it has no {KEPT} (a run keeps one where an epoch ends before its cooldown begins)"


def of_length(recipe):
    "What makes a run's beginning depend on its length: keys of tricks; of tricks from elsewhere nobody knows"
    return [word for t in recipe.make_tricks() for word in ([t.name] if t.origin else t.of_length())]


def start_from_kept(job, where):
    "The Start of a new run, whose state another run kept; UserError where that was another training"
    folder = where.folder
    try:
        state = checkpoint.load_checkpoint(folder / KEPT)
    except checkpoint.Damaged as e:
        raise UserError(f"{folder / KEPT} is damaged ({e}): {anew(folder, job.recipe.epochs)}") from None
    then, now = state["what"], as_begun(where, job.recipe_json)
    then = {**then, "recipe": {**then["recipe"], "epochs": job.recipe.epochs}, "identity": now["identity"]}
    if odd := differences(then, now):
        raise UserError(f"{folder} can't go on, as it would be another training: {'; '.join(odd)}")
    return Start(None, state)


def require_before(state, schedule, folder):
    "Raise UserError where the new cooldown would begin before the kept state"
    if schedule.stable >= state["epoch"] * schedule.per_epoch:
        return
    raise UserError(f"--epochs {schedule.epochs} would begin the cooldown before the end of epoch {state['epoch']}, "
                    f"whose state {folder} kept: give more, as its {state['what']['recipe']['epochs']}, "
                    f"or {anew(folder, schedule.epochs)}")


def begin_longer(session):
    "Say where the new run comes from, and give it the pictures of the first batch"
    folder, state = session.asked.resume.folder, session.start.state
    session.tell(f"resumes from the end of epoch {state['epoch']} of {folder}, before its cooldown")
    for name in FIRST_PICTURES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, session.run.path(name))


def last_epoch(recipe, schedule):
    "Epochs that end before the cooldown begins, where they are the same in a longer run; 0: none"
    return 0 if of_length(recipe) else schedule.stable // schedule.per_epoch


def keep(session, state, generation=0):
    "Write the state before the cooldown into the run's folder, and say how large it is"
    run = session.run
    file = run.path(KEPT)
    run.write(KEPT, checkpoint.to_bytes({**state, "what": read_json(run.path("recipe.json")),
                                         "generation": generation}))
    run.log(f"{KEPT} ({file.stat().st_size / 1e6:,.1f} MB): `{again(Path(run.folder))} --epochs N` resumes from epoch "
            f"{state['epoch']}, before the cooldown")

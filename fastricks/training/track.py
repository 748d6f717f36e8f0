"""The W&B run of a training."""
from ..recipe.names import base_name, trick_words, tricks_config
from ..runfolder import tracking


def start_wandb(session):
    "The W&B run of a Session, or None where W&B is off"
    recipe, run, asked = session.job.recipe, session.run, session.asked
    group = asked.group or base_name(recipe, session.job.source.name)
    labels = tracking.WandbLabels(run.name, group, trick_words(recipe), tricks_config(recipe), asked.job_type)
    return tracking.start(tracking.resolve_mode(recipe.wandb), run.folder, labels, go_on=tracking.last_id(run.folder))


def wandb_callbacks(wb, folder):
    if wb is None: return []
    from ..callbacks.wandb_log import WandbLog
    return [WandbLog(wb, tracking.Logged(folder, wb).read())]


def summary(final, classes):
    "Final metrics as W&B's summary: test/accuracy, test/loss …; top-5 only where there are classes enough for it to be wrong"
    names = {"top1": "accuracy", **{k: k for k in ("top5", "macro_f1", "balanced_accuracy", "loss", "n")}}
    if classes <= 5: del names["top5"]
    return {f"{final['split']}/{names[k]}": final[k] for k in names} | {"seconds": final["seconds"]}

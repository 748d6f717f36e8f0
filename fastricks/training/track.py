"""The W&B run of a training."""
from ..recipe.names import base_name, trick_words, tricks_config
from ..runfolder import tracking


def start_wandb(recipe, source, run, job_type, group=None):
    labels = tracking.WandbLabels(run.name, group or base_name(recipe, source.name), trick_words(recipe), tricks_config(recipe), job_type)
    return tracking.start(tracking.resolve_mode(recipe.wandb), run.folder, labels, go_on=tracking.last_id(run.folder))


def wandb_callbacks(wb):
    if wb is None: return []
    from ..callbacks.wandb_log import WandbLog
    return [WandbLog(wb)]


def summary(final):
    "Final metrics as W&B's summary: test/accuracy, test/loss …"
    names = {"top1": "accuracy", "top5": "top5", "loss": "loss", "n": "n"}
    return {f"{final['split']}/{names[k]}": final[k] for k in names} | {"seconds": final["seconds"]}

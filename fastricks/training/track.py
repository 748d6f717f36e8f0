"""What a training is logged to: its W&B run, and what --log names."""
from dataclasses import dataclass

from ..recipe.names import trick_words, tricks_config
from ..runfolder import trackers, tracking
from ..runfolder.wandb_results import log_results


@dataclass
class Tracked:
    "A training's W&B run (None where it is off) and its other Trackers. Whatever fails with one, the training goes on"
    folder: object
    wandb: object = None
    others: tuple = ()

    def callbacks(self):
        from ..callbacks.track_log import TrackerLog
        from ..callbacks.wandb_log import WandbLog
        logged = self.wandb and tracking.Logged(self.folder / "wandb", self.wandb.id).read()
        return [*([WandbLog(self.wandb, logged)] if self.wandb else []), *map(TrackerLog, self.others)]

    def log_results(self, make):
        "Log what the final numbers are made of, `make()` (`Reporter.results`), to W&B; no failure ends the training"
        if self.wandb:
            results = tracking.attempt("no results in W&B", make)
            log_results(self.wandb, self.folder, results)

    def finish(self, summary, pictures):
        tracking.finish(self.wandb, summary, pictures)
        trackers.finish_trackers(self.others, summary, pictures)

    def fail(self):
        tracking.finish(self.wandb, exit_code=1)
        trackers.finish_trackers(self.others, status="FAILED")


def start_tracking(session):
    "The Tracked of a Session"
    recipe, run, asked = session.job.recipe, session.run, session.asked
    labels = tracking.WandbLabels(run.name, asked.group or session.job.group, trick_words(recipe),
                                  tricks_config(recipe), asked.job_type)
    wandb = tracking.start(tracking.resolve_mode(recipe.wandb), run.folder, labels, go_on=tracking.last_id(run.folder))
    return Tracked(run.folder, wandb, tuple(trackers.start_trackers(recipe.log, run.folder, labels)))


def wandb_summary(final, classes):
    """Final metrics as W&B's summary: test/accuracy, test/loss …; top-5 only where there are classes enough for it to
    be wrong.

    Without a test set they are of validation images, as valid/…, and test/… too, so that one column has all runs;
    test/is_validation says so.
    """
    names = {"top1": "accuracy", **{k: k for k in ("top5", "macro_f1", "balanced_accuracy", "loss", "n")}}
    if classes <= 5:
        del names["top5"]
    splits = dict.fromkeys([final["split"], "test"])
    return {**{f"{split}/{names[k]}": final[k] for split in splits for k in names},
            "test/is_validation": int(final["split"] == "valid"), "seconds": final["seconds"]}

"""A comparison as a W&B run of job type `report`: the table, and the pictures."""
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.files import write
from ...runfolder import tracking
from ..plots import png
from .outcome import Outcome

if TYPE_CHECKING:
    import wandb


def log_report(c: Outcome, folder: str | Path, mode: str | None = None, name: str | None = None,
               group: str | None = None) -> str | None:
    """Log a Comparison to W&B and return the sync line of an offline run, or None.

    `folder`: where the run's files go; `mode`: online, offline, disabled or None (online when logged in, else offline).
    The table `comparison` has a row a recipe, all numbers of `Comparison.records`; the pictures are the HTML page's.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    config = {
        "metric": c.metric.name,
        "split": c.split,
        "margin": c.margin,
        "baseline": c.baseline.label,
        "runs": [r.name for r in c.runs],
    }
    labels = tracking.WandbLabels(name or f"compare {c.data_name}", group, ("report",), config, job_type="report")
    run = tracking.start(tracking.resolve_mode(mode), place, labels)
    if run is None:
        return None
    tracking.attempt("no table in W&B", run.log, {"comparison": wandb_table(c)})
    tracking.finish(run, verdict_summary(c), written_pictures(c, place))
    return tracking.sync_command(place)


def wandb_table(c: Outcome) -> "wandb.Table":
    import wandb
    records = c.records()
    keys = list(records[0])
    return wandb.Table(columns=keys, data=[[r[k] for k in keys] for r in records], allow_mixed_types=True)


def verdict_summary(c: Outcome) -> dict[str, str]: return {f"verdict/{row.label}": row.words for row in c.rows[1:]}


def written_pictures(c: Outcome, folder: Path) -> dict[str, Path]:
    from .pictures import pictures
    files = {}
    for name, fig in pictures(c).items():
        files[name] = folder / f"{name}.png"
        write(files[name], png(fig))
    return files

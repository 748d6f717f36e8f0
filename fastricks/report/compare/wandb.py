"""A comparison as a W&B run of job type `report`: the table, and the pictures."""
from pathlib import Path
from typing import Any

from ...core.files import write
from ...runfolder import tracking
from ..plots import png


def log_report(c: Any, folder: Path, mode: str | None = None, name: Any = None, group: Any = None) -> Any:
    """Log a Comparison to W&B and return the sync line of an offline run, or None.

    `folder`: where the run's files go; `mode`: online, offline, disabled or None (online when logged in, else offline).
    The table `comparison` has a row a recipe, all numbers of `Comparison.records`; the pictures are the HTML page's.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"metric": c.metric.name, "split": c.split, "margin": c.margin, "baseline": c.baseline.label,
              "runs": [r.name for r in c.runs]}
    labels = tracking.WandbLabels(name or f"compare {c.data_name}", group, ("report",), config, job_type="report")
    run = tracking.start(tracking.resolve_mode(mode), folder, labels)
    if run is None: return None
    tracking.attempt("no table in W&B", run.log, {"comparison": wandb_table(c)})
    tracking.finish(run, verdict_summary(c), written_pictures(c, folder))
    return tracking.sync_command(folder)


def wandb_table(c: Any) -> Any:
    import wandb
    records = c.records()
    keys = list(records[0])
    return wandb.Table(columns=keys, data=[[r[k] for k in keys] for r in records], allow_mixed_types=True)


def verdict_summary(c: Any) -> dict[Any, Any]: return {f"verdict/{row.label}": row.words for row in c.rows[1:]}


def written_pictures(c: Any, folder: Path) -> Any:
    from .pictures import pictures
    files = {}
    for name, fig in pictures(c).items():
        files[name] = folder / f"{name}.png"
        write(files[name], png(fig))
    return files

"""What a training says at its end."""
from pathlib import Path

from ..core.errors import plural
from ..core.files import read_json
from ..core.words import duration
from ..runfolder import tracking


def seeds_screen(folders):
    "How a recipe's seeds spread: mean ± sd, 95% interval, extremes, time"
    from ..report.compare.stats import summary
    if not folders: return ["no run finished"]
    ms = [read_json(f / "metrics.json") for f in folders]
    s = summary([100 * m["top1"] for m in ms])
    where = {"test": "test", "valid": "validation (there is no test set)"}[ms[0]["split"]]
    spread = f" ± {s.sd:.2f} (sd), 95% interval {s.low:.2f} to {s.high:.2f}" if len(ms) > 1 else ""
    each = sum(m["train_seconds"] for m in ms) / len(ms)
    return ["", f"accuracy  {s.mean:.2f}%{spread}, {min(100 * m['top1'] for m in ms):.2f} to {max(100 * m['top1'] for m in ms):.2f}, "
            f"{where}, {plural(len(ms), 'seed')} of n = {ms[0]['n']:,} images",
            f"time      {duration(each)} of training each, {sum(m['images_per_s'] for m in ms) / len(ms):,.0f} images/s",
            f"runs      {Path(folders[0]).parent}: {', '.join(Path(f).name for f in folders)}",
            f"next      fastricks compare {' '.join(str(f) for f in folders[:2])} …  # with runs of another recipe"]


def last_screen(recipe, result):
    "What was trained, how well, where it lies, and what to do next"
    m = result.metrics
    word = {"test": "test", "valid": "validation (there is no test set)"}[m["split"]]
    chosen = ", on which the weights were chosen" if m["split"] == "valid" and recipe.keep == "best" else ""
    tricks = "+".join(str(t) for t in recipe.make_tricks() if t.name in recipe.tricks) or "no trick"
    again = f"python train.py --recipe {result.folder}"
    third = tracking.sync_command(result.folder)
    return [
        "",
        f"trained   {recipe.arch} {'from scratch' if recipe.from_scratch else 'from pre-trained weights'} with {tricks}, "
        f"{plural(m['epochs'], 'epoch')} in {m['train_seconds']:,.0f} s ({m['images_per_s']:,.0f} images/s)",
        f"accuracy  {m['top1']:.2%} {word}{chosen}: {m['correct']:,} of {m['n']:,} right, top-5 {m['top5']:.2%}, "
        f"cross-entropy {m['loss']:.4f}",
        *([f"left out  {plural(m['skipped_steps'], 'step')} whose loss or gradient was not finite (log.txt has the images)"]
          if m["skipped_steps"] else []),
        f"run       {result.folder}",
        *([f"page      {page}"] if (page := Path(result.folder) / "index.html").is_file() else []),
        "next      " + (f"{again} -t none  # the same without tricks" if recipe.tricks
                        else f"{again} -t warmup+cosine+label_smoothing  # the same with tricks"),
        f"          {again} --seed {recipe.seed + 1}  # the same with another seed",
        f"          {third}  # send it to W&B" if third else "          fastricks tricks  # what else there is",
    ]

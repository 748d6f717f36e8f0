"""What a training says at its end."""
import shlex
import sys
from pathlib import Path
from shutil import get_terminal_size

from ..core import output
from ..core.errors import UserError, plural
from ..core.files import read_json
from ..core.words import duration
from ..runfolder import trackers, tracking

BY = {"accuracy": "", "macro_f1": " macro F1", "balanced_accuracy": " balanced accuracy",
      "valid_loss": " cross-entropy"}
MEASURED_ON = {"test": "test", "valid": "validation (there is no test set)"}


WHOLE_LINES = ("run", "runs", "page", "next", "")  # labels of paths and commands, which are to be copied


def labelled(label, text): return f"{label:<10}{text}"


def show_screen(lines):
    "Print labelled lines; those that are prose end between words where the terminal is narrow"
    for line in lines:
        if line[:10].strip() in WHOLE_LINES:
            print_whole(line)
        else:
            output.tell(line, indent=10)


def print_whole(line):
    "A path or a command, which is never broken; its remark goes below it where the terminal is narrow"
    command, mark, remark = line.partition("  # ")
    if not sys.stdout.isatty() or len(line) <= get_terminal_size().columns or not mark:
        return print(line)
    print(command)
    output.tell(f"{'':10}# {remark}", indent=12)


# -- of several seeds

def seeds_screen(folders):
    "How a recipe's seeds spread: mean ± sd, 95% interval, extremes, time"
    if not folders:
        return ["no run finished"]
    metrics = [read_json(folder / "metrics.json") for folder in folders]
    return [
        "",
        labelled("accuracy", spread_of_accuracy(metrics)),
        labelled("time", mean_time(metrics)),
        *(labelled("runs" if i == 0 else "", str(folder)) for i, folder in enumerate(folders)),
        labelled("next", compare_hint(folders)),
    ]


def spread_of_accuracy(metrics):
    from ..report.compare.stats import summary
    percent = [100 * m["top1"] for m in metrics]
    s = summary(percent)
    mean = f"{s.mean:.2f}%"
    if len({*percent}) == 1 < len(percent):
        mean += ", the same with every seed, so no interval"
    elif len(percent) > 1:
        mean += f" ± {s.sd:.2f} (sd), 95% interval {s.low:.2f} to {s.high:.2f}"
    extremes = f"{min(percent):.2f} to {max(percent):.2f}"
    seeds = f"{plural(len(percent), 'seed')} of n = {metrics[0]['n']:,} images"
    return f"{mean}, {extremes}, {MEASURED_ON[metrics[0]['split']]}, {seeds}"


def mean_time(metrics):
    seconds = sum(m["train_seconds"] for m in metrics) / len(metrics)
    speed = sum(m["images_per_s"] for m in metrics) / len(metrics)
    return f"{duration(seconds)} of training each, {speed:,.0f} images/s"


def compare_hint(folders):
    out = shlex.quote(str(Path(folders[0]).parent))
    return f"fastricks compare {out}  # with the runs of other recipes there"


# -- of one training

def last_screen(recipe, result):
    "What was trained, how well, where it lies, and what to do next"
    lines = ["", labelled("trained", what_was_trained(recipe, result.metrics, not_applied(result.folder)))]
    lines.append(labelled("accuracy", final_numbers(recipe, result)))
    lines += kept_epoch(recipe, result.metrics) + skipped_steps(result.metrics)
    lines.append(labelled("run", result.folder))
    page = Path(result.folder) / "index.html"
    if page.is_file():
        lines.append(labelled("page", page))
    first, *others = next_commands(recipe, result.folder)
    shown = [f"{command}  # shows it" for command in trackers.commands(recipe.log, result.folder)]
    return [*lines, labelled("next", first), *(labelled("", command) for command in [*others, *shown])]


def what_was_trained(recipe, m, idle=()):
    "`idle`: names of tricks that were asked for and not applied: nothing is faster than fp32 here, say"
    start = "from scratch" if recipe.from_scratch else "from pre-trained weights"
    tricks = [str(t) for t in recipe.make_tricks() if t.name in recipe.tricks and t.name not in idle]
    speed = f"{m['images_per_s']:,.0f} images/s"
    time = f"{plural(m['epochs'], 'epoch')} in {m['train_seconds']:,.0f} s ({speed})"
    with_tricks = "+".join(tricks) or "no tricks"
    without = f" ({' and '.join(idle)} not applied)" if idle else ""
    return f"{recipe.arch} {start} with {with_tricks}{without}, {time}"


def not_applied(folder):
    "The tricks of a run that were found to be of no use on its machine"
    facts = read_json(Path(folder) / "recipe.json").get("facts", {})
    return [name for name, found in facts.items() if found.get("applied") is False]


def final_numbers(recipe, result):
    m = result.metrics
    chosen = ", on which the weights were chosen" if m["split"] == "valid" and recipe.keeps_best else ""
    right = f"{m['correct']:,} of {m['n']:,} right"
    return f"{m['top1']:.2%} {MEASURED_ON[m['split']]}{chosen}: {right}{five(result)}, cross-entropy {m['loss']:.4f}"


def five(result):
    "Top-5, where there are classes enough for it to be wrong"
    from ..model.weights import read_meta
    names = result.learn.dls.vocab if result.learn else read_meta(Path(result.folder) / "model.safetensors")["classes"]
    few = len(names) <= 5
    return "" if few else f", top-5 {result.metrics['top5']:.2%}"


def kept_epoch(recipe, m):
    "Of which epoch the weights are, where --keep or --patience asked for a choice"
    if "kept_epoch" not in m:
        return []
    early = f", stopped after {recipe.patience} without a better one" if m["epochs"] < recipe.epochs else ""
    which = f"epoch {m['kept_epoch']} of {m['epochs']}{early}"
    if m["kept_epoch"] == m["best_epoch"]:
        return [labelled("kept", f"{which}: the best{BY[recipe.chosen_by]} on the validation split")]
    return [labelled("kept", f"{which}: epoch {m['best_epoch']} was better on the validation split, and --keep best "
                             "keeps that")]


def skipped_steps(m):
    if not m["skipped_steps"]:
        return []
    steps = plural(m["skipped_steps"], "step")
    return [labelled("left out", f"{steps} whose loss or gradient was not finite (log.txt has the images)")]


SUGGESTED = "warmup+cosine+label_smoothing"
SUGGESTED_SHORT = "cosine+label_smoothing"  # for runs too short to warm up


def worth_trying(folder):
    "Tricks with which the run's recipe can be trained once more"
    from ..recipe.plan import schedule_of
    from ..recipe.recipe import resolve
    n = read_json(Path(folder) / "recipe.json")["data"]["train"]
    try:
        schedule_of(resolve({}, [SUGGESTED], str(folder)), images=n)
    except UserError:
        return SUGGESTED_SHORT
    return SUGGESTED


def next_commands(recipe, folder):
    "Three commands to go on with, each with a remark"
    trust = " --trust" if recipe.trick_files else ""  # the user's own files
    again = f"fastricks train --recipe {shlex.quote(str(folder))}{trust}"
    if recipe.tricks:
        other = f"{again} -t none  # the same without tricks"
    else:
        other = f"{again} -t {worth_trying(folder)}  # the same with tricks"
    sync = tracking.sync_command(folder)
    last = f"{sync}  # send it to W&B" if sync else "fastricks tricks  # list all tricks"
    return [other, f"{again} --seed {recipe.seed + 1}  # the same with another seed", last]

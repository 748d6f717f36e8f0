"""The end of a training: final numbers on the final weights, and the files that hold them."""
import json
import time
from math import isfinite

import torch
from safetensors.torch import save

from ..callbacks.checkpoint import is_finite_model
from ..core import ranks, stop
from ..core.errors import UserError
from ..core.files import rows_to_csv, write, write_json
from ..model.network import stats, with_tag
from ..recipe.plan import arch_kwargs
from ..recipe.recipe import LATER
from .evaluate import calibrate, logits_and_labels, metrics, only_class, prediction_rows, scores_by_class, tempered

NOT_FINITE = "the weights after the last epoch are not finite numbers, and none are saved: try a lower --lr"


def finish(session, learn, seconds):
    "Final numbers on the final weights, and the files that hold them; `status.json` comes last"
    job, run, reporter = session.job, session.run, session.asked.reporter
    if not is_finite_model(learn.model):
        raise UserError(NOT_FINITE)
    start = time.perf_counter()
    numbers, calibrated = measured_numbers(learn, run, job.source)
    final = {
        **numbers,
        **times(learn, job.source, seconds, start),
        **kept_epochs(learn, job.recipe),
        **guarded(learn),
        **compiled(learn, job.recipe),
    }
    if not ranks.is_first():
        return final
    if "only_class" in final:
        session.tell(learned_nothing(final))
    save_weights(run, learn.model, {**facts_of_model(job), **calibrated})
    if learn.recorder.hps.get("lr"):  # a linear probe takes no step
        session.draw("lr.png", lambda file: reporter.rates(file, learn, run.name))
    write_json(run.path("metrics.json"), final)
    session.draw("heatmaps.json", lambda file: reporter.heat(file, job, learn))
    session.draw("index.html", lambda file: reporter.page(file, job.source))
    stop.check()
    with stop.held():
        run.finish()
        session.list_runs()
    return final


def measured_numbers(learn, run, source):
    """(final numbers of a Learner's network on the split that they are of, and on the validation split; its
    calibration, {} without a validation split); the predictions are written"""
    split = source.eval_split
    logits, labels = logits_and_labels(learn, learn.dls.test) if split == "test" else validation_logits(learn)
    calibrated, valid = valid_too(learn, run, source, split, logits, labels)
    T = calibrated.get("temperature")
    if ranks.is_first():
        write_predictions(run.path("predictions.csv"), learn, source, split, logits, labels, T)
    return {
        "split": split,
        **metrics(logits, labels),
        **scores_by_class(logits, labels),
        **tempered(logits, labels, T),
        **only_class(logits, labels, source.classes),
        **valid,
    }, calibrated


def learned_nothing(numbers):
    images = f"all {numbers['n']:,} images of the {numbers['split']} split"
    return (f"{images} got the class {numbers['only_class']!r}: this network learned nothing, or has died; try a lower "
            "--lr, -t warmup or -t head_first")


def times(learn, source, seconds, start):
    "Seconds of the run, its training and its evaluation, which began at `start`; images trained on a second"
    rows = learn.history.rows
    training = sum(r["seconds"] for r in rows)
    return {
        "epochs": len(rows),
        "seconds": round(seconds, 2),
        "train_seconds": round(training, 2),
        "eval_seconds": round(time.perf_counter() - start, 2),
        "images_per_s": round(len(rows) * len(source.of("train")) / training, 1),
    }


def kept_epochs(learn, recipe):
    """Which epoch's weights these are, and which was best on the validation split (the first of equals), where either
    was asked for
    """
    column = recipe.chosen_by
    rows = [r for r in learn.history.rows if r[column] is not None and isfinite(r[column])]
    if not rows or not (recipe.keeps_best or recipe.patience):
        return {}
    best = (min if column == "valid_loss" else max)(rows, key=lambda r: r[column])["epoch"]
    return {"kept_epoch": best if recipe.keeps_best else rows[-1]["epoch"], "best_epoch": best}


def guarded(learn):
    "Steps that were skipped, and rescaled if any was"
    skipped, rescaled = learn.guard.skipped, learn.guard.rescaled
    return {"skipped_steps": skipped} | ({"rescaled_steps": rescaled} if rescaled else {})


def compiled(learn, recipe):
    if not recipe.compile:
        return {}
    return {"compile": learn.compiled.on, "compile_seconds": round(learn.compiled.seconds, 2)}


def valid_too(learn, run, source, split, logits, labels):
    """(calibration by the validation split, {"valid": its numbers}), of the same weights: what choosing between recipes
    may look at.

    Where the run's own numbers are the validation split's, no others; without such a split, ({}, {}).
    """
    if split == "valid":
        return calibrate(logits, labels), {}
    if not source.of("valid"):
        return {}, {}
    logits, labels = validation_logits(learn)
    calibrated = calibrate(logits, labels)
    T = calibrated["temperature"]
    if ranks.is_first():
        write_predictions(run.path("predictions-valid.csv"), learn, source, "valid", logits, labels, T)
    numbers = {**metrics(logits, labels), **scores_by_class(logits, labels), **tempered(logits, labels, T)}
    return calibrated, {"valid": numbers}


def validation_logits(learn):
    "(logits, labels) of the validation images, and of the rest where --rest gives it to them"
    parts = [logits_and_labels(learn, dl) for dl in (learn.dls.valid, learn.dls.rest) if dl is not None]
    return tuple(torch.cat(o) for o in zip(*parts, strict=True))


def write_predictions(file, learn, source, split, logits, labels, T=None):
    items = learn.dls.losses.left(source.final(split))
    write(file, rows_to_csv(prediction_rows(items, logits, labels, source.classes, T)))


def facts_of_model(job):
    """All that is needed to use a network, but for its calibration: what it is, its classes, and how pixels are made
    for it
    """
    recipe = job.recipe
    mean, std = stats(recipe)
    return {
        "arch": with_tag(recipe.arch),
        "kwargs": arch_kwargs(recipe),
        "classes": list(job.source.classes),
        "pipeline": recipe.pipeline,
        "size": recipe.size,
        "resize": recipe.resize,
        "mean": mean,
        "std": std,
        **{k: v for k in ("fit", "shape", "icc", "white", "xmp") if (v := getattr(recipe, k)) != LATER[k]},
    }


def save_weights(run, model, facts):
    "model.safetensors, with the facts that it can be used by"
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    write(run.path("model.safetensors"), save(state, {"fastricks": json.dumps(facts)}))

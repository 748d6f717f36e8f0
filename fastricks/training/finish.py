"""The end of a training: final numbers on the final weights, and the files that hold them."""
import json
import time

from ..core import ranks, stop
from ..core.errors import UserError
from ..core.files import rows_to_csv, write, write_json


def finish(recipe, source, learn, run, seconds, tell):
    "Final numbers on the final weights, and the files that hold them; `status.json` comes last"
    from ..callbacks.checkpoint import finite
    from .evaluate import metrics, predict, prediction_rows
    if not finite(learn.model): raise UserError("the weights after the last epoch are not finite numbers, and none are saved: try a lower --lr")
    split = source.eval_split
    start = time.perf_counter()
    logits, labels = predict(learn, learn.dls.test if split == "test" else learn.dls.valid)
    rows, left = learn.history.rows, learn.dls.losses.left
    final = {"split": split, **metrics(logits, labels), **valid_too(learn, run, source, split), "epochs": len(rows), "seconds": round(seconds, 2),
             "train_seconds": round(sum(r["seconds"] for r in rows), 2), "eval_seconds": round(time.perf_counter() - start, 2),
             "images_per_s": round(len(rows) * len(source.of("train")) / sum(r["seconds"] for r in rows), 1)}
    final |= {"skipped_steps": learn.guard.skipped} | ({"rescaled_steps": learn.guard.rescaled} if learn.guard.rescaled else {})
    if recipe.compile: final |= {"compile": learn.compiled.on, "compile_seconds": round(learn.compiled.seconds, 2)}
    if not ranks.is_first(): return final
    write(run.path("predictions.csv"), rows_to_csv(prediction_rows(left(source.of(split)), logits, labels, source.classes)))
    save_weights(recipe, source, learn, run)
    picture(run, tell, "lr", lambda: lr_picture(learn, run.name))
    write_json(run.path("metrics.json"), final)
    page(run, source, tell)
    stop.check()
    with stop.held(): run.finish()
    return final


def valid_too(learn, run, source, split):
    "Beside the test set's numbers the validation split's, of the same weights: what choosing between recipes may look at"
    from .evaluate import metrics, predict, prediction_rows
    items = source.of("valid")
    if split == "valid" or not items: return {}
    logits, labels = predict(learn, learn.dls.valid)
    run.write("predictions-valid.csv", rows_to_csv(prediction_rows(learn.dls.losses.left(items), logits, labels, source.classes)))
    return {"valid": metrics(logits, labels)}


def picture(run, tell, name, draw):
    "Write a picture of the run; whatever goes wrong with it, the run goes on"
    from ..report.plots import save
    try:
        with ranks.apart(): save(draw(), run.path(f"{name}.png"))
    except Exception as e: tell(f"no {name}.png ({type(e).__name__}: {e})")


def page(run, source, tell):
    "The run's index.html; whatever goes wrong with it, the run goes on"
    try:
        from ..report.pages.run import save_run_page
        with ranks.apart(): save_run_page(run.folder, source)
    except Exception as e: tell(f"no index.html ({type(e).__name__}: {e})")


def lr_picture(learn, name):
    "The learning rate of every batch that was trained on"
    from ..report.plots import draw_lr
    hps = {k: {name: v} for k, v in learn.recorder.hps.items()}
    return draw_lr(hps["lr"], {name: len(learn.dls.train)}, hps.get("mom"))


def save_weights(recipe, source, learn, run):
    "model.safetensors with all that is needed to use it: the network, its classes, and how pixels are made for it"
    from safetensors.torch import save

    from ..model.network import stats
    from ..recipe.plan import arch_kwargs
    mean, std = stats(recipe)
    meta = {"arch": recipe.arch, "kwargs": arch_kwargs(recipe), "classes": list(source.classes), "pipeline": recipe.pipeline,
            "size": recipe.size, "resize": recipe.resize, "mean": mean, "std": std}
    state = {k: v.detach().cpu().contiguous() for k, v in learn.model.state_dict().items()}
    write(run.path("model.safetensors"), save(state, {"fastricks": json.dumps(meta)}))
